//! The one runtime that all of a run's network work shares, and the way to AWS.

use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

use baler_aws::Settings;

use crate::aws::Aws;
use crate::error::{Context, Result};
use crate::event::OnEvent;

/// The network as far as a run has used it.
#[derive(Clone, Default)]
pub(crate) struct Network {
    runtime: Arc<OnceLock<Runtime>>,
    pub(crate) settings: Settings,
    aws: Arc<OnceCell<Arc<Aws>>>,
}

impl Network {
    /// The same runtime with another way to AWS.
    pub(crate) fn with(self, settings: Settings) -> Network {
        Network { runtime: self.runtime, settings, aws: Arc::default() }
    }

    /// The way to AWS; opened where nobody has used it yet.
    pub(crate) async fn aws(&self, on_event: OnEvent) -> Result<Arc<Aws>> {
        let opening = || async { Ok(Arc::new(Aws::connect(&self.settings, on_event).await?)) };
        self.aws.get_or_try_init(opening).await.cloned()
    }

    /// The runtime; started where nobody has used it yet.
    pub(crate) fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.context("starting the threads for the network")?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}
