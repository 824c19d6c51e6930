use std::io;

use baler_manifest::Sha1Digest;

/// Why a bundle did not become an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part could not be had.
    #[error("reading part {index} (`{filename}`)")]
    Part {
        /// The part's index in the manifest.
        index: usize,
        /// Its file name there.
        filename: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A part is not what was signed.
    #[error("part {index} (`{filename}`): SHA-1 is {actual}, the manifest says {expected}")]
    PartDigest {
        /// The part's index in the manifest.
        index: usize,
        /// Its file name there.
        filename: String,
        /// What the manifest says.
        expected: Sha1Digest,
        /// What was found.
        actual: Sha1Digest,
    },
    /// The parts together are longer or shorter than was signed.
    #[error("the parts have {actual} bytes together, the manifest says {expected}")]
    BundledSize {
        /// `bundled_size` in the manifest.
        expected: u64,
        /// What was found.
        actual: u64,
    },
    /// The ciphertext does not end as AES-128-CBC with PKCS#7 padding does.
    #[error("decrypting the parts: {0}")]
    Cipher(&'static str),
    /// The plaintext is no gzip stream, or a damaged one.
    #[error("inflating the parts, at byte {at} of the gzip stream: {what}")]
    Gzip {
        /// How far the stream was understood, in compressed bytes.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The archive is no tar archive of one image.
    #[error("reading the archive in the parts: {0}")]
    Archive(String),
    /// All parts are what was signed, but the archive in them is not.
    #[error("the image's SHA-1 is {actual}, the manifest says {expected}")]
    ImageDigest {
        /// What the manifest says.
        expected: Sha1Digest,
        /// What was found.
        actual: Sha1Digest,
    },
    /// Nothing of the image can be salvaged: without the begin of its archive nobody knows where data belongs.
    #[error("nothing can be salvaged: what says where the image's data belongs is lost")]
    Nothing(#[source] Box<Error>),
    /// The image could not be written.
    #[error("writing the image")]
    Sink(#[source] io::Error),
}

impl Error {
    /// Whether the bundle is at fault: it does not hold what its manifest says. Otherwise reading or writing failed.
    pub fn is_mismatch(&self) -> bool {
        match self {
            Error::Part { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput
            ),
            Error::Nothing(source) => source.is_mismatch(),
            Error::Sink(_) => false,
            _ => true,
        }
    }
}
