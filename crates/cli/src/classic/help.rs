//! What the classic commands say of themselves, and the table of what `baler` has in their place.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command as Page};

use super::options::{Spec, Takes};
use super::{COMMANDS, Command, Tools};

/// `--help`.
pub(super) fn short(command: &'static Command) -> String {
    as_clap(command, command.name).render_help().to_string()
}

/// `--manual`.
pub(super) fn long(command: &'static Command) -> String {
    format!("{}\n{}", as_clap(command, command.name).render_long_help(), table_of(command))
}

/// The command, under one of its names, as the crate that makes help and manual pages knows commands.
pub(crate) fn as_clap(command: &'static Command, name: &'static str) -> Page {
    let usage = format!("{name} {}", command.usage);
    let mut page = Page::new(name)
        .about(command.about)
        .override_usage(usage.trim_end().to_owned())
        .disable_help_flag(true)
        .after_help(command.notes)
        .version(super::session::TOOLS)
        .disable_version_flag(true);
    for spec in command.specs() {
        page = page.arg(arg(spec));
    }
    page
}

fn arg(spec: &'static Spec) -> Arg {
    let arg = Arg::new(spec.long).long(spec.long).help(spec.help);
    let arg = match spec.short {
        Some(short) => arg.short(short).visible_short_aliases(spec.also),
        None => arg,
    };
    match spec.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::Switch => arg
            .action(ArgAction::SetTrue)
            .help(format!("{} (--no-{} does not)", spec.help, spec.long)),
        Takes::Value(name) => arg.value_name(name),
        Takes::Word(name, words) => {
            arg.value_name(name).value_parser(PossibleValuesParser::new(words))
        }
    }
}

/// `baler help classic`: each old command and option, and the new one.
pub(crate) fn table() -> String {
    let mut text = "\
The commands of the Amazon EC2 AMI tools, and those of the EC2 API tools that concern images, go on working under their
own names: `baler install-links DIR` makes links to baler that are called like them, and `baler ec2-bundle-vol …` does
the same as `ec2-bundle-vol …`. This is what baler itself has in their place; `-` is nothing.
"
    .to_owned();
    for command in COMMANDS {
        text += "\n";
        text += &table_of(command);
    }
    text += "\nall of those for EC2\n";
    text += &lines(Tools::Api.common().iter());
    text
}

fn table_of(command: &Command) -> String {
    let names: Vec<_> = command.names().collect();
    let own = command.specs().filter(|spec| !is_common(command, spec));
    format!("{:<48}{}\n{}", names.join(", "), command.new, lines(own))
}

fn lines<'a>(specs: impl Iterator<Item = &'a Spec>) -> String {
    let mut text = String::new();
    for spec in specs {
        let short = spec.short.map_or_else(String::new, |short| format!("-{short}, "));
        let value = match spec.takes {
            Takes::Value(name) | Takes::Word(name, _) => format!(" {name}"),
            Takes::Nothing | Takes::Switch => String::new(),
        };
        let old = format!("  {short}--{}{value}", spec.long);
        let new = if spec.new.is_empty() { "-" } else { spec.new };
        text += &format!("{old:<48}{new}\n");
    }
    text
}

/// What all commands of the same tools take is not told for each: it means the same everywhere.
fn is_common(command: &Command, spec: &Spec) -> bool {
    command.tools.common().iter().any(|common| common.long == spec.long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_helped() {
        for command in COMMANDS {
            as_clap(command, command.name).debug_assert();
            let help = short(command);
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
