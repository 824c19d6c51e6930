//! Errors of the metadata service.

/// The longest answer that is read, in bytes. User data has 16 KiB; nothing is longer.
pub(crate) const LONGEST: usize = 256 << 10;

/// A metadata service that answers, but not as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The endpoint is not `http://HOST`, with a port perhaps.
    #[error("`{0}` is not a metadata endpoint: it is `http://HOST` or `http://HOST:PORT`")]
    Endpoint(String),
    /// It gives no token: metadata is switched off, or this is not EC2's.
    #[error("the metadata service gives no token (status {status})")]
    NoToken {
        /// The status of its answer.
        status: u16,
    },
    /// It refuses a path.
    #[error("metadata `{path}` is refused with status {status}")]
    Refused {
        /// The path.
        path: String,
        /// The status of its answer.
        status: u16,
    },
    /// It does not answer any more.
    #[error("metadata `{path}` cannot be read")]
    Lost {
        /// The path.
        path: String,
        /// Why, if it was not the time limit.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An answer is longer than any that EC2 gives.
    #[error("metadata `{path}` is longer than {LONGEST} bytes")]
    TooLong {
        /// The path.
        path: String,
    },
    /// An answer is not text.
    #[error("metadata `{path}` is not text")]
    NotText {
        /// The path.
        path: String,
    },
    /// A path that the service cannot have.
    #[error("`{0}` is not a path of metadata")]
    Path(String),
    /// The identity document is not what it should be.
    #[error("the instance identity document cannot be read")]
    Document(#[source] Option<serde_json::Error>),
}
