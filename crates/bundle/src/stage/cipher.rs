//! AES-128-CBC with PKCS#7 padding.

use std::io::{self, Write};

use aes::Aes128;
use aes::cipher::{Array, BlockModeEncrypt, KeyIvInit};
use baler_manifest::{CipherIv, CipherKey};

const BLOCK: usize = 16;
/// Large enough for a small cost per call, small enough for the fastest cache.
const BUFFER: usize = 64 << 10;

/// Encrypts its input and writes the ciphertext to `W`.
pub(crate) struct Cipher<W> {
    cipher: cbc::Encryptor<Aes128>,
    buffer: Vec<u8>,
    inner: W,
}

impl<W: Write> Cipher<W> {
    pub(crate) fn new(key: &CipherKey, iv: &CipherIv, inner: W) -> Cipher<W> {
        let cipher = cbc::Encryptor::new(key.bytes().into(), iv.bytes().into());
        Cipher { cipher, buffer: Vec::with_capacity(BUFFER), inner }
    }

    /// Encrypts the rest with its padding; returns the next stage.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let padding = BLOCK - self.buffer.len() % BLOCK;
        self.buffer.resize(self.buffer.len() + padding, padding as u8);
        self.encrypt()?;
        Ok(self.inner)
    }

    fn encrypt(&mut self) -> io::Result<()> {
        let (blocks, _) = Array::slice_as_chunks_mut(&mut self.buffer);
        self.cipher.encrypt_blocks(blocks);
        let whole = self.buffer.len() / BLOCK * BLOCK;
        self.inner.write_all(&self.buffer[..whole])?;
        self.buffer.drain(..whole);
        Ok(())
    }
}

impl<W: Write> Write for Cipher<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(BUFFER - self.buffer.len());
        self.buffer.extend_from_slice(&data[..taken]);
        if self.buffer.len() == BUFFER {
            self.encrypt()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
