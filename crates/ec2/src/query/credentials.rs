//! The credentials in use: asked for once, and again before they end.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::sdk_config::SharedCredentialsProvider;
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind};

/// Credentials that end this soon are replaced before they are used.
const MARGIN: Duration = Duration::from_secs(60);

/// A provider of credentials and what it gave last. It asks the provider no more than it must: that may be a process,
/// or a web page.
pub(super) struct Keyring {
    provider: SharedCredentialsProvider,
    last: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

impl Keyring {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, last: Mutex::new(None) }
    }

    /// Credentials that are valid now.
    pub(super) async fn get(
        &self,
        action: &'static str,
        now: SystemTime,
    ) -> Result<Credentials, Error> {
        let mut last = self.last.lock().await;
        let lasts = |credentials: &Credentials| {
            credentials.expiry().is_none_or(|expiry| expiry > now + MARGIN)
        };
        if let Some(credentials) = last.as_ref().filter(|credentials| lasts(credentials)) {
            return Ok(credentials.clone());
        }
        let credentials =
            self.provider.provide_credentials().await.map_err(|error| match error {
                // Where all was looked is a page of text.
                CredentialsError::CredentialsNotLoaded(_) => {
                    Error::new(action, ErrorKind::Credentials, "there are no credentials")
                }
                error => {
                    Error::new(action, ErrorKind::Credentials, "the credentials cannot be had")
                        .with_source(error)
                }
            })?;
        *last = Some(credentials.clone());
        Ok(credentials)
    }

    /// Lets these go, since EC2 calls them expired. Says whether new ones may be had.
    pub(super) async fn drop_expired(&self, used: &Credentials) -> bool {
        let mut last = self.last.lock().await;
        if last.as_ref() == Some(used) {
            *last = None;
        }
        used.session_token().is_some()
    }
}

/// A message of EC2's without what it may quote of the request: it answers to a wrong signature with all that was
/// signed, the session token among it.
pub(super) fn without_secrets(message: &str, credentials: &Credentials) -> String {
    let message = message.split("The Canonical String").next().unwrap_or_default();
    [Some(credentials.secret_access_key()), credentials.session_token()]
        .into_iter()
        .flatten()
        .filter(|secret| !secret.is_empty())
        .fold(message.to_owned(), |message, secret| message.replace(secret, "…"))
}
