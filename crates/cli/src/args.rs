//! What is typed, and what becomes of it: the options that several verbs share, and the values that they take.

#[cfg(feature = "aws")]
pub(crate) mod ami;
#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod bucket;
pub(crate) mod keys;
pub(crate) mod manifest;
pub(crate) mod values;
pub(crate) mod volume;
