//! From a manifest and a private key to the secrets of the bundle.

use rsa::rand_core::TryCryptoRng;

use crate::{CipherIv, CipherKey, Contents, KeyError, PrivateKey};

/// Whose copy of the secrets was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedAs {
    /// The user's: the usual case.
    User,
    /// EC2's: the key is that of an EC2, or of another cloud of its kind.
    Ec2,
}

/// Unwraps the cipher key and the initialisation vector of a bundle with `key`: the user's copy if it opens with it,
/// else EC2's (`docs/format.md`, "Key wrapping").
///
/// Whether the secrets are the right ones is only known when the image's digest is: whoever can write a manifest can
/// wrap others for a public key.
///
/// # Errors
///
/// [`KeyError::NotForThisKey`], or [`KeyError::NoUserKey`] if there is no user's copy at all; [`KeyError::Random`].
pub fn open<R: TryCryptoRng + ?Sized>(
    contents: &Contents,
    key: &PrivateKey,
    rng: &mut R,
) -> Result<(CipherKey, CipherIv, OpenedAs), KeyError> {
    let copies = [
        (&contents.user_key, &contents.user_iv, OpenedAs::User),
        (&contents.ec2_key, &contents.ec2_iv, OpenedAs::Ec2),
    ];
    for (wrapped_key, wrapped_iv, opened_as) in copies {
        let secrets = key
            .unwrap(wrapped_key, rng)
            .and_then(|cipher_key| Ok((cipher_key, key.unwrap(wrapped_iv, rng)?)));
        match secrets {
            Ok((cipher_key, iv)) => return Ok((cipher_key.into(), iv.into(), opened_as)),
            Err(KeyError::NotForThisKey | KeyError::OtherLength { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(if contents.user_key.is_empty() { KeyError::NoUserKey } else { KeyError::NotForThisKey })
}
