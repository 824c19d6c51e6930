//! The command line: the verbs, and the types of what is typed.

pub(crate) mod volume;

use std::path::PathBuf;
use std::str::FromStr;

use baler_bundle::Level;
use bytesize::ByteSize;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand};

use crate::cmd;
use crate::exit::{self, Exit};
use crate::place::{self, Place};
use crate::report::Console;

/// Bundle machine images for EC2: encrypted parts and a signed manifest, made, checked and opened again.
///
/// Results go to standard output, messages and progress to standard error. The commands of the Amazon EC2 AMI tools work
/// too, under their own names: see `baler help classic`.
#[derive(Debug, Parser)]
#[command(name = "baler", version, after_help = exit::HELP, propagate_version = true)]
pub(crate) struct Args {
    /// Print no messages and no progress; warnings and errors are printed all the same
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Tell each request to AWS and how it was answered; no secret is among it
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
    Copy(Box<cmd::copy::Args>),
    Remove(cmd::remove::Args),
    Check(cmd::check::Args),
    Register(Box<cmd::register::Args>),
    Deregister(cmd::deregister::Args),
    Images(cmd::images::Args),
    Share(cmd::share::Args),
    CopyImage(cmd::copy_image::Args),
    Keys(cmd::keys::Args),
    InstallLinks(cmd::install_links::Args),
    Completions(cmd::shell::Completions),
    Man(cmd::shell::Man),
}

impl Command {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match self {
            Command::Bundle(args) => args.run(console),
            Command::Image(args) => args.run(console),
            Command::Unbundle(args) => args.run(console),
            Command::Verify(args) => args.run(console),
            Command::Inspect(args) => args.run(console),
            Command::Copy(args) => args.run(console),
            Command::Remove(args) => args.run(console),
            Command::Check(args) => args.run(console),
            Command::Register(args) => args.run(console),
            Command::Deregister(args) => args.run(console),
            Command::Images(args) => args.run(console),
            Command::Share(args) => args.run(console),
            Command::CopyImage(args) => args.run(console),
            Command::Keys(args) => args.run(console),
            Command::InstallLinks(args) => args.run(console),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        }
    }
}

/// `10GiB` or `512MB`, or a bare number of MiB as the classic tools take it; never a bare `G`, which means one thing to
/// some tools and another to others.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wanted =
        || "a size has a unit, `10GiB`, `512MB`, `1000000B`, or is a number of MiB".to_owned();
    let size = match text.parse::<u64>() {
        Ok(mebibytes) => mebibytes.saturating_mul(1 << 20),
        Err(_) if !text.trim_end().ends_with('B') => return Err(wanted()),
        Err(_) => ByteSize::from_str(text).map_err(|_| wanted())?.as_u64(),
    };
    if size <= MAX_SIZE { Ok(size) } else { Err("no file is that long".to_owned()) }
}

/// What a file's length can be, and a manifest tell.
const MAX_SIZE: u64 = i64::MAX as u64;

/// A path, or nothing: clap's own parser takes a variable that is set to nothing for a mistake.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// `fast`, `default`, `best`, or a number.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    match text {
        "fast" => Ok(Level::FAST),
        "default" => Ok(Level::DEFAULT),
        "best" => Ok(Level::BEST),
        number => number.parse().ok().and_then(Level::new).ok_or_else(|| {
            "a level is `fast`, `default`, `best`, or a number from 1 to 12".to_owned()
        }),
    }
}

/// How many threads there are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Jobs {
    /// How many threads do the heavy work [default: as many as there are cores, but at most 24]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl Jobs {
    pub(crate) fn count(&self) -> usize {
        // SHA-1 is one long chain: with more compressors than this it is what all wait for, and each costs memory.
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(24));
        self.jobs.map_or_else(cores, usize::from)
    }
}

/// A bundle that exists, named by its manifest.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BundleArg {
    /// The bundle: its manifest, `DIR/NAME.manifest.xml` or `s3://BUCKET/PREFIX/NAME.manifest.xml`; the parts lie beside it
    #[arg(value_name = "BUNDLE", value_parser = place::place())]
    pub(crate) manifest: Place,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_have_units_or_are_mebibytes() {
        for (text, bytes) in [
            ("10GiB", Some(10 << 30)),
            ("10 GiB", Some(10 << 30)),
            ("1.5GiB", Some(3 << 29)),
            ("512MB", Some(512_000_000)),
            ("7B", Some(7)),
            ("10240", Some(10 << 30)),
            ("10G", None),
            ("16EiB", None),
            ("10 ", None),
            ("", None),
            ("GiB", None),
            ("-1GiB", None),
            ("10Gibibytes", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text:?}");
        }
    }

    #[test]
    fn levels_have_names_and_numbers() {
        assert_eq!(level("fast"), Ok(Level::FAST));
        assert_eq!(level("6"), Ok(Level::DEFAULT));
        assert_eq!(level("12"), Ok(Level::BEST));
        for text in ["0", "13", "-1", "faster", "", "6.0"] {
            assert!(level(text).is_err(), "{text:?}");
        }
    }
}
