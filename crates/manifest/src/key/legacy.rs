//! Encryption of a PKCS#1 key by its PEM headers, `Proc-Type: 4,ENCRYPTED`, which `openssl genrsa -aes128` wrote until
//! 3.0.
//!
//! RFC 1421 defines the headers. The derivation of the key from the passphrase is OpenSSL's (`EVP_BytesToKey(3)`, MD5,
//! one round, the first eight bytes of the initialisation vector as the salt).

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit as _};
use md5::{Digest as _, Md5};
use zeroize::{Zeroize as _, Zeroizing};

use super::{KeyError, Passphrase};
use crate::hex;

/// The encryption of a key: the value of `DEK-Info`.
pub(super) struct Encryption {
    cipher: Cipher,
    iv: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Encryption {
    /// Reads `AES-128-CBC,00112233445566778899AABBCCDDEEFF`.
    pub(super) fn from_header(value: &str) -> Result<Self, KeyError> {
        let (name, iv) = value.split_once(',').ok_or(KeyError::Damaged("PEM header"))?;
        let (cipher, length) = match name.trim() {
            "AES-128-CBC" => (Cipher::Aes128, 16),
            "AES-192-CBC" => (Cipher::Aes192, 16),
            "AES-256-CBC" => (Cipher::Aes256, 16),
            "DES-EDE3-CBC" => (Cipher::TripleDes, 8),
            name => return Err(KeyError::UnsupportedEncryption(name.chars().take(40).collect())),
        };
        let iv = hex::decode(iv.trim().as_bytes()).ok().filter(|iv| iv.len() == length);
        Ok(Self { cipher, iv: iv.ok_or(KeyError::Damaged("PEM header"))? })
    }

    /// Decrypts `data`. Most wrong passphrases are noticed here, the others when the result is not a key.
    pub(super) fn decrypt(
        &self,
        passphrase: &Passphrase,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self.cipher {
            Cipher::Aes128 => self.run::<aes::Aes128>(passphrase, data),
            Cipher::Aes192 => self.run::<aes::Aes192>(passphrase, data),
            Cipher::Aes256 => self.run::<aes::Aes256>(passphrase, data),
            Cipher::TripleDes => self.run::<des::TdesEde3>(passphrase, data),
        }
    }

    fn run<C: BlockCipherDecrypt + KeyInit>(
        &self,
        passphrase: &Passphrase,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = self.key(passphrase, C::key_size());
        let cipher = Decryptor::<C>::new_from_slices(&key, &self.iv)
            .map_err(|_| KeyError::Damaged("PEM header"))?;
        let mut data = Zeroizing::new(data.to_vec());
        let length =
            cipher.decrypt_padded::<Pkcs7>(&mut data).map_err(|_| KeyError::PassphraseWrong)?.len();
        data.truncate(length);
        Ok(data)
    }

    fn key(&self, passphrase: &Passphrase, length: usize) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
        while key.len() < length {
            let mut md5 = Md5::new();
            md5.update(key.get(key.len().wrapping_sub(16)..).unwrap_or_default());
            md5.update(passphrase.bytes());
            md5.update(&self.iv[..8]);
            let mut round = <[u8; 16]>::from(md5.finalize());
            key.extend_from_slice(&round);
            round.zeroize();
        }
        key.truncate(length);
        key
    }
}
