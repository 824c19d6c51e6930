//! Advice in the words of `baler`'s own options.

use baler::Advice;
use baler_volume::Advice as Tree;

/// The text of an advice, for those who typed `baler`.
pub(crate) fn words(advice: &Advice) -> Option<String> {
    Some(match advice {
        Advice::Say(words) => words.to_string(),
        Advice::Tree(advice) => return tree(advice),
        Advice::GiveKey => "pass --key, or set EC2_PRIVATE_KEY".to_owned(),
        Advice::GiveOtherKey => {
            "pass the bundle's key with --key; if it is this one, the manifest was changed".to_owned()
        }
        Advice::GivePassphrase => "pass --passphrase-file, or set BALER_PASSPHRASE".to_owned(),
        Advice::OmitCertificate => "pass the certificate that was made for this key, or omit --cert (EC2_CERT): the key is enough".to_owned(),
        Advice::ChooseKeyFile => "pass --key with a private key; `baler keys new --key FILE --cert FILE` makes one".to_owned(),
        Advice::ChooseNewKeyFiles => "choose other paths with --key and --cert, or move it away".to_owned(),
        Advice::GiveEc2Certificate => "pass EC2's certificate for that region with --ec2-cert".to_owned(),
        Advice::IgnoreSignature => "if you trust its source, pass --ignore-signature".to_owned(),
        Advice::GiveSigner => "pass the signer's certificate with --cert; if you trust the bundle's source, pass --ignore-signature".to_owned(),
        Advice::GiveSignerOrCheckParts => "pass the signer's certificate with --cert, or --no-key to check only the parts".to_owned(),
        Advice::GiveKeyOrCheckParts => "pass --key or --cert, or --no-key to check only the parts".to_owned(),
        Advice::AllowOverwrite => "pass --force to overwrite it".to_owned(),
        Advice::OverwriteOrRename => "pass --force to overwrite the bundle, or choose another --name".to_owned(),
        Advice::OverwriteOrMove => "pass --force to overwrite it, or name another place".to_owned(),
        Advice::ChooseName => "choose one with --name".to_owned(),
        Advice::ChooseDirectoryOrName => "choose another directory or another --name".to_owned(),
        Advice::GiveLength => "pass --size with the image's length, uncompressed: `--size 8GiB`".to_owned(),
        Advice::OmitLength => "omit --size: it is for standard input".to_owned(),
        Advice::AllowLarge => "make it smaller, or pass --allow-large if the bundle is not for EC2".to_owned(),
        Advice::OmitScript => "become root, or omit --script".to_owned(),
        Advice::WriteReportElsewhere => "name a file in an existing directory; --force overwrites the file".to_owned(),
        Advice::Verify => "`baler verify` lists everything that is wrong".to_owned(),
        Advice::CopyAgainOrSalvage => "copy the wrong parts again; `baler unbundle --keep-going` saves what can be read".to_owned(),
        Advice::VerifyOrSalvage => "`baler verify` lists everything that is wrong, `baler unbundle --keep-going` saves what can be read".to_owned(),
        Advice::CopyAgain => "`baler copy` from a complete copy sends the missing parts".to_owned(),
        Advice::RemoveLeftovers { prefix, place } => format!("baler remove --prefix {prefix} {place}"),
        Advice::Remove(place) => format!("`baler remove {place}` removes that bundle"),
        Advice::ChooseRegion(Some(region)) => format!("pass --region {region}"),
        Advice::ChooseRegion(None) => "pass --region, or set AWS_REGION".to_owned(),
        Advice::OmitRegion(region) => format!("omit --region, or name a bucket in {region}"),
        Advice::RegisterElsewhere { bucket, wanted } => {
            format!("pass --region {bucket}, or copy the bundle to a bucket in {wanted}")
        }
        Advice::CreateBucket => "check its name, or pass --create-bucket".to_owned(),
        Advice::AllowAcls => "the bucket's object ownership forbids ACLs, which EC2 needs to read a bundle; pass --fix-bucket to set it to BucketOwnerPreferred".to_owned(),
        Advice::FixBucket { bucket, is_kms } => {
            format!("pass --fix-bucket, or run `{}`", remedy(bucket, *is_kms))
        }
        Advice::GiveAccount => "pass --account, or set EC2_USER_ID; `aws sts get-caller-identity` prints it".to_owned(),
        Advice::GiveArchitecture => "pass --arch".to_owned(),
        Advice::CopyToS3 => "copy it to S3 with `baler copy`, and pass s3://BUCKET/PREFIX/NAME.manifest.xml".to_owned(),
        Advice::AmiNameTaken => "choose another name, or deregister that AMI with `baler deregister`".to_owned(),
        Advice::Register(place) => format!("`baler register {place} --name NAME` makes one"),
        Advice::GiveVirtualization => "pass --virtualization hvm or paravirtual, or --key to detect it from the image".to_owned(),
        Advice::GiveKernel => "pass --kernel aki-… to `baler bundle` or `baler copy`, with the id of PV-GRUB in the region".to_owned(),
        Advice::Rewrap => "if the bundle was made for another EC2, pass --rewrap".to_owned(),
        Advice::SetAclOrIgnore => "its ACL must be aws-exec-read: the same `baler copy` as before sets it again; --ignore-acl skips this check".to_owned(),
        Advice::KeepBundle { is_shared: true } => "omit --delete-bundle, or deregister those AMIs first".to_owned(),
        Advice::KeepBundle { is_shared: false } => "omit --delete-bundle".to_owned(),
        _ => return None,
    })
}

