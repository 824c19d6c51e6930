use std::io;
use std::path::PathBuf;

use baler_tree::TreeError;

/// Why there is no tree at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// The root cannot be opened.
    #[error("cannot open the root tree `{}`", path.display())]
    Root {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The entry that one of [`WalkOptions::never`](crate::walk::WalkOptions::never) is cannot be found.
    #[error("cannot find `{}`, which must not be in the image", path.display())]
    Never {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is more than a tree can have.
    #[error("`{}` cannot be added to the image", path.escape_ascii())]
    Tree {
        /// From the root.
        path: Vec<u8>,
        /// Why.
        source: TreeError,
    },
    /// The caller's function for events returned this error.
    #[error("the walk was stopped")]
    Stopped(#[source] io::Error),
}
