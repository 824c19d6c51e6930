//! How AWS is reached.

use std::time::Duration;

use baler::Settings;
use baler_aws::{Endpoint, Region};

use super::values;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsArgs {
    /// The region [else: $AWS_REGION, $AWS_DEFAULT_REGION, the profile's, the instance's]
    #[arg(long, value_parser = region)]
    pub(crate) region: Option<Region>,

    /// The profile in ~/.aws to take credentials and region from [else: $AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Another service with the APIs of S3 and EC2 [else: $AWS_ENDPOINT_URL, the profile's]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<Endpoint>,

    /// The most attempts for a request that fails with a transient error
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) attempts: u32,

    /// Seconds without progress after which an attempt has failed
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

/// The defaults, for commands without these options.
impl Default for AwsArgs {
    fn default() -> AwsArgs {
        let settings = Settings::new();
        let (attempts, timeout) = (settings.patience.attempts, settings.stall.as_secs());
        AwsArgs { region: None, profile: None, endpoint_url: None, attempts, timeout }
    }
}

impl AwsArgs {
    /// The settings for the library.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new();
        settings.region.clone_from(&self.region);
        settings.profile.clone_from(&self.profile);
        settings.endpoint.clone_from(&self.endpoint_url);
        settings.patience.attempts = self.attempts;
        settings.stall = Duration::from_secs(self.timeout);
        settings
    }
}

fn region(text: &str) -> Result<Region, String> {
    values::region(text)?.parse().map_err(|error: baler_aws::NameError| error.to_string())
}
