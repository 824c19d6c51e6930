//! `baler bundle`: an image becomes a bundle in a directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_bundle::{
    DirectorySink, Event, Level, PackOptions, Packed, bundle_files, bundled_size_bound, pack,
};
use baler_image::Image;
use baler_manifest::{
    AccountId, BlockDeviceMapping, Bundler, CipherIv, CipherKey, Contents, ImageType, PrivateKey,
    PublicKey, check_draft, check_name,
};
use getrandom::SysRng;
use serde_json::json;

use crate::args;
use crate::bundle::is_same;
use crate::cmd::mapping;
use crate::exit::{Exit, Trouble};
use crate::input::{self, Input};
use crate::interrupt::Interruptible;
use crate::keys::{self, KeyArgs, UserKey};
use crate::machine;
use crate::output;
use crate::report::{self, Console, size};
use crate::space;
use crate::volume::{self, Request, args::VolumeArgs};

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

    /// The directory for the parts and the manifest
    directory: PathBuf,

    /// The bundle's name, which its files' names begin with [default: the source's file name; image for /]
    #[arg(long, short)]
    name: Option<String>,

    /// The architecture of the machine in the image [default: this machine's]
    #[arg(long, short = 'r', value_parser = ["i386", "x86_64", "arm64"])]
    arch: Option<String>,

    /// Your AWS account, 12 digits
    #[arg(long, short = 'u', value_name = "ID", env = "EC2_USER_ID")]
    account: Option<String>,

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

    /// EC2's certificate, for a cloud or a region whose key is not built in [else: $EUCALYPTUS_CERT, unless a --region is given]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    ec2_cert: Option<PathBuf>,

    /// The region where the image will be registered: it decides which of EC2's keys can open it [else: $AWS_REGION, $AWS_DEFAULT_REGION]
    #[arg(long, help_heading = "Keys")]
    region: Option<String>,

    /// The kernel to boot with, aki-…
    #[arg(long, value_name = "ID", value_parser = mapping::image_id, help_heading = "Manifest")]
    kernel: Option<String>,

    /// The ramdisk to boot with, ari-…
    #[arg(long, value_name = "ID", value_parser = mapping::image_id, help_heading = "Manifest")]
    ramdisk: Option<String>,

    /// Which devices the instance sees: ami=sda1,root=/dev/sda1,ephemeral0=sdb
    #[arg(short = 'B', long = "block-device-mapping", value_name = "VIRTUAL=DEVICE,...", value_delimiter = ',',
        value_parser = mapping::mapping, help_heading = "Manifest")]
    mappings: Vec<BlockDeviceMapping>,

    /// Product codes (EC2 may refuse a manifest that has some)
    #[arg(long, value_name = "CODE,...", value_delimiter = ',', help_heading = "Manifest")]
    product_codes: Vec<String>,

    /// An AMI that this image descends from, ami-…
    #[arg(long = "ancestor", value_name = "ID", value_delimiter = ',', value_parser = mapping::image_id, help_heading = "Manifest")]
    ancestors: Vec<String>,
}

