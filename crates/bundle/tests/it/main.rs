//! Bundles made and opened in memory, against what goes wrong, what others made, and other programs.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod directory;
mod field;
mod fixtures;
mod interop;
mod memory;
mod round_trip;
mod salvage;
