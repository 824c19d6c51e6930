//! The commands that Baler replaces, under their own names: what scripts type, read and branch on stays as it was.

mod api;
mod bundle;
mod bundle_image;
mod bundle_vol;
mod check;
mod delete;
mod download;
pub(crate) mod fail;
pub(crate) mod help;
mod kernels;
mod migrate;
mod options;
mod prompt;
mod s3;
mod session;
mod unbundle;
mod upload;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use options::{Options, Spec, flag};
use session::Session;

/// A command of the old tools.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) tools: Tools,
    /// Other names that it had.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) about: &'static str,
    /// What is behind the name in the first line of its help.
    pub(crate) usage: &'static str,
    /// What `baler` itself has in its place.
    pub(crate) new: &'static str,
    pub(crate) options: &'static [&'static [Spec]],
    /// What is different from the old tool.
    pub(crate) notes: &'static str,
    run: fn(&Session, Options) -> anyhow::Result<()>,
}

/// The two sets of tools, which have habits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tools {
    /// Those for bundles: `ec2-bundle-vol` and others.
    Ami,
    /// Those for EC2, as far as they are for images: `ec2-register` and others.
    Api,
}

impl Tools {
    /// What every command of them takes.
    fn common(self) -> &'static [Spec] {
        match self {
            Tools::Ami => COMMON,
            Tools::Api => api::COMMON,
        }
    }

    /// The exit code where the AMI tools have this one: the API tools know only one for all that fails.
    fn code(self, code: u8) -> u8 {
        match self {
            Tools::Ami => code,
            Tools::Api => code.min(1),
        }
    }
}

/// What all of the AMI tools take.
const COMMON: &[Spec] = &[
    flag("help", "Print this help", "--help").short('h'),
    flag("version", "Print the version", "--version"),
    flag("manual", "Print the manual", "man"),
    flag("batch", "Ask nothing", ""),
    flag("debug", "Tell what is done, on standard error", "--debug"),
];

pub(crate) static COMMANDS: &[&Command] = &[
    &session::VERSION,
    &bundle_image::COMMAND,
    &bundle_vol::COMMAND,
    &upload::COMMAND,
    &download::COMMAND,
    &delete::COMMAND,
    &unbundle::COMMAND,
    &migrate::MANIFEST,
    &migrate::BUNDLE,
    &api::REGISTER,
    &api::DEREGISTER,
    &api::DESCRIBE,
    &api::MODIFY,
];

impl Command {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = &'static Spec> {
        self.options.iter().flat_map(|table| table.iter())
    }
}

/// The command of that name.
pub(crate) fn find(name: &OsStr) -> Option<&'static Command> {
    let name = name.to_str()?;
    COMMANDS.iter().copied().find(|command| command.names().any(|known| known == name))
}

/// What `baler help NAME` prints for a classic command, and for `classic` itself.
pub(crate) fn help_for(args: impl IntoIterator<Item = OsString>) -> Option<String> {
    let mut args = args.into_iter().skip(1);
    let (help, name, end) = (args.next()?, args.next()?, args.next());
    match (help.to_str(), name.to_str(), end) {
        (Some("help"), Some("classic"), None) => Some(help::table()),
        (Some("help"), Some(_), None) => find(&name).map(help::long),
        _ => None,
    }
}

/// The classic command that was typed, if it was one, by its own name or behind `baler`; and its arguments.
pub(crate) fn typed(
    args: impl IntoIterator<Item = OsString>,
) -> Option<(&'static Command, Vec<OsString>)> {
    let mut args = args.into_iter();
    let own = args.next().and_then(|own| Path::new(&own).file_name().and_then(find));
    let command = match own {
        Some(command) => command,
        None => args.next().as_deref().and_then(find)?,
    };
    Some((command, args.collect()))
}

/// Runs a classic command to its end.
pub(crate) fn run(command: &'static Command, args: Vec<OsString>) -> ExitCode {
    ExitCode::from(session::run(command, args))
}