/// The command of AWS's own tool that does the same to a bucket as `--fix-bucket`.
pub(crate) fn remedy(bucket: &str, is_kms: bool) -> String {
    if is_kms {
        return format!(
            "aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration \
             '{{\"Rules\":[{{\"ApplyServerSideEncryptionByDefault\":{{\"SSEAlgorithm\":\"AES256\"}}}}]}}'"
        );
    }
    format!(
        "aws s3api put-bucket-ownership-controls --bucket {bucket} \
         --ownership-controls 'Rules=[{{ObjectOwnership=BucketOwnerPreferred}}]'"
    )
}

fn tree(advice: &Tree) -> Option<String> {
    let text = match advice {
        Tree::ChooseLength { needed } => {
            return Some(format!(
                "pass --size {needed} or more, or leave something out with --exclude"
            ));
        }
        Tree::SmallerInodes { most, block_size } => {
            return Some(format!("pass --inode-size {most} or less, or --block-size {block_size}"));
        }
        Tree::OtherLength => "pass --size for another length",
        Tree::Exclude => "leave it out with --exclude",
        Tree::ExcludeOrLargerBlocks => "leave it out with --exclude, or pass a larger --block-size",
        Tree::ExcludeOrLargerInodes => {
            "leave it out with --exclude, or pass a larger --block-size or --inode-size"
        }
        Tree::OmitInodeSize => "omit --inode-size, unless the image's GRUB reads larger ones",
        Tree::Tolerate => "become root, or pass --tolerate to leave out what cannot be read",
        Tree::RepairOrNoBootLoader => {
            "repair that first; or pass --bootloader none if the image need not boot; or bundle the disk itself on another machine"
        }
        Tree::FindBootLoader => {
            "name a disk that boots with --boot-disk, install GRUB 2 (grub-pc-bin, grub-common), or pass --bootloader none"
        }
        Tree::KeepBootLoader => "omit --bootloader none",
        Tree::Partition => "pass --partition mbr or gpt, or omit --bootloader",
        Tree::MakeDisk => "--partition mbr or gpt makes a disk",
        Tree::OmitUuid => "omit --uuid, or pass one that `uuidgen` makes",
        Tree::KeepUuid => "omit --uuid, or pass --bootloader build",
        Tree::FixFstab => "pass --fix-fstab",
        Tree::GrubLegacyProfile => "pass --fs-profile grub-legacy",
        Tree::KeepHostKeys => {
            "let the machine run `ssh-keygen -A` when it boots, or keep its keys with --include '/etc/ssh/ssh_host_*'"
        }
        Tree::WriteReport => "pass --report FILE",
        Tree::Say(text) => text,
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(all(test, feature = "aws"))]
pub(crate) mod tests {
    use super::*;
    use crate::verbs::Args;
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Parser};

    /// The commands of `baler` that a text names: in backticks, or all of it.
    pub(crate) fn commands(text: &str) -> Vec<String> {
        let quoted = text.split('`').skip(1).step_by(2);
        let whole = (!text.contains('`')).then_some(text);
        let all = quoted.chain(whole).filter(|text| text.starts_with("baler "));
        all.map(str::to_owned).collect()
    }

    /// Puts a command through the parser, with values in the places of what stands for values.
    pub(crate) fn check_command(command: &str) {
        let word = |word: &str| match word {
            "ID" => "aki-12345678".to_owned(),
            "AMI" | "[AMI...]" => "ami-12345678".to_owned(),
            word => word.replace('…', "bucket/x").to_lowercase(),
        };
        let words = command.split(' ').map(word);
        // What is missing is the reader's; all that is there has to be right.
        if let Err(error) = Args::try_parse_from(words) {
            let is_fine = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayVersion
            );
            assert!(is_fine, "{command}: {error}");
        }
    }

    /// The long options that a text names outside of backticks.
    pub(crate) fn options(text: &str) -> Vec<String> {
        let outside: String = text.split('`').step_by(2).collect();
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let words = outside.split(|c: char| !is_part(c)).map(str::to_owned);
        words.filter_map(|word| Some(word.strip_prefix("--")?.to_owned())).collect()
    }

    /// Whether some verb has the option.
    pub(crate) fn is_option(long: &str) -> bool {
        let has =
            |verb: &clap::Command| verb.get_arguments().any(|arg| arg.get_long() == Some(long));
        Args::command().get_subcommands().any(has)
    }

    #[test]
    fn advice_can_be_followed() {
        let all = Advice::every();
        assert!(all.len() > 50, "{}", all.len());
        for advice in all {
            let text = words(&advice).unwrap_or_else(|| panic!("{advice:?} has no words"));
            commands(&text).iter().for_each(|command| check_command(command));
            if commands(&text).contains(&text) {
                continue;
            }
            for long in options(&text) {
                assert!(is_option(&long), "--{long}: {text}");
            }
        }
    }

    #[test]
    fn advice_that_cannot_be_followed_is_seen() {
        assert_eq!(commands("pass `baler verify --no-such`, or not"), ["baler verify --no-such"]);
        assert_eq!(commands("baler remove x"), ["baler remove x"]);
        assert_eq!(options("pass --force, or `aws --bucket`; --no-such"), ["force", "no-such"]);
        assert!(is_option("force") && !is_option("no-such"));
        for wrong in ["baler verify --no-such", "baler nothing", "baler remove --yes=1 x"] {
            assert!(std::panic::catch_unwind(|| check_command(wrong)).is_err(), "{wrong}");
        }
    }
}
