//! `baler completions` and `baler man`: made from the command line's own definition.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args;
use crate::classic;
use crate::exit::Exit;
use crate::report;

/// Print a shell's completions for baler
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Print the manual page, or write one for each verb and each classic command into a directory
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Where the pages go: baler.1, baler-bundle.1, ec2-bundle-vol.1 and so on
    directory: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut args::Args::command(), "baler", &mut text);
        report::result(&String::from_utf8_lossy(&text))?;
        Ok(Exit::Done)
    }
}

impl Man {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let command = args::Args::command();
        match self.directory {
            Some(directory) => {
                let writing = || format!("writing manual pages into `{}`", directory.display());
                clap_mangen::generate_to(command, &directory).with_context(writing)?;
                for old in classic::COMMANDS {
                    for name in old.names() {
                        clap_mangen::generate_to(classic::help::as_clap(old, name), &directory)
                            .with_context(writing)?;
                    }
                }
            }
            None => {
                let mut text = Vec::new();
                clap_mangen::Man::new(command)
                    .render(&mut text)
                    .context("making the manual page")?;
                report::result(&String::from_utf8_lossy(&text))?;
            }
        }
        Ok(Exit::Done)
    }
}
