//! A command of the old tools, as a table has it.

use super::options::{Options, Spec, flag};
use super::session::Session;

/// A command of the old tools.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(super) tools: Tools,
    /// Other names that it had.
    pub(super) aliases: &'static [&'static str],
    pub(super) about: &'static str,
    /// What is behind the name in the first line of its help.
    pub(super) usage: &'static str,
    /// What `baler` itself has in its place.
    pub(super) new: &'static str,
    pub(super) options: &'static [&'static [Spec]],
    /// What is different from the old tool.
    pub(super) notes: &'static str,
    pub(super) run: fn(&Session, Options) -> anyhow::Result<()>,
}

/// The two sets of tools, which have habits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tools {
    /// Those for bundles: `ec2-bundle-vol` and others.
    Ami,
    /// Those for EC2, as far as they are for images: `ec2-register` and others.
    #[cfg(feature = "aws")]
    Api,
}

impl Tools {
    /// The exit code where the AMI tools have this one: the API tools know only one for all that fails.
    pub(super) fn code(self, code: u8) -> u8 {
        match self {
            Tools::Ami => code,
            #[cfg(feature = "aws")]
            Tools::Api => code.min(1),
        }
    }
}

/// What all of the AMI tools take.
pub(super) const COMMON: &[Spec] = &[
    flag("help", "Print this help", "--help").short('h'),
    flag("version", "Print the version", "--version"),
    flag("manual", "Print the manual", "man"),
    flag("batch", "Ask nothing", ""),
    flag("debug", "Tell what is done, on standard error", "--debug"),
];

impl Command {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = &'static Spec> {
        self.options.iter().flat_map(|table| table.iter())
    }
}

/// The version of the tools whose behaviour this is, and that of the manifests that they write.
pub(super) const TOOLS: &str = "1.5.3";
pub(super) const MANIFESTS: &str = "20071010";