/// What will be done; made once from what was typed.
struct Plan {
    image: PathBuf,
    volume: VolumeArgs,
    directory: PathBuf,
    overwrite: bool,
    level: Level,
    jobs: usize,
    mtime: u64,
    /// `None` while there is none: one is made when it is certain that it will be used.
    user: Option<UserKey>,
    ec2: PublicKey,
    ec2_name: String,
    /// What the manifest says, but for what comes of the work.
    manifest: Contents,
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
        plan.check_directory()?;
        let mut input = plan.open(len, never, console)?;
        input::check_size(input.image().len(), &plan.image, allow_large)?;
        input::warn_if_in_use(&input, &plan.image, console);
        if dry_run {
            return plan.print(&mut input, json);
        }
        let is_new = output::make_directory(&plan.directory)?;
        let user = plan.user.take();
        let made = plan.make(input, user, console).inspect_err(|_| {
            if is_new {
                // As far as it can be undone: a directory that is not empty stays.
                let _ = fs::remove_dir(&plan.directory);
            }
        });
        let made = made?;
        tell(&plan, &made, json, console)?;
        Ok(Exit::Done)
    }

    /// What must not be in the image of a root tree: the bundle that is written, and the user's key.
    fn never(&self) -> Vec<PathBuf> {
        let name = self.name.clone().or_else(|| default_name(&self.image).ok());
        let own = name.and_then(|name| bundle_files(&self.directory, &name).ok());
        own.into_iter().flatten().chain(self.keys.private_paths()).collect()
    }

    fn plan(self, console: &Console) -> anyhow::Result<Plan> {
        let account = self.account.filter(|account| !account.is_empty()).ok_or_else(|| {
            Trouble::usage("which AWS account the image belongs to has to be in its manifest")
                .hint("pass --account, or set EC2_USER_ID; `aws sts get-caller-identity` prints it")
        })?;
        let account: AccountId = account
            .parse()
            .with_context(|| Trouble::usage(format!("reading the account `{account}`")))?;
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
        let (ec2, ec2_name) = keys::ec2_key(self.ec2_cert, self.region)?;
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
        if !self.product_codes.is_empty() {
            console.warn("EC2 may refuse to register a manifest with product codes");
        }
        for missing in mapping::missing(&self.mappings) {
            console.warn(&format!("the block device mapping has no `{missing}`"));
        }
        let manifest = Contents {
            bundler: Bundler {
                name: "baler".to_owned(),
                version: concat!(
                    env!("CARGO_PKG_VERSION_MAJOR"),
                    ".",
                    env!("CARGO_PKG_VERSION_MINOR")
                )
                .to_owned(),
                release: env!("CARGO_PKG_VERSION_PATCH").to_owned(),
            },
            architecture: self.arch.map_or_else(machine::architecture, Ok)?,
            mappings: self.mappings,
            kernel_id: self.kernel,
            ramdisk_id: self.ramdisk,
            product_codes: self.product_codes,
            name,
            account: account.to_string(),
            image_type: ImageType::Machine,
            kernel_name: None,
            ancestry: self.ancestors,
            digest: [0; 20].into(),
            size: 0,
            bundled_size: 0,
            ec2_key: Vec::new(),
            user_key: Vec::new(),
            ec2_iv: Vec::new(),
            user_iv: Vec::new(),
            parts: Vec::new(),
        };
        check_draft(&manifest).context(Trouble::usage("the manifest could not be written"))?;
        let (image, directory, overwrite) = (self.image, self.directory, self.force);
        let (level, jobs, mtime) = (self.level, self.jobs.count(), machine::now()?);
        let volume = self.volume;
        Ok(Plan {
            image,
            volume,
            directory,
            overwrite,
            level,
            jobs,
            mtime,
            user,
            ec2,
            ec2_name,
            manifest,
        })
    }
}

impl Plan {
    /// Refuses what is in the way, before anything is read or made.
    fn check_directory(&self) -> anyhow::Result<()> {
        let files = match bundle_files(&self.directory, &self.manifest.name) {
            Ok(files) => files,
            // It is made later, or that says what is wrong with it.
            Err(_) => return Ok(()),
        };
        if let Some(own) = files.iter().find(|file| is_same(file, &self.image)) {
            return Err(Trouble::usage(format!(
                "the image is a file of the bundle, `{}`",
                own.display()
            ))
            .hint("choose another directory or another --name")
            .into());
        }
        match files.first() {
            Some(found) if !self.overwrite => {
                Err(Trouble::failed(format!("`{}` exists", found.display()))
                    .hint("pass --force to overwrite the bundle, or choose another --name")
                    .into())
            }
            _ => Ok(()),
        }
    }

    fn open(
        &self,
        len: Option<u64>,
        never: Vec<PathBuf>,
        console: &Console,
    ) -> anyhow::Result<Input> {
        if !self.image.is_dir() {
            self.volume.check_unused()?;
            return input::open(&self.image, len, console);
        }
        let (root, args, now) = (&*self.image, &self.volume, self.mtime);
        let overwrite = self.overwrite;
        let request = Request { root, args, size: len, never, now, overwrite };
        Ok(Input::Volume(Box::new(volume::open(&request, console)?)))
    }

    fn make(
        &self,
        mut input: Input,
        user: Option<UserKey>,
        console: &Console,
    ) -> anyhow::Result<Made> {
        space::check(&self.directory, &mut input, self.level, console)?;
        let user = user.map_or_else(|| keys::make_first_key(console), |user| Ok(user.key))?;
        let sink = DirectorySink::create(&self.directory, &self.manifest.name, self.overwrite)
            .map_err(in_the_way)?;
        let (path, packed, changed) = self.bundle(input, sink, &user, console)?;
        Ok(Made { path, packed, user, changed })
    }

