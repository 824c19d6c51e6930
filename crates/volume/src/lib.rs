//! A live root becomes an image: walk, filter, layout, boot chain.

mod walk;

mod mounts;

mod filter;

mod reader;

pub use filter::{Filter, PatternError, Patterns, Secret};
pub use mounts::{Holds, Mount, Mounts};
pub use reader::{FileTrouble, TreeFiles, TroubleKind, Troubles, UnreadableFile};
pub use walk::{Action, Change, Follow, Reason, Walk, WalkError, WalkEvent, WalkOptions, walk};
