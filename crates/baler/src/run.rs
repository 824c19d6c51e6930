//! One run of jobs: where its events go, what ends it, what the environment says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "aws")]
use {
    crate::aws::Aws,
    crate::error::{Error, Result},
    crate::network::Network,
    baler_aws::{Region, Settings},
    baler_ec2::Ec2,
    std::future::Future,
    tokio::runtime::Handle,
};

use crate::event::{Event, OnEvent, Work};
use crate::stop::Stop;

/// The environment of the caller. A library reads none itself; the default is empty.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Environment {
    /// The region, where none is given.
    pub region: Option<String>,
    /// EC2's certificate, where neither a certificate nor a region is given.
    pub ec2_certificate: Option<PathBuf>,
    /// The architecture of this machine, by EC2's name: `i386`, `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// The instance's metadata.
    pub metadata: MetadataSettings,
}

/// The way to the metadata of the instance.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MetadataSettings {
    /// Another address than the usual one.
    pub endpoint: Option<String>,
    /// Disables all requests for metadata.
    pub is_disabled: bool,
    /// Allows only version 2.
    pub is_v1_disabled: bool,
}

/// The state that all jobs of a run share. Clones share it too.
#[derive(Clone)]
pub struct Run {
    /// The token that ends the run.
    pub stop: Stop,
    /// The environment of the caller.
    pub environment: Environment,
    on_event: OnEvent,
    #[cfg(feature = "aws")]
    network: Network,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Default for Run {
    fn default() -> Run {
        Run::new(|_| {})
    }
}

impl Run {
    /// A run whose events go to `on_event`, from several threads.
    pub fn new(on_event: impl Fn(Event<'_>) + Send + Sync + 'static) -> Run {
        Run {
            stop: Stop::new(),
            environment: Environment::default(),
            on_event: Arc::new(on_event),
            #[cfg(feature = "aws")]
            network: Network::default(),
        }
    }

    /// The same with what the environment says.
    pub fn with_environment(mut self, environment: Environment) -> Run {
        self.environment = environment;
        self
    }

    pub(crate) fn report(&self, event: Event<'_>) {
        (self.on_event)(event);
    }

    #[cfg(feature = "aws")]
    pub(crate) fn on_event(&self) -> OnEvent {
        self.on_event.clone()
    }

    /// Begins to show how far something is.
    pub(crate) fn begin(&self, work: Work<'_>) -> Progress {
        self.report(Event::Began(work));
        Progress { on_event: self.on_event.clone() }
    }
}

#[cfg(feature = "aws")]
impl Run {
    /// The same run with another way to AWS. Nothing is sent before a job needs it.
    pub fn with_aws(mut self, settings: Settings) -> Run {
        self.network = self.network.with(settings);
        self
    }

    /// The same run with the credentials and the region of another profile.
    pub(crate) fn with_profile(&self, profile: &str) -> Run {
        let mut settings = self.network.settings.clone();
        settings.profile = Some(profile.to_owned());
        // A profile has a region and credentials of its own.
        settings.region = None;
        settings.credentials = None;
        self.clone().with_aws(settings)
    }

    /// The region that was given.
    pub(crate) fn region(&self) -> Option<&str> {
        self.network.settings.region.as_ref().map(Region::as_str)
    }

    /// The way to AWS; opened where nobody has used it yet.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub async fn aws(&self) -> Result<Arc<Aws>> {
        self.network.aws(self.on_event()).await
    }

    /// EC2 in a region, or in the one that is set.
    ///
    /// # Errors
    /// That no region is set, and settings that make no sense.
    pub fn ec2(&self, region: Option<&str>) -> Result<Ec2> {
        self.wait(async { self.aws().await?.ec2(region) })
    }

    /// Where tasks of the network run.
    pub(crate) fn handle(&self) -> Result<Handle> {
        Ok(self.network.runtime()?.handle().clone())
    }

    /// Waits for work on the network, or for a stop. It must not be called inside of an async runtime: it blocks, and Tokio
    /// would panic.
    ///
    /// # Errors
    /// That of the work; or that the run was stopped.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.network.runtime()?.block_on(async {
            tokio::select! {
                result = work => result,
                () = self.stop.requested() => {
                    self.stop.check()?;
                    Err(Error::failed("interrupted"))
                }
            }
        })
    }
}

/// How far one piece of work is; it ends when this is dropped.
pub(crate) struct Progress {
    on_event: OnEvent,
}

impl Progress {
    /// So many more are done.
    pub(crate) fn add(&self, more: u64) {
        (self.on_event)(Event::Advanced(more));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        (self.on_event)(Event::Ended);
    }
}
