//! RSA keys: the user's and EC2's, in all forms of key files that are in use.

mod bits;
mod certificate;
mod container;
mod error;
mod legacy;
mod passphrase;
mod pem;
mod private;
mod public;

pub use self::bits::{MAX_KEY_BITS, MIN_KEY_BITS};
pub use self::certificate::self_signed_certificate;
pub use self::error::KeyError;
pub use self::passphrase::Passphrase;
pub use self::private::PrivateKey;
pub use self::public::{Fingerprint, PublicKey};
