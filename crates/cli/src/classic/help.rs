//! What the classic commands say of themselves, and the table of what `baler` has in their place.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command as Page};

use super::command::{COMMON, Command, TOOLS, Tools};
use super::options::{Spec, Takes};

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
        .version(TOOLS)
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

pub(super) fn table_of(command: &Command) -> String {
    let names: Vec<_> = command.names().collect();
    let own = command.specs().filter(|spec| !is_common(command, spec));
    format!("{:<48}{}\n{}", names.join(", "), command.new, lines(own))
}

pub(super) fn lines<'a>(specs: impl Iterator<Item = &'a Spec>) -> String {
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

/// Options that all commands of the same tools take are not listed for each: they mean the same everywhere.
fn is_common(command: &Command, spec: &Spec) -> bool {
    common(command.tools).iter().any(|common| common.long == spec.long)
}

/// What every command of these tools takes.
pub(super) fn common(tools: Tools) -> &'static [Spec] {
    match tools {
        Tools::Ami => COMMON,
        #[cfg(feature = "aws")]
        Tools::Api => super::api::COMMON,
    }
}
