//! What to do about an error or an event: a value, which each face words for the names that its user typed.

use std::borrow::Cow;
use std::error::Error as StdError;

use baler_manifest::{AccountError, KeyError, ParseError, RegionError, WriteError};

use crate::place::Place;

/// Something to do next.
///
/// A variant of its own is what a face words with its own options; [`Say`](Advice::Say) reads the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Words that name no option.
    Say(Cow<'static, str>),

    /// The advice of a root tree's recipe.
    Tree(baler_volume::Advice),

    // Keys and signatures.
    /// Name the private key.
    GiveKey,
    /// Name the private key that the bundle was made for.
    GiveOtherKey,
    /// Give the passphrase of the key.
    GivePassphrase,
    /// Name the certificate of the key, or none.
    OmitCertificate,
    /// Name a private key, or make one in a place of one's choice.
    ChooseKeyFile,
    /// Choose other files for a new key and its certificate.
    ChooseNewKeyFiles,
    /// Name the certificate of EC2 in this region.
    GiveEc2Certificate,
    /// Trust the bundle without a valid signature.
    IgnoreSignature,
    /// Name the certificate of the signer, or trust the bundle without a check of the signature.
    GiveSigner,
    /// Name the certificate of the signer, or check the parts alone.
    GiveSignerOrCheckParts,
    /// Name a key or a certificate, or check the parts alone.
    GiveKeyOrCheckParts,

    // What is there already.
    /// Allow to overwrite the file or object.
    AllowOverwrite,
    /// Allow to overwrite the bundle, or choose another name for the new one.
    OverwriteOrRename,
    /// Allow to overwrite the other bundle, or name another place.
    OverwriteOrMove,
    /// Choose another name for the bundle.
    ChooseName,
    /// Choose another directory, or another name for the bundle.
    ChooseDirectoryOrName,

    // Images.
    /// Say how long the image on a stream is.
    GiveLength,
    /// Omit the length: the image has one.
    OmitLength,
    /// Make the image smaller, or allow one that EC2 refuses.
    AllowLarge,
    /// Become root, or omit the program that changes the image.
    OmitScript,
    /// Name another file for the report, or allow to overwrite it.
    WriteReportElsewhere,

    // Damaged bundles.
    /// Verify the bundle: that names all that is wrong.
    Verify,
    /// Copy the wrong parts again, or save what is left.
    CopyAgainOrSalvage,
    /// Verify the bundle, or save what is left.
    VerifyOrSalvage,
    /// Copy the bundle from where it is whole.
    CopyAgain,
    /// Delete what is left of a bundle.
    RemoveLeftovers {
        /// The name of the bundle.
        prefix: String,
        /// Its place.
        place: Place,
    },
    /// Delete a bundle.
    Remove(Place),

    // S3 and EC2.
    /// Choose a region; this one, if it is known.
    ChooseRegion(Option<String>),
    /// Omit the region, or name a bucket in it.
    OmitRegion(String),
    /// Register in the bucket's region, or copy the bundle to the other one.
    RegisterElsewhere {
        /// Where the bucket is.
        bucket: String,
        /// Where the AMI was wanted.
        wanted: String,
    },
    /// Check the bucket's name, or make the bucket.
    CreateBucket,
    /// Allow ACLs in the bucket: EC2 reads a bundle by them.
    AllowAcls,
    /// Change the bucket so that EC2 can read from it.
    FixBucket {
        /// The bucket's name.
        bucket: String,
        /// Whether KMS encrypts its objects; else it has no ACLs.
        is_kms: bool,
    },
    /// Give the account that the image belongs to.
    GiveAccount,
    /// Give the architecture of the image.
    GiveArchitecture,
    /// Copy the bundle to S3 first.
    CopyToS3,
    /// Choose another name for the AMI, or deregister the one that has it.
    AmiNameTaken,
    /// Make an AMI of the bundle.
    Register(Place),
    /// Say how instances start, or give the key to look into the image.
    GiveVirtualization,
    /// Name the kernel that instances start from.
    GiveKernel,
    /// Wrap the image's key anew, if the bundle was made for another EC2.
    Rewrap,
    /// Set the ACL again, or let EC2 decide.
    SetAclOrIgnore,
    /// Keep the bundle of the AMI.
    KeepBundle {
        /// Whether others use it, which might be deregistered first.
        is_shared: bool,
    },
}

impl Advice {
    /// Words that name no option.
    pub fn say(words: impl Into<Cow<'static, str>>) -> Advice {
        Advice::Say(words.into())
    }

