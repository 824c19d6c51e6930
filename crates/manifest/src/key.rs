//! RSA keys: the user's and EC2's, in the files that people have.

mod certificate;
mod container;
mod error;
mod legacy;
mod pem;
mod private;
mod public;

pub use self::certificate::self_signed_certificate;
pub use self::error::KeyError;
pub use self::private::{Passphrase, PrivateKey};
pub use self::public::{Fingerprint, PublicKey};

/// The smallest key that is used: EC2's own ones have 1,024 bits, as have users' of 2006.
pub const MIN_KEY_BITS: usize = 1024;

/// The largest key that is used.
pub const MAX_KEY_BITS: usize = 8192;

/// Refuses a modulus (big-endian, without its sign byte) that is not within the limits.
fn check_bits(modulus: &[u8]) -> Result<(), KeyError> {
    let bits = modulus
        .iter()
        .position(|&byte| byte != 0)
        .map_or(0, |zeros| (modulus.len() - zeros) * 8 - modulus[zeros].leading_zeros() as usize);
    match bits {
        ..MIN_KEY_BITS => Err(KeyError::TooSmall { bits }),
        MIN_KEY_BITS..=MAX_KEY_BITS => Ok(()),
        _ => Err(KeyError::TooLarge { bits }),
    }
}
