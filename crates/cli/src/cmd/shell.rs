//! `baler completions` and `baler man`: made from the command line's own definition.

use std::path::PathBuf;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

use crate::classic;
use crate::codes::Exit;
use crate::report;

/// Print a shell's completions for baler
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write one for each verb and each classic command into a directory
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The directory for the pages: baler.1, baler-bundle.1, ec2-bundle-vol.1 and so on
    directory: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(self, command: &mut Command) -> anyhow::Result<Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, command, "baler", &mut text);
        report::result(&String::from_utf8_lossy(&text))?;
        Ok(Exit::Done)
    }
}

impl Man {
    pub(crate) fn run(self, command: Command) -> anyhow::Result<Exit> {
        match self.directory {
            Some(directory) => {
                let writing = || format!("writing manual pages into `{}`", directory.display());
                clap_mangen::generate_to(command, &directory).with_context(writing)?;
                for old in classic::COMMANDS {
                    for name in old.names() {
                        clap_mangen::generate_to(classic::as_clap(old, name), &directory)
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
