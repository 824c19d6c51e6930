//! File systems before their judges: e2fsprogs and the kernel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

mod judge;
mod kernel;
mod random;
mod trees;
