//! The secrets in use, so that they can be taken out of texts that quote them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use zeroize::Zeroizing;

/// The secrets of the last sessions: two for each, of which a renewal leaves the old ones in flight for a while.
const KEPT: usize = 8;

/// Secret keys and session tokens that were handed out last.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    texts: VecDeque<Zeroizing<String>>,
    has_session: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    fn keep(&self, credentials: &Credentials) {
        let mut kept = self.kept();
        kept.has_session = credentials.session_token().is_some();
        let secrets = [Some(credentials.secret_access_key()), credentials.session_token()];
        for secret in secrets.into_iter().flatten().filter(|secret| !secret.is_empty()) {
            if !kept.texts.iter().any(|old| **old == secret) {
                kept.texts.push_back(Zeroizing::new(secret.to_owned()));
            }
        }
        while kept.texts.len() > KEPT {
            kept.texts.pop_front();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the credentials that were handed out last belong to a session, which can expire.
    pub(crate) fn has_session(&self) -> bool {
        self.kept().has_session
    }

    /// A service's message without the secrets that it may quote: the answer to a wrong signature has all that was
    /// signed in it, the session token included.
    pub(crate) fn taken_out(&self, message: &str) -> String {
        let message = message.split("The Canonical String").next().unwrap_or_default();
        let replaced =
            |message: String, secret: &Zeroizing<String>| message.replace(&**secret, "…");
        self.kept().texts.iter().fold(message.to_owned(), replaced)
    }

    /// A provider that gives the same credentials, and keeps their secrets here.
    pub(crate) fn watch(&self, provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Watched { provider, secrets: self.clone() })
    }
}

#[derive(Debug)]
struct Watched {
    provider: SharedCredentialsProvider,
    secrets: Secrets,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.provider.provide_credentials().await?;
            self.secrets.keep(&credentials);
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        let credentials = self.provider.fallback_on_interrupt()?;
        self.secrets.keep(&credentials);
        Some(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn secrets_are_taken_out() {
        let secrets = Secrets::default();
        let credentials = Credentials::new("AKID", "SECRET", Some("TOKEN".to_owned()), None, "t");
        let provider = secrets.watch(SharedCredentialsProvider::new(credentials));
        provider.provide_credentials().await.expect("credentials");
        let text = "AKID: TOKEN and SECRET. The Canonical String for this request is x";
        assert_eq!(secrets.taken_out(text), "AKID: … and …. ");
        let shown = format!("{secrets:?} {provider:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("TOKEN"), "{shown}");
    }

    #[test]
    fn old_secrets_are_let_go() {
        let secrets = Secrets::default();
        for n in 0..20 {
            secrets.keep(&Credentials::new("A", format!("secret-{n:02}"), None, None, "t"));
        }
        assert_eq!(secrets.taken_out("secret-00 secret-19"), "secret-00 …");
    }
}
