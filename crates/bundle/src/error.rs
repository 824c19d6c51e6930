use std::io;

use baler_manifest::Sha1Digest;

/// An error of unpacking a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part could not be read.
    #[error("reading part {index} (`{filename}`)")]
    Part {
        /// The part's index in the manifest.
        index: usize,
        /// The part's file name in the manifest.
        filename: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A part has another digest than was signed.
    #[error("part {index} (`{filename}`): SHA-1 is {actual}, the manifest says {expected}")]
    PartDigest {
        /// The part's index in the manifest.
        index: usize,
        /// The part's file name in the manifest.
        filename: String,
        /// The digest in the manifest.
        expected: Sha1Digest,
        /// The digest of the part.
        actual: Sha1Digest,
    },
    /// The parts together are longer or shorter than was signed.
    #[error("the parts have {actual} bytes together, the manifest says {expected}")]
    BundledSize {
        /// `bundled_size` in the manifest, in bytes.
        expected: u64,
        /// The sum of the parts' lengths, in bytes.
        actual: u64,
    },
    /// The ciphertext does not end in a whole block of AES-128-CBC with PKCS#7 padding; the fault.
    #[error("decrypting the parts: {0}")]
    Cipher(&'static str),
    /// The plaintext is not a gzip stream, or a damaged one.
    #[error("inflating the parts, at byte {at} of the gzip stream: {what}")]
    Gzip {
        /// The position up to which the stream was read, in compressed bytes.
        at: u64,
        /// The fault.
        what: &'static str,
    },
    /// The archive is not a tar archive of one image; the fault.
    #[error("reading the archive in the parts: {0}")]
    Archive(String),
    /// The archive has another digest than was signed, though every part is right.
    #[error("the image's SHA-1 is {actual}, the manifest says {expected}")]
    ImageDigest {
        /// The digest in the manifest.
        expected: Sha1Digest,
        /// The digest of the archive.
        actual: Sha1Digest,
    },
    /// Nothing of the image can be salvaged, because the start of the archive, which says where data belongs, is lost.
    #[error("nothing can be salvaged: what says where the image's data belongs is lost")]
    Nothing(#[source] Box<Error>),
    /// The image could not be written.
    #[error("writing the image")]
    Sink(#[source] io::Error),
}

impl Error {
    /// Says whether the bundle is at fault, because it differs from its manifest. If not, reading or writing failed.
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
