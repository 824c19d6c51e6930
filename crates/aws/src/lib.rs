//! The way to AWS, for crates that speak to one of its services: configuration, credentials and their renewal, HTTP
//! and TLS, one policy of retries, and what errors mean.
//!
//! [`Aws`] is the loaded configuration. It is made from [`Settings`], which hold what a user typed; everything else is
//! found as AWS's own tools find it, in `AWS_*` variables, in `~/.aws` and on the instance. A service's crate keeps its
//! client in a [`Renewable`], which is made again when the service calls the credentials expired.
//!
//! The SDK's own retries are off in all clients: [`Patience`] decides how often and how long something is tried, and
//! the callers report every repetition. What a service answers is classified in one place ([`Fault`], [`Failure`]), so
//! that an expired session or a wrong clock means the same for each service.
//!
//! [`AccountId`], [`Region`], [`Location`] and [`Endpoint`] are checked when they are parsed; the error tells the rule.
//!
//! Nothing here prints, parses a command line, or reads an environment variable by itself. AWS's loader does read the
//! variables that AWS documents.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use baler_aws::{Aws, Settings};
//!
//! let mut settings = Settings::new();
//! settings.region = Some("eu-west-1".parse()?);
//! settings.endpoint = Some("http://127.0.0.1:5000".parse()?);
//! let aws = Aws::load(settings, None).await?;
//! if let Some(account) = aws.account().await? {
//!     assert_eq!(account.as_str().len(), 12);
//! }
//! # Ok(())
//! # }
//! ```

#![warn(clippy::missing_errors_doc)]

mod names;

mod endpoint;
mod location;

mod patience;
mod settings;

mod exchange;
mod secrets;
mod tls;

mod error;
mod fault;

mod aws;
mod renewable;

pub use aws::Aws;
pub use aws_credential_types::Credentials;
pub use endpoint::{Endpoint, EndpointError, Service};
pub use error::{AccountError, SetupError};
pub use exchange::{Exchange, OnExchange};
pub use fault::{Failure, Fault, Refusal, Skew, causes, chain, is_throttling};
pub use location::{Location, LocationError, check_new_name, is_host};
pub use names::{AccountId, NameError, Region};
pub use patience::{Attempts, Patience};
pub use renewable::{Lease, Renewable};
pub use settings::Settings;
