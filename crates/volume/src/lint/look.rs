//! Shared ground of the checks: the image as it will be, and access to its files.

use baler_ext4::Profile;
use baler_tree::{Kind, NodeId, Tree, resolve};

use super::finding::{Finding, Severity};
use crate::advice::Advice;
use crate::fstab::NewRoot;
use crate::layout::Layout;

/// An image that is looked at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Subject<'a> {
    /// The tree as it will be in the image.
    pub tree: &'a Tree,
    /// The disk.
    pub layout: &'a Layout,
    /// The names of the root.
    pub root: &'a NewRoot,
    /// Readers that the file system is for.
    pub profile: Profile,
    /// The type of the file system that the tree comes from, if that is known.
    pub old_fs: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// A tree on a disk; of the file system that it comes from nothing is known.
    pub fn new(
        tree: &'a Tree,
        layout: &'a Layout,
        root: &'a NewRoot,
        profile: Profile,
    ) -> Subject<'a> {
        Subject { tree, layout, root, profile, old_fs: None }
    }
}

/// A look at an image that is under way.
pub(super) struct Lint<'a, 'b> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) read: &'b mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    pub(super) findings: Vec<Finding>,
}

impl Lint<'_, '_> {
    pub(super) fn find(
        &mut self,
        severity: Severity,
        text: impl Into<String>,
        advice: impl Into<Advice>,
    ) {
        let (text, advice) = (text.into(), Some(advice.into()));
        self.findings.push(Finding { severity, text, advice });
    }

    pub(super) fn error(&mut self, text: impl Into<String>, advice: impl Into<Advice>) {
        self.find(Severity::Error, text, advice);
    }

    pub(super) fn warn(&mut self, text: impl Into<String>, advice: impl Into<Advice>) {
        self.find(Severity::Warning, text, advice);
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        let severity = Severity::Note;
        self.findings.push(Finding { severity, text: text.into(), advice: None });
    }

    /// Returns whether there is something at a path.
    pub(super) fn has(&self, path: &str) -> bool {
        resolve(self.subject.tree, path.as_bytes()).is_some()
    }

    pub(super) fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        (self.read)(resolve(self.subject.tree, path.as_bytes())?)
    }

    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first of these files that is there.
    pub(super) fn first_text(&mut self, paths: &[&'static str]) -> Option<(&'static str, String)> {
        paths.iter().find_map(|path| Some((*path, self.text(path)?)))
    }

    /// The names in a directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let tree = self.subject.tree;
        let directory = resolve(tree, path.as_bytes());
        let directory = directory.filter(|node| matches!(tree.kind(*node), Kind::Directory));
        let names = directory.into_iter().flat_map(|node| tree.entries(node));
        names.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }
}
