//! The commands that Baler replaces, under their own names: what scripts type, read and branch on stays as it was.

mod advice;
#[cfg(feature = "aws")]
mod api;
mod bundle;
mod bundle_image;
mod bundle_vol;
mod check;
mod command;
#[cfg(feature = "aws")]
mod credentials;
#[cfg(feature = "aws")]
mod delete;
#[cfg(feature = "aws")]
mod download;
mod fail;
mod help;
mod kernels;
mod local;
#[cfg(feature = "aws")]
mod migrate_bundle;
mod migrate_manifest;
mod options;
mod prompt;
#[cfg(feature = "aws")]
mod s3;
mod session;
mod start;
mod unbundle;
#[cfg(feature = "aws")]
mod upload;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

pub(crate) use command::Command;
pub(crate) use help::as_clap;

pub(crate) static COMMANDS: &[&Command] = &[
    &start::VERSION,
    &bundle_image::COMMAND,
    &bundle_vol::COMMAND,
    #[cfg(feature = "aws")]
    &upload::COMMAND,
    #[cfg(feature = "aws")]
    &download::COMMAND,
    #[cfg(feature = "aws")]
    &delete::COMMAND,
    &unbundle::COMMAND,
    &migrate_manifest::COMMAND,
    #[cfg(feature = "aws")]
    &migrate_bundle::COMMAND,
    #[cfg(feature = "aws")]
    &api::register::COMMAND,
    #[cfg(feature = "aws")]
    &api::deregister::COMMAND,
    #[cfg(feature = "aws")]
    &api::describe::COMMAND,
    #[cfg(feature = "aws")]
    &api::modify::COMMAND,
];

/// The command of that name.
pub(crate) fn find(name: &OsStr) -> Option<&'static Command> {
    let name = name.to_str()?;
    COMMANDS.iter().copied().find(|command| command.names().any(|known| known == name))
}

/// What `baler help NAME` prints for a classic command, and for `classic` itself.
pub(crate) fn help_for(args: impl IntoIterator<Item = OsString>) -> Option<String> {
    let mut args = args.into_iter().skip(1);
    let (help, name, end) = (args.next()?, args.next()?, args.next());
    match (help.to_str(), name.to_str(), end) {
        (Some("help"), Some("classic"), None) => Some(table()),
        (Some("help"), Some(_), None) => find(&name).map(help::long),
        _ => None,
    }
}

/// The classic command that was typed, if it was one, by its own name or behind `baler`; and its arguments.
pub(crate) fn typed(
    args: impl IntoIterator<Item = OsString>,
) -> Option<(&'static Command, Vec<OsString>)> {
    let mut args = args.into_iter();
    let own = args.next().and_then(|own| Path::new(&own).file_name().and_then(find));
    let command = match own {
        Some(command) => command,
        None => args.next().as_deref().and_then(find)?,
    };
    Some((command, args.collect()))
}

/// Runs a classic command to its end.
pub(crate) fn run(command: &'static Command, args: Vec<OsString>) -> ExitCode {
    ExitCode::from(start::run(command, args))
}

/// `baler help classic`: each old command and option, and the new one.
fn table() -> String {
    let mut text = "\
The commands of the Amazon EC2 AMI tools, and those of the EC2 API tools that concern images, work under their own
names. `baler install-links DIR` makes links to baler with these names; `baler ec2-bundle-vol …` does the same as
`ec2-bundle-vol …`. This table lists what replaces each command and option; `-` is nothing.
"
    .to_owned();
    for command in COMMANDS {
        text += "\n";
        text += &help::table_of(command);
    }
    #[cfg(feature = "aws")]
    {
        text += "\nall of those for EC2\n";
        text += &help::lines(help::common(command::Tools::Api).iter());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_helped() {
        for command in COMMANDS {
            as_clap(command, command.name).debug_assert();
            let help = help::short(command);
            assert!(help.contains(command.about), "{help}");
            for spec in command.specs() {
                assert!(help.contains(&format!("--{}", spec.long)), "{help}");
            }
        }
    }

    #[test]
    fn every_option_has_its_place_in_the_table() {
        let table = table();
        for command in COMMANDS {
            assert!(table.contains(command.name) && table.contains(command.new));
        }
        assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
    }
}
