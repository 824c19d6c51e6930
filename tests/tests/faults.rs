//! What networks and services do wrong, and how `baler` ends: with the right bytes or a clear error, and never not at all.
//!
//! `--show-output` shows the table.

mod faults {
    pub(crate) mod credentials;
    pub(crate) mod download;
    pub(crate) mod ec2;
    pub(crate) mod upload;
}
#[path = "faults/small.rs"]
mod small;
#[path = "faults/table.rs"]
mod table;
