//! Parts, checked and decrypted.

use aes::Aes128;
use aes::cipher::{Array, BlockModeDecrypt, KeyIvInit};
use baler_manifest::{CipherIv, CipherKey, Contents, Part, Sha1Digest};
use sha1::{Digest as _, Sha1};

use crate::parts::{MAX_PART_LEN, PartSource};
use crate::{Error, Event};

const BLOCK: usize = 16;

/// Reads one part whole, and compares it with the manifest.
///
/// # Errors
/// A part that cannot be read, is longer than [`MAX_PART_LEN`], or has another digest.
pub fn fetch_part(source: &dyn PartSource, index: usize, part: &Part) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Part { index, filename: part.filename.clone(), source };
    let data = source.get(&part.filename).map_err(failed)?;
    if data.len() > MAX_PART_LEN {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let actual = Sha1Digest::new(Sha1::digest(&data).into());
    if actual != part.digest {
        let (filename, expected) = (part.filename.clone(), part.digest);
        return Err(Error::PartDigest { index, filename, expected, actual });
    }
    Ok(data)
}

/// Reads the parts in their order and passes on their plaintext, until one is wrong or `pass_on` returns `false`.
pub(crate) fn decrypt(
    contents: &Contents,
    source: &dyn PartSource,
    mut cipher: Decipher,
    on_event: &(dyn Fn(Event) + Sync),
    pass_on: &mut dyn FnMut(Result<Vec<u8>, Error>) -> bool,
) {
    let expected = contents.bundled_size;
    let mut len = 0;
    let Some(last) = contents.parts.len().checked_sub(1) else {
        pass_on(Err(Error::BundledSize { expected, actual: 0 }));
        return;
    };
    for (index, part) in contents.parts.iter().enumerate() {
        let piece = fetch_part(source, index, part).and_then(|data| {
            len += data.len() as u64;
            on_event(Event::Part(data.len() as u64));
            if len > expected || index == last && len != expected {
                return Err(Error::BundledSize { expected, actual: len });
            }
            if index == last { cipher.finish(data) } else { Ok(cipher.decrypt(data)) }
        });
        let failed = piece.is_err();
        if !pass_on(piece) || failed {
            return;
        }
    }
}

/// Decryption with AES-128-CBC, in pieces of any length.
pub(crate) struct Decipher {
    cipher: cbc::Decryptor<Aes128>,
    /// The start of a block whose end is in the next piece.
    carried: Vec<u8>,
}

impl Decipher {
    pub(crate) fn new(key: &CipherKey, iv: &CipherIv) -> Decipher {
        Decipher {
            cipher: cbc::Decryptor::new(key.bytes().into(), iv.bytes().into()),
            carried: Vec::new(),
        }
    }

    /// Decrypts all blocks that are complete.
    pub(crate) fn decrypt(&mut self, mut data: Vec<u8>) -> Vec<u8> {
        if !self.carried.is_empty() {
            data.splice(..0, self.carried.drain(..));
        }
        self.carried = data.split_off(data.len() / BLOCK * BLOCK);
        let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
        self.cipher.decrypt_blocks(blocks);
        data
    }

    /// Decrypts the last piece and removes its padding.
    fn finish(&mut self, data: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut plain = self.decrypt(data);
        if !self.carried.is_empty() {
            return Err(Error::Cipher(
                "their length is not a multiple of the cipher's block, 16 bytes",
            ));
        }
        unpad(&mut plain)?;
        Ok(plain)
    }
}

/// Removes PKCS#7 padding (RFC 5652, section 6.3) from the end of a plaintext.
pub(crate) fn unpad(plain: &mut Vec<u8>) -> Result<(), Error> {
    let padding = usize::from(plain.last().copied().unwrap_or(0));
    let whole = plain.len().saturating_sub(padding);
    if !(1..=BLOCK).contains(&padding)
        || plain[whole..].iter().any(|&byte| usize::from(byte) != padding)
    {
        return Err(Error::Cipher("the padding at their end is wrong"));
    }
    plain.truncate(whole);
    Ok(())
}
