//! What a user typed about the way to AWS.

use std::time::Duration;

use aws_credential_types::Credentials;

use crate::endpoint::Endpoint;
use crate::names::Region;
use crate::patience::Patience;

/// The way to AWS as far as it was typed. Everything that is `None` is found as AWS's own tools find it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The region.
    pub region: Option<Region>,
    /// The profile in `~/.aws` for credentials, region and endpoints. Its credentials take precedence over those of
    /// the environment.
    pub profile: Option<String>,
    /// The endpoint of all services. It takes precedence over those of the environment and the profile.
    pub endpoint: Option<Endpoint>,
    /// The credentials. They take precedence over those of the profile.
    pub credentials: Option<Credentials>,
    /// How long it may take to connect. By default 5 s, and 10 s to EC2.
    pub connect: Option<Duration>,
    /// How long a transfer may make no progress, an answer may take, and finding credentials may take. 60 s by default.
    pub stall: Duration,
    /// How often and how long something is tried that may work later.
    pub patience: Patience,
}

impl Settings {
    /// Nothing was typed.
    pub fn new() -> Settings {
        Settings {
            region: None,
            profile: None,
            endpoint: None,
            credentials: None,
            connect: None,
            stall: Duration::from_secs(60),
            patience: Patience::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new()
    }
}