    /// One of each sort, for the tests of a face: it has words for all that it can show.
    pub fn every() -> Vec<Advice> {
        let place = || Place::Path("bundles".into());
        let trees = baler_volume::Advice::every().into_iter().map(Advice::from);
        let own = [
            Advice::say("check the network"),
            Advice::GiveKey,
            Advice::GiveOtherKey,
            Advice::GivePassphrase,
            Advice::OmitCertificate,
            Advice::ChooseKeyFile,
            Advice::ChooseNewKeyFiles,
            Advice::GiveEc2Certificate,
            Advice::IgnoreSignature,
            Advice::GiveSigner,
            Advice::GiveSignerOrCheckParts,
            Advice::GiveKeyOrCheckParts,
            Advice::AllowOverwrite,
            Advice::OverwriteOrRename,
            Advice::OverwriteOrMove,
            Advice::ChooseName,
            Advice::ChooseDirectoryOrName,
            Advice::GiveLength,
            Advice::OmitLength,
            Advice::AllowLarge,
            Advice::OmitScript,
            Advice::WriteReportElsewhere,
            Advice::Verify,
            Advice::CopyAgainOrSalvage,
            Advice::VerifyOrSalvage,
            Advice::CopyAgain,
            Advice::RemoveLeftovers { prefix: "web".to_owned(), place: place() },
            Advice::Remove(place().join("web.manifest.xml")),
            Advice::ChooseRegion(None),
            Advice::ChooseRegion(Some("eu-west-1".to_owned())),
            Advice::OmitRegion("eu-west-1".to_owned()),
            Advice::RegisterElsewhere {
                bucket: "eu-west-1".to_owned(),
                wanted: "us-east-1".to_owned(),
            },
            Advice::CreateBucket,
            Advice::AllowAcls,
            Advice::FixBucket { bucket: "images".to_owned(), is_kms: false },
            Advice::FixBucket { bucket: "images".to_owned(), is_kms: true },
            Advice::GiveAccount,
            Advice::GiveArchitecture,
            Advice::CopyToS3,
            Advice::AmiNameTaken,
            Advice::Register(place().join("web.manifest.xml")),
            Advice::GiveVirtualization,
            Advice::GiveKernel,
            Advice::Rewrap,
            Advice::SetAclOrIgnore,
            Advice::KeepBundle { is_shared: false },
            Advice::KeepBundle { is_shared: true },
        ];
        own.into_iter().chain(trees).collect()
    }

    /// The advice of an error of a library below.
    pub(crate) fn of(link: &(dyn StdError + 'static)) -> Option<Advice> {
        if let Some(error) = link.downcast_ref::<baler_volume::RecipeError>() {
            return error.advice().map(Into::into);
        }
        let advice = None
            .or_else(|| link.downcast_ref::<KeyError>()?.advice())
            .or_else(|| link.downcast_ref::<AccountError>()?.advice())
            .or_else(|| link.downcast_ref::<RegionError>()?.advice())
            .or_else(|| link.downcast_ref::<ParseError>()?.advice())
            .or_else(|| link.downcast_ref::<WriteError>()?.advice())?;
        match advice {
            baler_manifest::Advice::Say(words) => Some(Advice::Say(words)),
            baler_manifest::Advice::GiveEc2Certificate { .. } => Some(Advice::GiveEc2Certificate),
            _ => None,
        }
    }
}

impl From<baler_volume::Advice> for Advice {
    fn from(advice: baler_volume::Advice) -> Advice {
        match advice {
            baler_volume::Advice::Say(words) => Advice::Say(words),
            advice => Advice::Tree(advice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sorts, in the order in which they are declared. A new one that is missing here does not compile.
    fn sort(advice: &Advice) -> usize {
        use Advice::*;
        match advice {
            Say(_) => 0,
            Tree(_) => 1,
            GiveKey => 2,
            GiveOtherKey => 3,
            GivePassphrase => 4,
            OmitCertificate => 5,
            ChooseKeyFile => 6,
            ChooseNewKeyFiles => 7,
            GiveEc2Certificate => 8,
            IgnoreSignature => 9,
            GiveSigner => 10,
            GiveSignerOrCheckParts => 11,
            GiveKeyOrCheckParts => 12,
            AllowOverwrite => 13,
            OverwriteOrRename => 14,
            OverwriteOrMove => 15,
            ChooseName => 16,
            ChooseDirectoryOrName => 17,
            GiveLength => 18,
            OmitLength => 19,
            AllowLarge => 20,
            OmitScript => 21,
            WriteReportElsewhere => 22,
            Verify => 23,
            CopyAgainOrSalvage => 24,
            VerifyOrSalvage => 25,
            CopyAgain => 26,
            RemoveLeftovers { .. } => 27,
            Remove(_) => 28,
            ChooseRegion(_) => 29,
            OmitRegion(_) => 30,
            RegisterElsewhere { .. } => 31,
            CreateBucket => 32,
            AllowAcls => 33,
            FixBucket { .. } => 34,
            GiveAccount => 35,
            GiveArchitecture => 36,
            CopyToS3 => 37,
            AmiNameTaken => 38,
            Register(_) => 39,
            GiveVirtualization => 40,
            GiveKernel => 41,
            Rewrap => 42,
            SetAclOrIgnore => 43,
            KeepBundle { .. } => 44,
        }
    }

    #[test]
    fn every_sort_is_among_all() {
        let sorts: std::collections::BTreeSet<_> = Advice::every().iter().map(sort).collect();
        assert_eq!(sorts, (0..=44).collect());
    }
}
