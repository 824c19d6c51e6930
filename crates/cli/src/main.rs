//! The `baler` command: two faces over one library, the verbs and the classic names; all that is typed, printed, asked for
//! and returned.

mod args;
mod classic;
mod cmd;
mod codes;
mod environment;
mod exit;
mod face;
mod report;
mod signals;
mod streams;
mod verbs;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::codes::Exit;
use crate::face::Face;
use crate::report::{Console, Words};
use crate::verbs::Args;

fn main() -> ExitCode {
    if let Some((command, args)) = classic::typed(std::env::args_os()) {
        return classic::run(command, args);
    }
    if let Some(text) = classic::help_for(std::env::args_os()) {
        return printed(report::result(&text)).into();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(answer) => return answered(&answer).into(),
    };
    let face = Face::new(Console::new(args.quiet, args.debug, words()));
    match face.watch().and_then(|()| args.command.run(&face)) {
        Ok(exit) => exit.into(),
        Err(error) => failed(&face, &error).into(),
    }
}

/// Advice in the words of `baler`'s own options.
fn words() -> Words {
    Arc::new(cmd::advice::words)
}

/// Prints what the parser of the command line has to say: that it was used wrongly, or the help that was asked for.
fn answered(answer: &clap::Error) -> Exit {
    match answer.print() {
        _ if answer.use_stderr() => Exit::Usage,
        result => printed(
            result.map_err(|error| anyhow::Error::new(error).context("writing to standard output")),
        ),
    }
}

fn printed(result: anyhow::Result<()>) -> Exit {
    let face = || Face::new(Console::new(false, false, words()));
    result.map_or_else(|error| failed(&face(), &error), |()| Exit::Done)
}

/// Prints an error, whole, and gives the exit code that it means.
fn failed(face: &Face, error: &anyhow::Error) -> Exit {
    let console = &face.console;
    if face.stop.is_requested() {
        console.error(signals::interrupted(console.left()));
        return Exit::Interrupted;
    }
    let told = exit::told(error, console.words());
    console.error(&told.message);
    told.hints.iter().for_each(|hint| console.hint(hint));
    told.exit
}
