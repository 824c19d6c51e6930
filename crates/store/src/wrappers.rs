//! Layers besides retries: a limit, a dry run, failures for tests.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::error::{Error, Kind};
use crate::layer::{Call, Layer, Operation};

/// No more than so many operations at a time.
#[derive(Debug)]
pub struct Limit(Semaphore);

impl Limit {
    /// At most `most` at a time, at least one.
    pub fn new(most: usize) -> Limit {
        Limit(Semaphore::new(most.max(1)))
    }
}

#[async_trait]
impl Layer for Limit {
    async fn look<'a, T: Send + 'a>(
        &self,
        _: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error> {
        // It is never closed.
        let _permit = self.0.acquire().await;
        call().await
    }
}

/// Nothing is changed; the changes that would be made are recorded.
#[derive(Debug, Default)]
pub struct DryRun(Mutex<Vec<(&'static str, String)>>);

impl DryRun {
    /// Nothing yet.
    pub fn new() -> DryRun {
        DryRun::default()
    }

    /// The operations that would have been made, and the objects they are for.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Layer for std::sync::Arc<DryRun> {
    async fn look<'a, T: Send + 'a>(
        &self,
        _: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error> {
        call().await
    }

    async fn change<'a>(&self, operation: Operation<'a>, _: Call<'a, ()>) -> Result<(), Error> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((operation.verb, operation.name.to_owned()));
        Ok(())
    }
}

/// Failures for tests, of the operations that `fails` chooses by their number from 0.
pub struct Failing<F> {
    count: Mutex<u64>,
    fails: F,
}

impl<F> std::fmt::Debug for Failing<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failing").field("count", &self.count).finish_non_exhaustive()
    }
}

/// The way an operation fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It is not done.
    Before(Kind),
    /// It is done, and the answer is lost.
    After(Kind),
}

impl<F: Fn(u64, Operation<'_>) -> Option<Failure> + Send + Sync> Failing<F> {
    /// Lets those fail that `fails` chooses.
    pub fn new(fails: F) -> Failing<F> {
        Failing { count: Mutex::new(0), fails }
    }
}

#[async_trait]
impl<F: Fn(u64, Operation<'_>) -> Option<Failure> + Send + Sync> Layer for Failing<F> {
    async fn look<'a, T: Send + 'a>(
        &self,
        operation: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error> {
        let number = {
            let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            *count += 1;
            *count - 1
        };
        let error = |kind| Error::new(operation.verb, operation.name, kind, "made to fail");
        match (self.fails)(number, operation) {
            None => call().await,
            Some(Failure::Before(kind)) => Err(error(kind)),
            Some(Failure::After(kind)) => {
                call().await?;
                Err(error(kind))
            }
        }
    }
}
