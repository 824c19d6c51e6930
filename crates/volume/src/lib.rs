//! A live root becomes an image: walk, filter, layout, boot chain.

mod walk;

mod mounts;

mod filter;

mod reader;

mod table;

mod raw;

mod probe;

mod source;

mod chain;

pub mod grub;

mod layout;

mod disk;

pub mod fstab;

pub mod lint;

mod script;

mod tool;

pub use chain::{Chain, ChainError, Loader};
pub use disk::{Bytes, DiskImage, Piece};
pub use filter::{Filter, PatternError, Patterns, Secret};
pub use layout::{Boot, Layout, LayoutError, Length};
pub use mounts::{Holds, Mount, Mounts};
pub use probe::{ExtProbe, Probe};
pub use reader::{FileTrouble, TreeFiles, TroubleKind, Troubles, UnreadableFile};
pub use script::{ScriptError, customise};
pub use source::{Disk, Places, Source};
pub use table::{DiskId, Division, Partition, PartitionKind, SECTOR, Table, TableError};
pub use tool::ToolError;
pub use walk::{Action, Change, Follow, Reason, Walk, WalkError, WalkEvent, WalkOptions, walk};
