//! Advice in the words of the old commands' own options; where they have none, in those of `baler`.

use baler::{Advice, Place};
use baler_volume::Advice as Tree;

use super::command::Command;
use crate::cmd;

/// The text of an advice, for those who typed a classic command.
pub(super) fn words(advice: &Advice, command: &Command) -> Option<String> {
    if let Advice::Say(words) = advice {
        return Some(words.to_string());
    }
    let own = own(advice).filter(|own| own.fits(command)).map(|own| own.words);
    own.or_else(|| elsewhere(advice, command))
}

/// What `baler` itself has, for which the old command has no option.
fn elsewhere(advice: &Advice, command: &Command) -> Option<String> {
    let words = cmd::advice::words(advice)?;
    // What names a command of its own is complete.
    if words.starts_with("`baler ") || words.starts_with("baler ") || !words.contains("--") {
        return Some(words);
    }
    Some(format!("in `{}`, which does the same: {words}", command.new))
}

/// Words that name options of a classic command.
struct Own {
    words: String,
    /// The long names of the options.
    longs: &'static [&'static str],
}

impl Own {
    fn fits(&self, command: &Command) -> bool {
        self.longs.iter().all(|long| command.specs().any(|spec| spec.long == *long))
    }
}

fn own(advice: &Advice) -> Option<Own> {
    let of = |words: &str, longs| Some(Own { words: words.to_owned(), longs });
    match advice {
        Advice::GiveKey => of("pass --privatekey", &["privatekey"]),
        Advice::GiveOtherKey => of(
            "pass the bundle's key with --privatekey; if it is this one, the manifest was changed",
            &["privatekey"],
        ),
        Advice::GivePassphrase => of("set BALER_PASSPHRASE", &[]),
        Advice::OmitCertificate => {
            of("pass the certificate that was made for this key with --cert", &["cert"])
        }
        Advice::GiveEc2Certificate => {
            of("pass EC2's certificate for that region with --ec2cert", &["ec2cert"])
        }
        Advice::GiveSigner | Advice::IgnoreSignature => {
            of("pass the certificate of the signer with --cert", &["cert"])
        }
        Advice::AllowOverwrite => of("move it away", &[]),
        Advice::ChooseName | Advice::OverwriteOrRename => {
            of("choose one with --prefix", &["prefix"])
        }
        Advice::ChooseDirectoryOrName => {
            of("choose another --destination or another --prefix", &["destination", "prefix"])
        }
        Advice::AllowLarge => of(
            "make it smaller, or pass --no-size-checks if the bundle is not for EC2",
            &["no-size-checks"],
        ),
        Advice::GiveAccount => of("pass --user", &["user"]),
        Advice::GiveArchitecture => of("pass --arch", &["arch"]),
        Advice::GiveKernel => {
            of("pass --kernel aki-…, with the id of PV-GRUB in the region", &["kernel"])
        }
        Advice::ChooseRegion(Some(region)) => {
            Some(Own { words: format!("pass --region {region}"), longs: &["region"] })
        }
        Advice::ChooseRegion(None) => of("pass --region", &["region"]),
        Advice::CreateBucket => of("check its name", &[]),
        Advice::FixBucket { bucket, is_kms } => Some(Own {
            words: format!(
                "`baler check --fix-bucket s3://{bucket}`, or `{}`",
                cmd::advice::remedy(bucket, *is_kms)
            ),
            longs: &[],
        }),
        Advice::RemoveLeftovers { prefix, place } => leftovers(prefix, place),
        Advice::AmiNameTaken => of("choose another name, or deregister that one", &[]),
        Advice::Tree(advice) => tree(advice),
        _ => None,
    }
}

fn leftovers(prefix: &str, place: &Place) -> Option<Own> {
    let place = place.to_string();
    let bucket = place.strip_prefix("s3://")?;
    Some(Own { words: format!("ec2-delete-bundle -b {bucket} -p {prefix}"), longs: &[] })
}

fn tree(advice: &Tree) -> Option<Own> {
    let of = |words: &str, longs| Some(Own { words: words.to_owned(), longs });
    match advice {
        Tree::ChooseLength { needed } => Some(Own {
            words: format!("pass --size {needed} or more, or leave something out with --exclude"),
            longs: &["size", "exclude"],
        }),
        Tree::OtherLength => of("pass --size for another length", &["size"]),
        Tree::Exclude => of("leave it out with --exclude", &["exclude"]),
        Tree::Tolerate => of("become root", &[]),
        Tree::MakeDisk => of("--partition mbr or gpt makes a disk", &["partition"]),
        Tree::FindBootLoader => of(
            "install GRUB 2 (grub-pc-bin, grub-common), or pass --partition none",
            &["partition"],
        ),
        Tree::KeepHostKeys => of(
            "let the machine run `ssh-keygen -A` when it boots, or keep its keys with --include '/etc/ssh/ssh_host_*'",
            &["include"],
        ),
        _ => None,
    }
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::classic::COMMANDS;
    use crate::classic::options::Options;
    use crate::cmd::advice::tests::{check_command, commands, is_option, options};

    #[test]
    fn advice_can_be_followed_with_the_old_names() {
        for command in COMMANDS {
            for advice in Advice::every() {
                let Some(text) = words(&advice, command) else { continue };
                if let Some(line) = text.strip_prefix("ec2-delete-bundle ") {
                    let delete =
                        COMMANDS.iter().find(|command| command.name == "ec2-delete-bundle");
                    let line = line.split(' ').map(OsString::from);
                    let parsed = Options::parse(delete.expect("the command").options, line);
                    assert!(parsed.is_ok(), "{text}: {:?}", parsed.err());
                    continue;
                }
                commands(&text).iter().for_each(|command| check_command(command));
                if commands(&text).contains(&text) {
                    continue;
                }
                let is_elsewhere = text.starts_with("in `");
                for long in options(&text) {
                    let is_own = command.specs().any(|spec| spec.long == long);
                    let is_known = if is_elsewhere { is_option(&long) } else { is_own };
                    assert!(is_known, "{}, {advice:?}: {text}", command.name);
                }
            }
        }
    }
}
