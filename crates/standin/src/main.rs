//! The command `baler-standin`: a stand-in for AWS on this machine, for trying Baler and for scripts.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use baler_standin::{Options, Standin, launch};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
A stand-in for S3, EC2, STS and instance metadata on 127.0.0.1. It is not AWS.

usage: baler-standin serve --directory DIR [--port PORT] [--pending N] [--delay-visibility N] [--print-env]
       baler-standin launch --directory DIR AMI FILE

serve    answers until it gets SIGTERM or SIGINT; with --print-env it prints the environment for AWS's
         programs once it listens
launch   opens the bundle that the image AMI stands for as EC2 would, and leaves its root image at FILE
";

fn main() -> ExitCode {
    let outcome = parse(std::env::args_os().skip(1)).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without anybody to read it there is nothing left to do.
            let _ = writeln!(io::stderr(), "baler-standin: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Serve { options: Options, print: bool },
    Launch { directory: PathBuf, ami: String, out: PathBuf },
}

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Command> {
    let verb = arguments.next().unwrap_or_default();
    let mut options = Options::new("");
    let mut print = false;
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        let name = argument.to_string_lossy().into_owned();
        let mut value = || arguments.next().ok_or_else(|| wrong(format!("`{name}` wants a value")));
        let number = |text: OsString| {
            let text = text.to_string_lossy().into_owned();
            text.parse::<u16>().map_err(|_| wrong(format!("`{text}` is not a small number")))
        };
        match name.as_str() {
            "--directory" => options.directory = value()?.into(),
            "--port" => options.port = number(value()?)?,
            "--pending" => options.pending = number(value()?)?.into(),
            "--delay-visibility" => options.delay_visibility = number(value()?)?.into(),
            "--print-env" => print = true,
            "--help" | "-h" => return Ok(Command::Help),
            flag if flag.starts_with('-') => {
                return Err(wrong(format!("`{flag}` is not known; see --help")));
            }
            _ => rest.push(argument),
        }
    }
    let directory = options.directory.clone();
    let placed = !directory.as_os_str().is_empty();
    match (verb.to_str(), rest.as_slice()) {
        (Some("--help" | "-h" | "help" | ""), _) => Ok(Command::Help),
        (Some("serve" | "launch"), _) if !placed => Err(wrong("--directory is missing".to_owned())),
        (Some("serve"), []) => Ok(Command::Serve { options, print }),
        (Some("launch"), [ami, out]) => Ok(Command::Launch {
            directory,
            ami: ami.to_string_lossy().into_owned(),
            out: out.into(),
        }),
        _ => Err(wrong("it takes `serve` or `launch AMI FILE`; see --help".to_owned())),
    }
}

fn run(command: Command) -> io::Result<()> {
    match command {
        Command::Help => io::stdout().write_all(USAGE.as_bytes()),
        Command::Launch { directory, ami, out } => launch(&directory, &ami, &out),
        Command::Serve { options, print } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                // Before anything is said to be ready, so that a signal is never too early.
                let (mut end, mut stop) =
                    (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
                let standin = Standin::start(options)?;
                if print {
                    let mut out = io::stdout();
                    for (name, value) in standin.env() {
                        writeln!(out, "export {name}='{}'", value.replace('\'', "'\\''"))?;
                    }
                    out.flush()?;
                }
                tokio::select! {
                    _ = end.recv() => {}
                    _ = stop.recv() => {}
                }
                Ok(())
            })
        }
    }
}
