//! The jobs: each a plain struct of what is wanted, and what came of it.

pub(crate) mod bundle;
#[cfg(feature = "aws")]
pub(crate) mod check;
#[cfg(feature = "aws")]
pub(crate) mod copy;
#[cfg(feature = "aws")]
pub(crate) mod deregister;
pub(crate) mod destination;
pub(crate) mod image;
pub(crate) mod plan;
#[cfg(feature = "aws")]
pub(crate) mod register;
#[cfg(feature = "aws")]
pub(crate) mod remove;
pub(crate) mod rewrite;
pub(crate) mod unbundle;
pub(crate) mod verify;
#[cfg(feature = "aws")]
pub(crate) mod within;
