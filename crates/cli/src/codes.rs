//! The exit codes.

use std::process::ExitCode;

use baler::Kind;

/// The exit codes, as `--help` and the guide list them.
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

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Exit {
        match kind {
            Kind::Usage => Exit::Usage,
            Kind::Mismatch => Exit::Mismatch,
            Kind::Refused => Exit::Refused,
            Kind::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
