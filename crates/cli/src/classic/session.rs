//! What all classic commands have while they run.

use std::ffi::OsString;
use std::io;

#[cfg(feature = "aws")]
use baler::Settings;
use baler::text::plain;
use baler::{Keys, Run};

use super::fail::Usage;
use super::options::Options;
use super::prompt;
#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
use crate::args::keys::KeyArgs;
use crate::environment;
use crate::face::Face;
use crate::report::{self, say};

/// A command that runs.
pub(super) struct Session {
    pub(super) tool: &'static str,
    /// The console prints warnings, and with `--debug` or on a terminal what else there is to say.
    pub(super) face: Face,
    /// Nobody is there to be asked.
    pub(super) batch: bool,
}

impl Session {
    /// Prints a line on standard output.
    pub(super) fn line(&self, text: &str) -> anyhow::Result<()> {
        told(report::result(&format!("{}\n", plain(text))))
    }

    /// Prints a line of a list.
    pub(super) fn indented(&self, text: &str) -> anyhow::Result<()> {
        told(report::result(&format!("\t{}\n", plain(text))))
    }

    /// What may be wrong: asks whether to go on, unless nobody is there.
    pub(super) fn warn(&self, text: &str) -> anyhow::Result<()> {
        say(text);
        if self.batch {
            return Ok(());
        }
        prompt::go_on(&self.face.stop)
    }

    /// A run of the library's jobs.
    pub(super) fn run(&self) -> Run {
        self.face.run()
    }

    /// The way to AWS where nothing of it can be typed.
    #[cfg(feature = "aws")]
    pub(super) fn settings(&self) -> Settings {
        AwsArgs::default().settings()
    }

    /// The user's key, and the certificate if there is an option for it.
    pub(super) fn keys(&self, options: &Options) -> Keys {
        let path = |long| options.os(long).map(Into::into);
        let args = KeyArgs { key: path("privatekey"), cert: path("cert"), passphrase_file: None };
        args.keys(&self.face)
    }

    /// The last line of most commands.
    pub(super) fn complete(&self) -> anyhow::Result<()> {
        self.line(&format!("{} complete.", self.tool))
    }

    /// This machine's architecture as the old tools had it, and newer ones.
    pub(super) fn architecture(&self) -> String {
        environment::architecture().unwrap_or("unknown").to_owned()
    }
}

/// A reader that has gone, as `head` does, is no reason to leave the work half done.
fn told(printed: anyhow::Result<()>) -> anyhow::Result<()> {
    let is_gone = |error: &anyhow::Error| {
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match printed {
        Err(error) if is_gone(&error) => Ok(()),
        printed => printed,
    }
}

/// What is not empty of an option: scripts pass `-a ""` for what they do not have.
pub(super) fn given(options: &Options, long: &str) -> Option<String> {
    options.text(long).filter(|text| !text.is_empty())
}

/// What a command cannot do without.
pub(super) fn required(options: &Options, long: &str) -> anyhow::Result<OsString> {
    let value = options.os(long).filter(|value| !value.is_empty());
    Ok(value.ok_or_else(|| Usage(format!("missing mandatory parameter: --{long}")))?.to_owned())
}

/// Insists on all of them being there, in this order.
pub(super) fn require(options: &Options, longs: &[&str]) -> anyhow::Result<()> {
    longs.iter().try_for_each(|long| required(options, long).map(|_| ()))
}
