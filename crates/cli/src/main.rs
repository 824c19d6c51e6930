//! The `baler` command: everything that is typed, printed, asked for and returned.

mod ami;
mod args;
mod aws;
mod bundle;
mod classic;
mod cmd;
mod exit;
mod input;
mod interrupt;
mod keys;
mod machine;
mod output;
mod place;
mod remote;
mod report;
mod space;
mod target;
mod volume;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Some((command, args)) = classic::typed(std::env::args_os()) {
        return classic::run(command, args);
    }
    if let Some(text) = classic::help_for(std::env::args_os()) {
        return exit::print(&text).into();
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(answer) => return exit::answer(&answer).into(),
    };
    let console = report::Console::new(args.quiet, args.debug);
    match interrupt::watch().and_then(|()| args.command.run(&console)) {
        Ok(exit) => exit.into(),
        Err(error) => exit::tell(&console, &error).into(),
    }
}
