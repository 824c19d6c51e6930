//! The verbs, one file each: what can be typed, and what is then done.

pub(crate) mod bundle;
pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod copy_image;
pub(crate) mod deregister;
pub(crate) mod image;
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod install_links;
pub(crate) mod keys;
pub(crate) mod mapping;
pub(crate) mod register;
pub(crate) mod remove;
pub(crate) mod share;
pub(crate) mod shell;
pub(crate) mod unbundle;
pub(crate) mod verify;
