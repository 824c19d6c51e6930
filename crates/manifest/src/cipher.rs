//! The two secrets of a bundle: the AES-128 key and the initialisation vector (`docs/format.md`, "Key wrapping").

use rsa::rand_core::TryCryptoRng;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::KeyError;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 16 bytes that are zeroed when dropped and never shown: `Debug` prints only the type's name.
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes these bytes. The caller has to erase a copy that it keeps.
            pub fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Draws fresh bytes from `rng`.
            ///
            /// # Errors
            ///
            /// [`KeyError::Random`] if `rng` fails.
            pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, KeyError> {
                let mut secret = Self([0; 16]);
                rng.try_fill_bytes(&mut secret.0).map_err(|_| KeyError::Random)?;
                Ok(secret)
            }

            /// Returns the bytes, for the cipher.
            pub fn bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl From<Zeroizing<[u8; 16]>> for $name {
            fn from(bytes: Zeroizing<[u8; 16]>) -> Self {
                Self(*bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

secret! {
    /// The AES-128 key that a bundle is encrypted with, fresh for each bundle.
    CipherKey
}

secret! {
    /// The initialisation vector of the CBC mode that a bundle is encrypted in, fresh for each bundle.
    ///
    /// The format treats it as a secret, like the key.
    CipherIv
}
