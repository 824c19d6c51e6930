//! How a run ends: the exit codes, and the one place where an error is printed.

use std::fmt;
use std::process::ExitCode;

use baler_ec2::ErrorKind;
use baler_manifest::{AccountError, Advice, KeyError, ParseError, RegionError, WriteError};

use crate::interrupt;
use crate::report::{self, Console};

/// The exit codes, as `--help` and the README list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Mismatch = 3,
    Refused = 4,
    Interrupted = 130,
}

/// What `--help` says of them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    does not verify: a signature, a digest or the bundle's structure is wrong
  4    the service refused
  130  interrupted";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A link of an error's chain that knows how the run ends, or what to do next.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: String,
    exit: Exit,
    hint: Option<String>,
}

impl Trouble {
    /// Something could not be done.
    pub(crate) fn failed(what: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), exit: Exit::Failed, hint: None }
    }

    /// What was typed makes no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Usage, ..Trouble::failed(what) }
    }

    /// A bundle is not what its manifest says.
    pub(crate) fn mismatch(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Mismatch, ..Trouble::failed(what) }
    }

    /// The service says no.
    pub(crate) fn refused(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Refused, ..Trouble::failed(what) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Trouble {
        Trouble { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}

/// Prints what the parser of the command line has to say: that it was used wrongly, or the help that was asked for.
pub(crate) fn answer(answer: &clap::Error) -> Exit {
    match answer.print() {
        _ if answer.use_stderr() => Exit::Usage,
        printed => printing(
            printed
                .map_err(|error| anyhow::Error::new(error).context("writing to standard output")),
        ),
    }
}

/// Prints help that was asked for.
pub(crate) fn print(help: &str) -> Exit {
    printing(report::result(help))
}

fn printing(printed: anyhow::Result<()>) -> Exit {
    match printed {
        Ok(()) => Exit::Done,
        Err(error) => tell(&Console::new(false, false), &error),
    }
}

/// Prints an error, whole, and gives the exit code that it means.
pub(crate) fn tell(console: &Console, error: &anyhow::Error) -> Exit {
    if interrupt::happened() {
        console.error(interrupt::message());
        return Exit::Interrupted;
    }
    let (message, hint) = told(error);
    console.error(&message);
    if let Some(hint) = hint {
        console.hint(&hint);
    }
    let trouble = error.downcast_ref::<Trouble>();
    match (trouble.map_or(Exit::Failed, |trouble| trouble.exit), answer_in(error)) {
        (Exit::Failed, Some(answer)) => answer.exit,
        (exit, _) => exit,
    }
}

/// What there is to say of an error, and what to do next.
pub(crate) fn told(error: &anyhow::Error) -> (String, Option<String>) {
    let own = error.downcast_ref::<Trouble>().and_then(|trouble| trouble.hint.clone());
    let advised = || error.chain().find_map(advice);
    (message(error), own.or_else(advised).or_else(|| answer_in(error)?.hint))
}

/// Whether S3, or the way to it, is at fault.
pub(crate) fn is_of_s3(error: &anyhow::Error) -> bool {
    let is_refused = |trouble: &Trouble| trouble.exit == Exit::Refused;
    answer_in(error).is_some_and(|answer| answer.is_of_s3)
        || error.downcast_ref::<Trouble>().is_some_and(is_refused)
}

/// What a service, or the way to it, has said.
struct Answer {
    exit: Exit,
    hint: Option<String>,
    is_of_s3: bool,
}

fn answer_in(error: &anyhow::Error) -> Option<Answer> {
    error.chain().find_map(|link| {
        // An I/O error hides what it was made of from its chain.
        let inner = link.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let link: &(dyn std::error::Error + 'static) = match inner {
            Some(inner) => inner,
            None => link,
        };
        if let Some(error) = link.downcast_ref::<baler_store::Error>() {
            let exit = match error.kind {
                baler_store::Kind::Mismatch => Exit::Mismatch,
                _ if error.is_refusal() => Exit::Refused,
                _ => Exit::Failed,
            };
            let is_of_s3 = error.kind != baler_store::Kind::Local;
            return Some(Answer { exit, hint: error.hint(), is_of_s3 });
        }
        let error = link.downcast_ref::<baler_ec2::Error>()?;
        let is_refusal = error.status.is_some()
            || matches!(error.kind, ErrorKind::NameTaken { .. } | ErrorKind::Failed { .. });
        let exit = if is_refusal { Exit::Refused } else { Exit::Failed };
        Some(Answer { exit, hint: error.hint(), is_of_s3: false })
    })
}

/// The advice of an error of `baler_manifest`, in words.
fn advice(link: &(dyn std::error::Error + 'static)) -> Option<String> {
    let advice = None
        .or_else(|| link.downcast_ref::<KeyError>()?.advice())
        .or_else(|| link.downcast_ref::<AccountError>()?.advice())
        .or_else(|| link.downcast_ref::<RegionError>()?.advice())
        .or_else(|| link.downcast_ref::<ParseError>()?.advice())
        .or_else(|| link.downcast_ref::<WriteError>()?.advice())?;
    worded(advice)
}

/// Advice of `baler_manifest` in words, if there are words for it.
pub(crate) fn worded(advice: Advice) -> Option<String> {
    match advice {
        Advice::Say(sentence) => Some(sentence.into_owned()),
        Advice::GiveEc2Certificate { .. } => {
            Some("give EC2's certificate for that region with `--ec2-cert`".to_owned())
        }
        _ => None,
    }
}

/// The chain as one line.
fn message(error: &anyhow::Error) -> String {
    let mut links = Vec::<String>::new();
    for link in error.chain() {
        let text = link.to_string();
        // Some errors print their source themselves.
        if links.last().is_none_or(|last| !last.ends_with(&text)) {
            links.push(text);
        }
    }
    links.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn help_lists_every_code() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Mismatch,
            Exit::Refused,
            Exit::Interrupted,
        ];
        for exit in all {
            let code = format!("\n  {:<5}", exit as u8);
            assert_eq!(HELP.matches(&code).count(), 1, "{exit:?}");
        }
    }

    #[test]
    fn a_chain_is_told_once_with_its_hint_last() {
        let inner = KeyError::PublicKeyAsPrivateKey;
        let error = Err::<(), _>(inner).context(Trouble::usage("reading `k.pem`")).unwrap_err();
        let (message, hint) = told(&error);
        assert_eq!(message, "reading `k.pem`: this is a public key, not a private key");
        assert_eq!(hint.as_deref(), Some("the private key is the other file of the pair"));
        assert_eq!(error.downcast_ref::<Trouble>().map(|trouble| trouble.exit), Some(Exit::Usage));
    }
}
