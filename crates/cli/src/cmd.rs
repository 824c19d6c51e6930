//! The verbs, one file each: what can be typed, and what is then done.

pub(crate) mod advice;
pub(crate) mod bundle;
#[cfg(feature = "aws")]
pub(crate) mod check;
#[cfg(feature = "aws")]
pub(crate) mod copy;
#[cfg(feature = "aws")]
pub(crate) mod copy_image;
#[cfg(feature = "aws")]
pub(crate) mod deregister;
pub(crate) mod image;
#[cfg(feature = "aws")]
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod install_links;
pub(crate) mod keys;
#[cfg(feature = "aws")]
pub(crate) mod register;
#[cfg(feature = "aws")]
pub(crate) mod remove;
#[cfg(feature = "aws")]
pub(crate) mod share;
pub(crate) mod shell;
pub(crate) mod unbundle;
pub(crate) mod verify;
