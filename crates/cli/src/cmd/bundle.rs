//! `baler bundle`: an image becomes a bundle, in a directory or in S3.

pub(crate) mod destination;
pub(crate) mod make;
mod manifest;

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_bundle::{Level, bundle_files, leftovers};
use baler_ec2::AmiName;
use baler_manifest::{check_draft, check_name};

use crate::ami::AmiArgs;
use crate::args;
use crate::args::volume::VolumeArgs;
use crate::aws::AwsArgs;
use crate::exit::{Exit, Trouble};
use crate::input;
use crate::keys::{self, KeyArgs};
use crate::machine;
use crate::place::{self, Place};
use crate::report::Console;
use crate::target::TargetArgs;
use crate::volume::{self, Request};
use destination::Destination;
use make::{Plan, Register, tell};
use manifest::ManifestArgs;

/// Bundle a root tree or an image: compress, encrypt and split it, and sign the manifest
///
/// Of a root tree an image is made on the way, as `baler image` makes it, and written nowhere.
///
/// Prints the path of the manifest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A root tree: a directory, / for the machine that runs; or an image: a file (gzip, bzip2, xz and zstd are
    /// decompressed on the way), a block device, or - for standard input
    #[arg(value_name = "SOURCE")]
    image: PathBuf,

    /// Where the parts and the manifest go: a directory, or s3://BUCKET/PREFIX
    #[arg(value_name = "DEST", value_parser = place::place())]
    destination: Place,

    /// The bundle's name, which its files' names begin with [default: the source's file name; image for /]
    #[arg(long, short)]
    name: Option<String>,

    /// The image's length, for a root tree and for standard input: 8GiB, or a number of MiB
    #[arg(long, short, value_parser = args::size)]
    size: Option<u64>,

    /// How hard to compress: fast, default, best, or 1 to 12
    #[arg(long, default_value = "default", value_parser = args::level)]
    level: Level,

    #[command(flatten)]
    jobs: args::Jobs,

    /// Bundle an image of more than 10 GiB, which EC2 refuses but other clouds may take
    #[arg(long)]
    allow_large: bool,

    /// Overwrite a bundle of that name
    #[arg(long, short)]
    force: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    volume: VolumeArgs,

    /// EC2's certificate, for a cloud or a region whose key is not built in [else: $EUCALYPTUS_CERT, unless a --region is given; else by the region]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    ec2_cert: Option<PathBuf>,

    #[command(flatten)]
    manifest: ManifestArgs,

    /// Register the bundle as an AMI of that name, once it is in S3
    #[arg(long, value_name = "NAME", help_heading = "AMI")]
    register: Option<AmiName>,

    #[command(flatten)]
    ami: AmiArgs,

    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let (dry_run, allow_large, json, len) =
            (self.dry_run, self.allow_large, self.json, self.size);
        if self.volume.list && self.image.is_dir() {
            let never = self.never();
            let now = machine::now()?;
            let (root, args) = (&*self.image, &self.volume);
            let overwrite = self.force;
            let request = Request { root, args, size: len, never, now, overwrite };
            volume::list(&request, json, console)?;
            return Ok(Exit::Done);
        }
        let never = self.never();
        let mut plan = self.plan(console)?;
        plan.check()?;
        let mut input = plan.open(len, never, console)?;
        input::check_size(input.image().len(), &plan.image, allow_large)?;
        input::warn_if_in_use(&input, &plan.image, console);
        plan.prepare(&mut input, console)?;
        if dry_run {
            return plan.print(&mut input, json);
        }
        let is_new = plan.destination.make()?;
        let made = plan.make(input, console).inspect_err(|_| {
            if is_new {
                plan.destination.unmake();
            }
        });
        let made = made?;
        tell(&plan, &made, json)?;
        Ok(Exit::Done)
    }

    /// What must not be in the image of a root tree: the bundle that is written, and the user's key.
    fn never(&self) -> Vec<PathBuf> {
        let name = self.name.clone().or_else(|| default_name(&self.image).ok());
        let own = name
            .zip(self.destination.path())
            .and_then(|(name, path)| bundle_files(path, &name).ok());
        let left = self.destination.path().and_then(|path| leftovers(path).ok());
        let own = own.into_iter().flatten().chain(left.into_iter().flatten());
        own.chain(self.keys.private_paths()).collect()
    }

    fn plan(mut self, console: &Console) -> anyhow::Result<Plan> {
        self.destination.check_not_manifest()?;
        self.check_register()?;
        let user = self.keys.private_key(console)?;
        match &user {
            Some(user) => self.keys.check_pair(user)?,
            None if self.keys.certificate_path().is_some() => {
                return Err(Trouble::usage(
                    "there is a certificate, but no private key that belongs to it",
                )
                .hint("pass --key, or set EC2_PRIVATE_KEY")
                .into());
            }
            None => {}
        }
        let name = self.name.map_or_else(|| default_name(&self.image), Ok)?;
        check_name(&name).with_context(|| {
            Trouble::usage(format!("`{name}` cannot be a bundle's name"))
                .hint("choose one with --name")
        })?;
        if name.len() > baler_bundle::MAX_NAME_LEN {
            let most = baler_bundle::MAX_NAME_LEN;
            return Err(Trouble::usage(format!(
                "a bundle's name has at most {most} bytes, `{name}` has {}",
                name.len()
            ))
            .hint("choose a shorter one with --name")
            .into());
        }
        let is_own_root = self.image.canonicalize().is_ok_and(|path| path == Path::new("/"));
        let wants_region =
            self.aws.region.is_none() && self.destination.path().is_some() && !has_region();
        let inherited = machine::wait(self.manifest.inherit(is_own_root, wants_region, console))?;
        let destination =
            Destination::open(self.destination, &self.target, &self.aws, self.dry_run, console)?;
        // Where the bundle lies is where it is registered.
        let bucket = destination.region().map(str::to_owned);
        if let (Some(typed), Some(bucket), None) = (&self.aws.region, &bucket, &self.ec2_cert) {
            keys::check_same_ec2(typed, bucket)?;
        }
        let region = bucket.or(self.aws.region).or(inherited);
        let (ec2, ec2_name) = keys::ec2_key(self.ec2_cert, region)?;
        let manifest = self.manifest.contents(name, &destination, console)?;
        check_draft(&manifest).context(Trouble::usage("the manifest could not be written"))?;
        let (image, overwrite) = (self.image, self.force);
        let (level, jobs, mtime) = (self.level, self.jobs.count(), machine::now()?);
        let volume = self.volume;
        Ok(Plan {
            image,
            volume,
            destination,
            overwrite,
            level,
            jobs,
            mtime,
            user,
            ec2,
            ec2_name,
            manifest,
            register: self.register.map(|name| Register {
                name,
                ami: self.ami,
                layout: None,
                registration: None,
            }),
        })
    }

    /// Refuses to register what would not be in S3 or what EC2 could not read, and options that would do nothing.
    fn check_register(&self) -> anyhow::Result<()> {
        let place = self.destination.path();
        match (&self.register, place, self.ami.used(), self.target.used()) {
            (_, Some(path), _, Some(option)) => Err(Trouble::usage(format!(
                "{option} is for S3, and `{}` is a directory",
                path.display()
            ))
            .hint("leave it away, or bundle to s3://BUCKET/PREFIX")
            .into()),
            (Some(_), Some(path), ..) => Err(Trouble::usage(format!(
                "EC2 registers bundles that are in S3, and `{}` is a directory",
                path.display()
            ))
            .hint("bundle to s3://BUCKET/PREFIX")
            .into()),
            (None, _, Some(option), _) => Err(Trouble::usage(format!(
                "{option} is for the AMI, and none is to be registered"
            ))
            .hint("pass --register NAME")
            .into()),
            (Some(_), None, ..) if !self.target.acl.lets_ec2_read() => Err(Trouble::usage(
                format!("EC2 could not read objects with the ACL {}", self.target.acl),
            )
            .hint("leave --acl away: it is aws-exec-read then")
            .into()),
            _ => Ok(()),
        }
    }
}

/// Whether the environment names a region.
fn has_region() -> bool {
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The image's file name, without what tells that it is compressed.
fn default_name(image: &Path) -> anyhow::Result<String> {
    if image.is_dir() && image.file_name().is_none() {
        return Ok("image".to_owned());
    }
    let name = image.file_name().filter(|_| image != Path::new("-")).and_then(|name| name.to_str());
    let name = name.map(|name| {
        let suffix =
            [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix));
        suffix.filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
    });
    name.ok_or_else(|| {
        Trouble::usage(format!("no bundle can be named after `{}`", image.display()))
            .hint("pass --name")
            .into()
    })
}
