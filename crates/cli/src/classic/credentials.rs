//! Credentials that are typed, as the old tools had them: both halves, or none.

use anyhow::Context;
use baler::Run;
use baler_aws::Credentials;

use super::fail::Usage;

/// What the options are called.
pub(super) struct Names {
    pub(super) key: &'static str,
    pub(super) secret: &'static str,
}

/// What was typed, or set in the tools' own variables.
pub(super) struct Typed {
    pub(super) key: Option<String>,
    pub(super) secret: Option<String>,
    /// The session token that was typed.
    pub(super) token: Option<String>,
    pub(super) names: Names,
}

impl Typed {
    /// The credentials, with the token that is `set` in the environment if none was typed.
    pub(super) fn credentials(self, set: Option<&String>) -> anyhow::Result<Option<Credentials>> {
        let Typed { key, secret, token, names } = self;
        match (key, secret) {
            (Some(key), Some(secret)) => {
                let token = token.or_else(|| set.cloned());
                Ok(Some(Credentials::new(key, secret, token, None, "the command line")))
            }
            (Some(_), None) => Err(missing(names.secret)),
            (None, None) if token.is_none() => Ok(None),
            (None, _) => Err(missing(names.key)),
        }
    }
}

pub(super) fn missing(long: &str) -> anyhow::Error {
    Usage(format!("missing mandatory parameter: --{long}")).into()
}

/// Whether there are some, which is asked before anything is begun.
pub(super) fn has_credentials(run: &Run) -> anyhow::Result<bool> {
    let found = run.wait(async { Ok(run.aws().await?.has_credentials().await) });
    found.context("looking for credentials")
}
