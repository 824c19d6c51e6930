//! Images and parts in memory.

use aes::Aes128;
use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use baler_bundle::{Error, Level, MemoryParts, PackOptions, Packed, UnpackOptions, unpack};
use baler_image::{Memory, MemorySink, Runs};
use baler_manifest::{Bundler, CipherIv, CipherKey, Contents};

/// A cipher's key and initialisation vector.
pub(crate) type Keys = (CipherKey, CipherIv);

/// The keys of all bundles here.
pub(crate) fn keys() -> Keys {
    (CipherKey::new(*b"0123456789abcdef"), CipherIv::new(*b"fedcba9876543210"))
}

/// Options to pack an image called `image`.
pub(crate) fn packing((key, iv): &Keys, level: Level, jobs: usize) -> PackOptions<'_> {
    let mut options = PackOptions::new("image", key, iv);
    (options.level, options.mtime, options.jobs) = (level, 1_000_000_000, jobs);
    options
}

/// Options to unpack with so many threads.
pub(crate) fn unpacking((key, iv): &Keys, jobs: usize) -> UnpackOptions<'_> {
    let mut options = UnpackOptions::new(key, iv);
    options.jobs = jobs;
    options
}

/// An image of which each page of 4 KiB that is not all zeros is data.
pub(crate) fn sparse(bytes: Vec<u8>) -> Memory {
    let mut runs = Runs::new(1);
    for (index, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|&byte| byte != 0) {
            let start = index as u64 * 4096;
            runs.push(start, start + page.len() as u64);
        }
    }
    Memory::with_extents(bytes, runs.into_extents())
}

/// Unpacks into memory; the image is there only if it was committed, and committed only if all was well.
pub(crate) fn unpack_with(
    contents: &Contents,
    parts: &MemoryParts,
    jobs: usize,
) -> Result<Vec<u8>, Error> {
    let mut out = untouched();
    let sink = Box::new(MemorySink::new(&mut out));
    let result = unpack(contents, &unpacking(&keys(), jobs), parts, sink, &|_| {});
    assert!(result.is_ok() || out == untouched(), "committed only where all is well");
    result.map(|()| out.into_bytes())
}

/// A memory that no sink has written to.
pub(crate) fn untouched() -> Memory {
    Memory::dense(*b"untouched")
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

/// Decrypts the ciphertext of parts, and removes the padding.
pub(crate) fn decrypt((key, iv): &Keys, ciphertext: &[u8]) -> Vec<u8> {
    let mut plain = ciphertext.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes128>::new(key.bytes().into(), iv.bytes().into()).decrypt_blocks(blocks);
    plain.truncate(plain.len() - usize::from(plain[plain.len() - 1]));
    plain
}

/// Encrypts a stream with its padding, as parts hold it.
pub(crate) fn encrypt(keys: &Keys, stream: &[u8]) -> Vec<u8> {
    let padding = 16 - stream.len() % 16;
    let mut padded = stream.to_vec();
    padded.resize(stream.len() + padding, padding as u8);
    encrypt_blocks(keys, padded)
}

/// Encrypts whole blocks. The bytes after the last one stay as they are.
pub(crate) fn encrypt_blocks((key, iv): &Keys, mut bytes: Vec<u8>) -> Vec<u8> {
    let (blocks, _) = Array::slice_as_chunks_mut(&mut bytes);
    cbc::Encryptor::<Aes128>::new(key.bytes().into(), iv.bytes().into()).encrypt_blocks(blocks);
    bytes
}

/// A manifest's contents for a bundle that was packed; they hold only the values that `unpack` needs.
pub(crate) fn contents(packed: &Packed) -> Contents {
    let mut contents = template();
    contents.digest = packed.digest;
    contents.size = packed.size;
    contents.bundled_size = packed.bundled_size;
    contents.parts = packed.parts.clone();
    contents
}

/// A manifest's contents for a bundle of nothing.
pub(crate) fn template() -> Contents {
    let account = "123456789012".parse().unwrap();
    Contents::draft(Bundler::default(), "image", &account, "x86_64".into())
}
