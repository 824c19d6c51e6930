//! Opening: from a manifest and a private key to the secrets of the bundle.

use rsa::rand_core::TryCryptoRng;

use crate::{CipherIv, CipherKey, Contents, KeyError, PrivateKey};

/// The owner of the copy of the secrets that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedAs {
    /// The user, which is the usual case.
    User,
    /// EC2: the key is that of an EC2, or of another cloud of its kind.
    Ec2,
}

/// The secrets of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The cipher key.
    pub key: CipherKey,
    /// The initialisation vector.
    pub iv: CipherIv,
    /// The owner of the copy that the private key opened.
    pub opened_as: OpenedAs,
}

/// Unwraps the cipher key and the initialisation vector of a bundle with `key`: the user's copy if it opens with it,
/// else EC2's ([format](crate::format#key-wrapping)).
///
/// Only the image's digest proves that the secrets are the right ones: anyone who can write a manifest can wrap others
/// for a public key.
///
/// # Errors
///
/// [`KeyError::NotForThisKey`] if `key` opens neither copy, [`KeyError::NoUserKey`] if it does not open EC2's and there
/// is no other, [`KeyError::Random`] if `rng` fails.
pub fn open<R: TryCryptoRng + ?Sized>(
    contents: &Contents,
    key: &PrivateKey,
    rng: &mut R,
) -> Result<Opened, KeyError> {
    let copies = [
        (&contents.user_key, &contents.user_iv, OpenedAs::User),
        (&contents.ec2_key, &contents.ec2_iv, OpenedAs::Ec2),
    ];
    for (wrapped_key, wrapped_iv, opened_as) in copies {
        let secrets = key
            .unwrap(wrapped_key, rng)
            .and_then(|cipher_key| Ok((cipher_key, key.unwrap(wrapped_iv, rng)?)));
        match secrets {
            Ok((cipher_key, iv)) => {
                return Ok(Opened { key: cipher_key.into(), iv: iv.into(), opened_as });
            }
            Err(KeyError::NotForThisKey | KeyError::OtherLength { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(if contents.user_key.is_empty() { KeyError::NoUserKey } else { KeyError::NotForThisKey })
}
