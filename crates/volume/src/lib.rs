//! A root tree becomes an image of a disk: the running machine, or any directory that holds a system.
//!
//! Nothing is mounted, copied or written on the way. A [`Recipe`] says what is wanted; [`Recipe::gather`] walks through
//! the tree once, without reading files; [`Gathered::plan`](recipe::Gathered::plan) decides where every block of the
//! image lies, and gives a [`Volume`] whose [`Image`](baler_image::Image) is made as it is read. So an image goes
//! straight to where it is wanted, in one pass, and needs no space of its own.
//!
//! # The way of a tree
//!
//! 1. [`mounts`] and [`root_device`] find out what lies where: what is mounted below the root, on which disk the root
//!    is, what its file system says of itself.
//! 2. [`walk`](mod@walk) turns the directory into a [`Tree`](baler_tree::Tree), by open directories, never by paths: no
//!    link leads out of it. [`filter`] says what is left out: patterns, secrets, what the classic tool left out.
//! 3. The boot loader is chosen: a [`chain`] that is cloned from the source's disk, or one that [`grub`] puts together.
//! 4. Small files that name the disk are edited: [`fstab`], the configuration of GRUB.
//! 5. [`layout`] divides the disk, with a partition [`table`] or none; `baler-ext4` plans the file system.
//! 6. [`lint`](mod@lint) looks for what would keep the result from booting, before anyone has waited for it.
//! 7. The [`disk`] is an image, in which [`reader`] reads the tree's files. What changes meanwhile on a machine that
//!    runs is noted, not an error.
//!
//! Messages are [`Event`]s. Something that can be done is an [`Advice`], a value that names no option: the
//! program that a person uses words it. Nothing here prints, reads the environment or parses a command line. Two things
//! start programs, both through one door: [`grub`] starts `grub-mkimage`, [`script`] starts `mount` and the user's own.
//!
//! # Example
//!
//! A tree in a directory becomes a bare file system.
//!
//! ```
//! use baler_volume::{Division, Recipe};
//!
//! let root = tempfile::tempdir()?;
//! std::fs::create_dir(root.path().join("etc"))?;
//! std::fs::write(root.path().join("etc/motd"), "hello")?;
//!
//! let mut recipe = Recipe::new(root.path());
//! recipe.division = Some(Division::None);
//! recipe.length = Some(64 << 20);
//! let gathered = recipe.gather(&mut |_| Ok(()))?;
//! // The directory lacks what every system needs, and the image gets it.
//! assert!(gathered.changes().iter().any(|change| change.path == b"proc"));
//!
//! let mut told = Vec::new();
//! let mut volume = gathered.plan(&mut |event| {
//!     told.push(event.to_string());
//!     Ok(())
//! })?;
//! assert_eq!(volume.summary().len(), 64 << 20);
//! assert!(told.last().unwrap().contains("ext4"));
//!
//! // The image can be read anywhere; here, the magic number of ext4.
//! let mut magic = [0; 2];
//! volume.image().read_at(&mut magic, 0x438)?;
//! assert_eq!(magic, [0x53, 0xef]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

#[cfg(not(target_os = "linux"))]
compile_error!("baler-volume reads root trees and disks as Linux has them, and runs on Linux only");

pub mod recipe;

pub mod mounts;

pub mod root_device;

pub mod probe;

pub mod walk;

pub mod filter;

pub mod reader;

pub mod chain;

pub mod grub;

pub mod fstab;

pub mod table;

pub mod layout;

pub mod lint;

pub mod disk;

pub mod script;

mod advice;

mod handles;

mod stat;

mod little_endian;

mod tool;

pub use advice::Advice;
pub use recipe::{Event, Recipe, RecipeError, Volume};
pub use table::Division;
pub use tool::ToolError;
