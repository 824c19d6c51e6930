//! The verbs, one file each: what can be typed, and what is then done.

pub(crate) mod bundle;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod keys;
mod mapping;
pub(crate) mod shell;
pub(crate) mod unbundle;
pub(crate) mod verify;
