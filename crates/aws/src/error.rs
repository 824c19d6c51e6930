//! What keeps the way to AWS from being opened.

use std::borrow::Cow;
use std::error::Error as StdError;

use crate::fault::Failure;
use crate::names::NameError;

/// The way to AWS cannot be opened as it is configured. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No region is configured.
    #[error("no region is set")]
    NoRegion,
    /// No endpoint is given, and the region's name does not tell it.
    #[error("the endpoint cannot be derived from the region")]
    Region(#[from] NameError),
    /// The endpoint that the environment or the profile names is no URL.
    #[error(
        "`{text}`, which the environment or the profile names as the endpoint of {service}, is no endpoint: it is \
         `https://HOST` or `http://HOST:PORT`"
    )]
    Endpoint {
        /// The service: `EC2`.
        service: &'static str,
        /// The text, without what may be a password in it.
        text: String,
    },
    /// The region has no such endpoint, for example none with FIPS.
    #[error("the region has no endpoint of this kind")]
    NoEndpoint(#[source] Box<dyn StdError + Send + Sync>),
    /// TLS cannot be prepared.
    #[error("TLS cannot be prepared")]
    Tls(#[source] Box<dyn StdError + Send + Sync>),
}

impl SetupError {
    /// The next step, if one is known that reads the same everywhere.
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        match self {
            SetupError::Endpoint { .. } => {
                Some("correct AWS_ENDPOINT_URL, or its form for the one service, or endpoint_url in ~/.aws/config".into())
            }
            _ => None,
        }
    }
}

/// The account of the credentials cannot be found out.
#[derive(Debug, thiserror::Error)]
#[error("asking whose the credentials are")]
#[non_exhaustive]
pub struct AccountError {
    /// What came of the request.
    #[source]
    pub failure: Failure,
}
