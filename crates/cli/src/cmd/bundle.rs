//! `baler bundle`: an image becomes a bundle, in a directory or in S3.

use std::path::{Path, PathBuf};

#[cfg(feature = "aws")]
use baler::NewAmi;
use baler::{BundleJob, Place, TreeImage};
use baler_bundle::Level;
#[cfg(feature = "aws")]
use baler_ec2::AmiName;

#[cfg(feature = "aws")]
use crate::args::ami::AmiArgs;
#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
#[cfg(feature = "aws")]
use crate::args::bucket::BucketArgs;
use crate::args::keys::KeyArgs;
use crate::args::manifest::ManifestArgs;
use crate::args::values::{Jobs, level, place, size};
use crate::args::volume::VolumeArgs;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report::{self, bundle as printed};
use crate::streams;

/// Bundle a root tree or an image: compress, encrypt and split it, and sign the manifest
///
/// A root tree becomes an image first, as with `baler image`, but the image is not stored.
///
/// Prints the path of the manifest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A root tree: a directory, or / for this machine; or an image: a file (gzip, bzip2, xz and zstd are decompressed),
    /// a block device, or - for standard input
    #[arg(value_name = "SOURCE")]
    image: PathBuf,

    /// The destination of the parts and the manifest: a directory, or s3://BUCKET/PREFIX
    #[arg(value_name = "DEST", value_parser = place())]
    destination: Place,

    /// The bundle's name; its file names begin with it [default: the source's file name; image for /]
    #[arg(long, short)]
    name: Option<String>,

    /// The image's length, for a root tree and for standard input: 8GiB, or a number of MiB
    #[arg(long, short, value_parser = size)]
    size: Option<u64>,

    /// The compression level: fast, default, best, or 1 to 12
    #[arg(long, default_value = "default", value_parser = level)]
    level: Level,

    #[command(flatten)]
    jobs: Jobs,

    /// Bundle an image of more than 10 GiB; EC2 refuses it, other clouds may accept it
    #[arg(long)]
    allow_large: bool,

    /// Overwrite an existing bundle with this name
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

    /// Register the bundle as an AMI with this name, once it is in S3
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "NAME", help_heading = "AMI")]
    register: Option<AmiName>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    ami: AmiArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    bucket: BucketArgs,

    /// The region in which the bundle will be registered, which decides EC2's key [else: $AWS_REGION, $AWS_DEFAULT_REGION]
    #[cfg(not(feature = "aws"))]
    #[arg(long, value_parser = crate::args::values::region)]
    region: Option<String>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        #[cfg(feature = "aws")]
        let run = face.run_on(&self.aws);
        #[cfg(not(feature = "aws"))]
        let run = face.run();
        let (json, dry_run) = (self.json, self.dry_run);
        let job = self.job(face)?;
        if self.volume.list
            && let Some(recipe) = job.tree_recipe()
        {
            let mut lines = report::tree::Lines::new(json);
            let (report, overwrite) = (self.volume.report.as_deref(), self.force);
            TreeImage::list(&recipe, report, overwrite, &run, &mut |entry| lines.add(entry))?;
            lines.finish()?;
            return Ok(Exit::Done);
        }
        self.check_register()?;
        let is_tree = job.recipe.is_some();
        let mut plan = job.plan(&run)?;
        plan.check(&run)?;
        if !is_tree {
            self.volume.check_unused()?;
        }
        let mut input = plan.open(&run)?;
        plan.prepare(&mut input, &run)?;
        if dry_run {
            report::result(&if json {
                format!("{}\n", printed::planned_json(&plan, &mut input, face.console.words()))
            } else {
                printed::planned_text(&plan, &mut input)
            })?;
            return Ok(Exit::Done);
        }
        let made = plan.make(input, &run)?;
        if json {
            report::json(&printed::made_json(&made))?;
            return Ok(Exit::Done);
        }
        report::place(&made.place)?;
        #[cfg(feature = "aws")]
        made.ami.as_ref().map_or(Ok(()), |ami| report::result(&format!("{ami}\n")))?;
        Ok(Exit::Done)
    }

    /// The job for the library.
    fn job(&self, face: &Face) -> anyhow::Result<BundleJob> {
        let source = streams::input(&self.image)?;
        let is_tree = source.is_tree();
        let name = self.name.clone().map_or_else(|| default_name(&self.image), Ok);
        // For a list of a tree no bundle needs a name.
        let name = if is_tree && self.volume.list { name.unwrap_or_default() } else { name? };
        let mut job = BundleJob::new(source, self.destination.clone(), name);
        if is_tree {
            job.recipe = Some(self.volume.recipe(&self.image, self.size, face)?);
        }
        job.report.clone_from(&self.volume.report);
        job.length = self.size;
        job.level = self.level;
        job.jobs = self.jobs.count();
        job.mtime = face.environment.now()?;
        job.allow_large = self.allow_large;
        job.overwrite = self.force;
        job.is_dry = self.dry_run;
        job.keys = self.keys.keys(face);
        job.ec2_certificate.clone_from(&self.ec2_cert);
        job.provenance = self.manifest.provenance();
        #[cfg(not(feature = "aws"))]
        job.region.clone_from(&self.region);
        #[cfg(feature = "aws")]
        {
            job.inherit = !self.manifest.no_inherit;
            job.region = self.aws.region.as_ref().map(ToString::to_string);
            job.register = self.register.clone().map(|name| NewAmi::new(name, self.ami.options()));
            job.bucket = self.bucket.options();
        }
        Ok(job)
    }

    /// Refuses to register what would not be in S3 or what EC2 could not read, and options that would do nothing.
    #[cfg(feature = "aws")]
    fn check_register(&self) -> anyhow::Result<()> {
        if let Some(path) = self.destination.path() {
            let path = path.display();
            if let Some(option) = self.bucket.used() {
                return Err(Trouble::usage(format!(
                    "{option} is for S3, and `{path}` is a directory"
                ))
                .hint("omit it, or bundle to s3://BUCKET/PREFIX")
                .into());
            }
        }
        match (&self.register, self.ami.used()) {
            (None, Some(option)) => {
                Err(Trouble::usage(format!("{option} has no effect without --register"))
                    .hint("pass --register NAME")
                    .into())
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "aws"))]
    fn check_register(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The image's file name, without the ending of a compressed file.
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
        Trouble::usage(format!("a bundle cannot be named after `{}`", image.display()))
            .hint("pass --name")
            .into()
    })
}
