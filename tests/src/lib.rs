//! What the end-to-end tests in `tests/` share: the command, someone who uses it, and what it is used on.
//!
//! A test here sees what a user sees: it runs the binary, and looks at its exit code, its two streams and the files that
//! it leaves. The binary is built once for each test program, in the profile that the tests are built in;
//! `BALER_TEST_BINARY` names another one to test, the static binary for example.
//!
//! ```no_run
//! use baler_tests::{User, image};
//!
//! let user = User::new();
//! image::write(&user.path("disk.img"), 1 << 20, &[(0, b"boot")]);
//! user.bundle("disk.img", "out", &[]).exits(0);
//! user.run(["verify", "out/disk.img.manifest.xml"]).exits(0).prints("image      good");
//! ```
//!
//! What cannot be tested on a machine is said with [`skip`], which `scripts/test` counts.

mod cloud;
pub mod compare;
pub mod fixture;
mod fixture_root;
pub mod image;
pub mod imports;
mod machine;
mod run;
mod state;
mod user;

pub use cloud::Cloud;
pub use fixture_root::FixtureRoot;
pub use machine::{LoopDevice, Mount, is_root, need, skip, temporary_directory};
pub use run::{Ran, Started, baler_binary, capture, command, feed, run, until};
pub use state::State;
pub use user::{ACCOUNT, User, VERBS};