    /// Makes the bundle; the manifest is written last.
    fn bundle(
        &self,
        input: Input,
        mut sink: DirectorySink,
        user: &PrivateKey,
        console: &Console,
    ) -> anyhow::Result<(PathBuf, Packed, usize)> {
        let key = CipherKey::generate(&mut SysRng).context("making the image's key")?;
        let iv = CipherIv::generate(&mut SysRng).context("making the image's key")?;
        let (image, outcome) = input.into_image();
        let mut image = Interruptible(image);
        let (name, level, mtime, jobs) = (&self.manifest.name, self.level, self.mtime, self.jobs);
        let options = PackOptions { name, key: &key, iv: &iv, level, mtime, jobs };
        let progress = console.progress(format!("bundling {name}"), image.len());
        let on_event = |event| {
            if let Event::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        let doing =
            || format!("bundling `{}` into `{}`", self.image.display(), self.directory.display());
        let packed = pack(&mut image, &options, &mut Interruptible(&mut sink), &on_event)
            .with_context(doing)?;
        drop(progress);
        let changed = outcome.map_or(Ok(0), |outcome| outcome.tell(console))?;

        let mut contents = self.manifest.clone();
        contents.digest = packed.digest;
        contents.size = packed.size;
        contents.bundled_size = packed.bundled_size;
        contents.parts.clone_from(&packed.parts);
        contents.ec2_key = self.ec2.wrap(key.bytes(), &mut SysRng)?;
        contents.ec2_iv = self.ec2.wrap(iv.bytes(), &mut SysRng)?;
        contents.user_key = user.public().wrap(key.bytes(), &mut SysRng)?;
        contents.user_iv = user.public().wrap(iv.bytes(), &mut SysRng)?;
        let manifest = baler_manifest::write(&contents, Some(user), &mut SysRng)
            .context("writing the manifest")?;
        crate::interrupt::check()?;
        let path = sink.commit(&manifest).map_err(in_the_way)?;
        Ok((path, packed, changed))
    }

    fn print(&self, input: &mut Input, json: bool) -> anyhow::Result<Exit> {
        let volume = match input {
            Input::Volume(volume) => Some((volume.text(), volume.json())),
            _ => None,
        };
        let image = input.image();
        let data: u64 = image.extents().iter().map(|extent| extent.len).sum();
        let most = bundled_size_bound(image);
        let manifest = self.directory.join(baler_bundle::manifest_filename(&self.manifest.name));
        let user = self.user.as_ref().map(|user| user.path.display().to_string());
        if json {
            let mut plan = json!({
                "image": self.image.to_string_lossy(), "size": image.len(), "data": data, "extents": image.extents().len(),
                "manifest": manifest.to_string_lossy(), "architecture": self.manifest.architecture,
                "account": self.manifest.account, "bundled_size_at_most": most, "key": user, "ec2_key": self.ec2_name,
            });
            if let Some((_, volume)) = volume {
                plan["volume"] = volume;
            }
            report::json(&plan)?;
            return Ok(Exit::Done);
        }
        let user = user.unwrap_or_else(|| "none yet: one would be made".to_owned());
        report::result(&format!(
            "{}image         {} ({}, {} of data in {})\nmanifest      {}\narchitecture  {}\naccount       {}\n\
             bundled size  at most {}\nkey           {}\nec2 key       {}\n",
            volume.map(|(text, _)| text).unwrap_or_default(),
            report::plain(&self.image.to_string_lossy()),
            size(image.len()),
            size(data),
            report::count(image.extents().len(), "extent"),
            report::plain(&manifest.to_string_lossy()),
            self.manifest.architecture,
            self.manifest.account,
            size(most),
            report::plain(&user),
            self.ec2_name,
        ))?;
        Ok(Exit::Done)
    }
}

/// A bundle that was made.
struct Made {
    path: PathBuf,
    packed: Packed,
    user: PrivateKey,
    /// How many files were not read as they were seen.
    changed: usize,
}

fn tell(plan: &Plan, made: &Made, json: bool, console: &Console) -> anyhow::Result<()> {
    let Made { path, packed, user, changed } = made;
    console.note(&format!(
        "bundled {} into {}, {} together; EC2 opens it with its {} key",
        size(packed.size),
        report::count(packed.parts.len(), "part"),
        size(packed.bundled_size),
        plan.ec2_name,
    ));
    if !json {
        return report::path(path);
    }
    let parts: Vec<_> = packed
        .parts
        .iter()
        .map(|part| json!({ "filename": part.filename, "sha1": part.digest.to_string() }))
        .collect();
    report::json(&json!({
        "manifest": path.to_string_lossy(), "name": plan.manifest.name, "size": packed.size,
        "bundled_size": packed.bundled_size, "sha1": packed.digest.to_string(), "parts": parts,
        "key_fingerprint": user.public().fingerprint().to_string(), "ec2_key": plan.ec2_name, "changed": changed,
    }))
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

fn in_the_way(error: std::io::Error) -> anyhow::Error {
    let trouble = Trouble::failed("writing the bundle");
    let trouble = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            trouble.hint("pass --force to overwrite the bundle, or choose another --name")
        }
        _ => trouble,
    };
    anyhow::Error::new(error).context(trouble)
}
