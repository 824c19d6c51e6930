//! How a classic command begins and ends.

use std::ffi::OsString;
use std::sync::Arc;

use baler::Advice;

use super::command::{COMMON, Command, MANIFESTS, TOOLS, Tools};
use super::fail::{Code, Declined, Failure, Usage};
use super::options::Options;
use super::session::Session;
use super::{advice, help};
use crate::exit;
use crate::face::Face;
use crate::report::{self, Console, say};

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
    let parsed = Options::parse(command.options, args);
    let is = |long| parsed.as_ref().is_ok_and(|options| options.has(long));
    let debug = is("debug") || is("verbose");
    let is_quiet = !debug && !report::is_seen();
    let words = Arc::new(move |advice: &Advice| advice::words(advice, command));
    let console = Console::new(is_quiet, debug, words).classic(command.name, is("retry"));
    let (face, batch) = (Face::new(console), is("batch"));
    let session = Session { tool: command.name, face, batch };
    match parsed
        .map_err(|why| Usage(why).into())
        .and_then(|options| attempt(&session, command, options))
    {
        Ok(()) => 0,
        Err(error) => command.tools.code(report_error(&session, &error)),
    }
}

fn attempt(session: &Session, command: &'static Command, options: Options) -> anyhow::Result<()> {
    session.face.watch()?;
    if options.has("help") {
        return report::result(&help::short(command));
    }
    if options.has("manual") {
        return report::result(&help::long(command));
    }
    if options.has("version") {
        let tool = command.name;
        return report::result(&format!("{tool} {TOOLS} {MANIFESTS}\n\n{}\n", made_by()));
    }
    (command.run)(session, options)
}

/// Prints an error as the old tools did, and gives the exit code.
fn report_error(session: &Session, error: &anyhow::Error) -> u8 {
    let tool = session.tool;
    if session.face.stop.is_requested() {
        say(&format!("{tool} interrupted."));
        return Code::Interrupted as u8;
    }
    if error.is::<Declined>() {
        return 0;
    }
    if let Some(Usage(text)) = error.downcast_ref::<Usage>() {
        text.lines().for_each(say);
        say(&format!("Try '{tool} --help'"));
        return Code::Failed as u8;
    }
    let told = exit::told(error, session.face.console.words());
    say(&format!("ERROR: {}", told.message));
    told.hints.iter().for_each(|hint| say(&format!("hint: {hint}")));
    let is_of_storage = exit::of_library(error).is_some_and(baler::Error::is_of_storage);
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.code as u8,
        None if is_of_storage => Code::S3 as u8,
        None => Code::Other as u8,
    }
}
