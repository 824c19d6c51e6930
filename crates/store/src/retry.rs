//! A layer that tries operations again that may succeed a moment later.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use baler_aws::{Attempts, Patience};

use crate::error::{Error, Kind};
use crate::layer::{Call, Layer, Operation};

/// An attempt that failed and is made again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Again<'a> {
    /// The reason.
    pub error: &'a Error,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The pause that begins now.
    pub wait: Duration,
}

type Tell = Box<dyn Fn(&Again<'_>) + Send + Sync>;

/// A layer that tries again after transient errors, and after no others.
pub struct Retry {
    patience: Patience,
    tell: Tell,
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Retry {
    /// With so much patience; `tell` is called for each attempt that failed and is made again.
    pub fn new(patience: Patience, tell: impl Fn(&Again<'_>) + Send + Sync + 'static) -> Retry {
        Retry { patience, tell: Box::new(tell) }
    }

    /// Calls until it works, is refused, or patience ends.
    ///
    /// # Errors
    /// The last one.
    pub async fn run<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, Error> {
        let mut attempts = Attempts::new(self.patience);
        loop {
            let error = match call().await {
                Err(error) if error.is_transient() => error,
                result => return result,
            };
            let asked = if let Kind::Transient(asked) = error.kind { asked } else { None };
            let Some(wait) = attempts.failed(asked, error.answer.is_some()) else {
                return Err(error);
            };
            (self.tell)(&Again { error: &error, attempts: attempts.made(), wait });
            tokio::time::sleep(wait).await;
        }
    }
}

#[async_trait]
impl Layer for Retry {
    async fn look<'a, T: Send + 'a>(
        &self,
        _: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error> {
        self.run(call).await
    }
}
