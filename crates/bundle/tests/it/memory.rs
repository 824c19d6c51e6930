//! Images, sinks and parts in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use aes::Aes128;
use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use baler_bundle::{Packed, PartSink, PartSource, SealedPart};
use baler_image::{Extent, Image, ImageSink};
use baler_manifest::{Bundler, CipherIv, CipherKey, Contents, ImageType, Sha1Digest};

/// An image in memory, and what of it is data.
#[derive(Clone, Debug)]
pub(crate) struct MemoryImage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) extents: Vec<Extent>,
}

impl MemoryImage {
    /// Each 4 KiB page that is not all zeros is data.
    pub(crate) fn sparse(bytes: Vec<u8>) -> MemoryImage {
        let mut extents: Vec<Extent> = Vec::new();
        for (index, page) in
            bytes.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|&byte| byte != 0))
        {
            let (offset, len) = (index as u64 * 4096, page.len() as u64);
            match extents.last_mut() {
                Some(last) if last.end() == offset => last.len += len,
                _ => extents.push(Extent { offset, len }),
            }
        }
        MemoryImage { bytes, extents }
    }

    /// All of it is data.
    pub(crate) fn dense(bytes: Vec<u8>) -> MemoryImage {
        let extents = vec![Extent { offset: 0, len: bytes.len() as u64 }];
        MemoryImage { bytes, extents }
    }
}

impl Image for MemoryImage {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        buf.copy_from_slice(&self.bytes[offset as usize..][..buf.len()]);
        Ok(())
    }
}

/// Keeps the image; `committed` tells whether it was.
#[derive(Clone, Default)]
pub(crate) struct MemorySink(pub(crate) Arc<Mutex<Written>>);

#[derive(Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) committed: bool,
}

impl ImageSink for MemorySink {
    fn begin(&mut self, len: u64, _: Option<&[Extent]>) -> io::Result<()> {
        self.0.lock().unwrap().bytes = vec![0; len as usize];
        Ok(())
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.lock().unwrap().bytes[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        self.0.lock().unwrap().committed = true;
        Ok(())
    }
}

/// Parts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts(pub(crate) BTreeMap<String, Vec<u8>>);

impl PartSink for Parts {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        assert!(self.0.insert(part.filename, part.data).is_none(), "a part is made once");
        Ok(())
    }
}

impl PartSource for Parts {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        self.0.get(filename).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A repeatable mixture of words, noise and zeros.
pub(crate) fn data(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 10_000);
    while out.len() < len {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let word = (state >> 33) as usize;
        match word % 61 {
            0 => out.resize(out.len() + word % 9000, 0),
            1 => out
                .extend((0..word % 9000).map(|i| (state >> (i % 50)) as u8 ^ ((i * i) >> 5) as u8)),
            _ => out.extend_from_slice(format!("{:x} ", word % (1 << (word % 20))).as_bytes()),
        }
    }
    out.truncate(len);
    out
}

/// Repeatable bytes that cannot be compressed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// What parts decrypt to, without the padding.
pub(crate) fn decrypt((key, iv): &(CipherKey, CipherIv), ciphertext: &[u8]) -> Vec<u8> {
    let mut plain = ciphertext.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes128>::new(key.bytes().into(), iv.bytes().into()).decrypt_blocks(blocks);
    plain.truncate(plain.len() - usize::from(plain[plain.len() - 1]));
    plain
}

/// What parts hold, for a stream.
pub(crate) fn encrypt(keys: &(CipherKey, CipherIv), stream: &[u8]) -> Vec<u8> {
    let padding = 16 - stream.len() % 16;
    let mut padded = stream.to_vec();
    padded.resize(stream.len() + padding, padding as u8);
    encrypt_blocks(keys, padded)
}

/// What is beyond a multiple of the cipher's block stays as it is.
pub(crate) fn encrypt_blocks((key, iv): &(CipherKey, CipherIv), mut bytes: Vec<u8>) -> Vec<u8> {
    let (blocks, _) = Array::slice_as_chunks_mut(&mut bytes);
    cbc::Encryptor::<Aes128>::new(key.bytes().into(), iv.bytes().into()).encrypt_blocks(blocks);
    bytes
}

/// A manifest's contents for what was packed; only what `unpack` looks at means anything.
pub(crate) fn contents(packed: &Packed) -> Contents {
    Contents {
        digest: packed.digest,
        size: packed.size,
        bundled_size: packed.bundled_size,
        parts: packed.parts.clone(),
        ..template()
    }
}

/// A manifest's contents for a bundle of nothing.
pub(crate) fn template() -> Contents {
    Contents {
        bundler: Bundler { name: "test".into(), version: "0".into(), release: "0".into() },
        architecture: "x86_64".into(),
        mappings: Vec::new(),
        kernel_id: None,
        ramdisk_id: None,
        product_codes: Vec::new(),
        name: "image".into(),
        account: "123456789012".into(),
        image_type: ImageType::Machine,
        kernel_name: None,
        ancestry: Vec::new(),
        digest: Sha1Digest::new([0; 20]),
        size: 0,
        bundled_size: 0,
        ec2_key: Vec::new(),
        user_key: Vec::new(),
        ec2_iv: Vec::new(),
        user_iv: Vec::new(),
        parts: Vec::new(),
    }
}
