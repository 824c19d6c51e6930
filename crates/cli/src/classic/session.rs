//! What all classic commands begin and end with.

use std::ffi::OsString;
use std::io;

use super::fail::{self, Usage};
use super::options::Options;
use super::{COMMON, Command, Tools, help};
use crate::report::say;
use crate::report::{self, Console};
use crate::{interrupt, machine};

/// The version of the tools whose behaviour this is, and that of the manifests that they write.
pub(super) const TOOLS: &str = "1.5.3";
const MANIFESTS: &str = "20071010";

/// A command that runs.
pub(super) struct Session {
    pub(super) tool: &'static str,
    /// Warnings, and with `--debug` or on a terminal what else there is to say.
    pub(super) console: Console,
    /// Nobody is there to be asked.
    pub(super) batch: bool,
}

pub(super) static VERSION: Command = Command {
    name: "ec2-ami-tools-version",
    tools: Tools::Ami,
    aliases: &[],
    about: "Print the version of the tools",
    usage: "",
    new: "baler --version",
    options: &[COMMON],
    notes: "",
    run: |_, _| report::result(&format!("{TOOLS} {MANIFESTS}\n\n{}\n", made_by())),
};

fn made_by() -> String {
    format!("Baler {}, in place of the Amazon EC2 AMI tools", env!("CARGO_PKG_VERSION"))
}

/// Runs a command; gives its exit code.
pub(super) fn run(command: &'static Command, args: Vec<OsString>) -> u8 {
    match attempt(command, args) {
        Ok(()) => 0,
        Err(error) => command.tools.code(fail::tell(command.name, &error)),
    }
}

fn attempt(command: &'static Command, args: Vec<OsString>) -> anyhow::Result<()> {
    interrupt::watch()?;
    let options = Options::parse(command.options, args).map_err(Usage)?;
    let tool = command.name;
    if options.has("help") {
        return report::result(&help::short(command));
    }
    if options.has("manual") {
        return report::result(&help::long(command));
    }
    if options.has("version") {
        return report::result(&format!("{tool} {TOOLS} {MANIFESTS}\n\n{}\n", made_by()));
    }
    let debug = options.has("debug") || options.has("verbose");
    let is_quiet = !debug && !report::is_seen();
    let console = Console::classic(tool, is_quiet, debug, options.has("retry"));
    let session = Session { tool, console, batch: options.has("batch") };
    (command.run)(&session, options)
}

impl Session {
    /// Prints a line on standard output.
    pub(super) fn line(&self, text: &str) -> anyhow::Result<()> {
        told(report::result(&format!("{}\n", report::plain(text))))
    }

    /// Prints a line of a list.
    pub(super) fn indented(&self, text: &str) -> anyhow::Result<()> {
        told(report::result(&format!("\t{}\n", report::plain(text))))
    }

    /// What may be wrong: asks whether to go on, unless nobody is there.
    pub(super) fn warn(&self, text: &str) -> anyhow::Result<()> {
        say(text);
        if self.batch {
            return Ok(());
        }
        super::prompt::go_on()
    }

    /// The last line of most commands.
    pub(super) fn complete(&self) -> anyhow::Result<()> {
        self.line(&format!("{} complete.", self.tool))
    }

    /// This machine's architecture as the old tools had it, and newer ones.
    pub(super) fn architecture(&self) -> String {
        machine::architecture().unwrap_or_else(|_| "unknown".to_owned())
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
