//! The command line: the verbs.

use clap::{CommandFactory, Parser, Subcommand};

use crate::cmd;
use crate::codes::{self, Exit};
use crate::face::Face;

/// Bundle machine images for EC2: encrypted parts and a signed manifest, made, checked and opened again.
///
/// Results go to standard output, messages and progress to standard error. The commands of the Amazon EC2 AMI tools work
/// too, under their own names: see `baler help classic`.
#[derive(Debug, Parser)]
#[command(name = "baler", version, after_help = codes::HELP, propagate_version = true)]
pub(crate) struct Args {
    /// Print no messages and no progress, only warnings and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Print each request to AWS and its result, without secrets
    #[arg(long, global = true)]
    pub(crate) debug: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A verb.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bundle(Box<cmd::bundle::Args>),
    Image(Box<cmd::image::Args>),
    Unbundle(cmd::unbundle::Args),
    Verify(cmd::verify::Args),
    Inspect(cmd::inspect::Args),
    #[cfg(feature = "aws")]
    Copy(Box<cmd::copy::Args>),
    #[cfg(feature = "aws")]
    Remove(cmd::remove::Args),
    #[cfg(feature = "aws")]
    Check(cmd::check::Args),
    #[cfg(feature = "aws")]
    Register(Box<cmd::register::Args>),
    #[cfg(feature = "aws")]
    Deregister(cmd::deregister::Args),
    #[cfg(feature = "aws")]
    Images(cmd::images::Args),
    #[cfg(feature = "aws")]
    Share(cmd::share::Args),
    #[cfg(feature = "aws")]
    CopyImage(cmd::copy_image::Args),
    Keys(cmd::keys::Args),
    InstallLinks(cmd::install_links::Args),
    Completions(cmd::shell::Completions),
    Man(cmd::shell::Man),
}

impl Command {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        match self {
            Command::Bundle(args) => args.run(face),
            Command::Image(args) => args.run(face),
            Command::Unbundle(args) => args.run(face),
            Command::Verify(args) => args.run(face),
            Command::Inspect(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Copy(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Remove(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Check(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Register(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Deregister(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Images(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::Share(args) => args.run(face),
            #[cfg(feature = "aws")]
            Command::CopyImage(args) => args.run(face),
            Command::Keys(args) => args.run(face),
            Command::InstallLinks(args) => args.run(face),
            Command::Completions(args) => args.run(&mut Args::command()),
            Command::Man(args) => args.run(Args::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
