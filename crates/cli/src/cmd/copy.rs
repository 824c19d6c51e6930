//! `baler copy`: a bundle goes from one place to another.

pub(crate) mod within;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use baler_bundle::PartSource;
use baler_manifest::Contents;
use baler_store::{Directory, Entry, Event, Kind, Put, Store, Upload, sha1_of};
use bytes::Bytes;
use serde_json::json;

use crate::aws::{Aws, AwsArgs, Remote};
use crate::bundle::{Bundle, IN_FLIGHT, Trust, common_start, is_same, required_key};
use crate::cmd::mapping;
use crate::exit::{Exit, Trouble};
use crate::interrupt;
use crate::keys::{self, KeyArgs};
use crate::output;
use crate::place::{self, Place};
use crate::remote::make_way;
use crate::report::{self, Console, Progress, size};
use crate::target::TargetArgs;
use within::Within;

/// Copy a bundle: to S3, from S3, or from one bucket to another
///
/// What is there already is not sent again, so that the same command goes on where an interrupted one ended. Parts are
/// compared with the manifest on the way, and the manifest comes last.
///
/// Prints the manifest's place.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: crate::args::BundleArg,

    /// Where it goes: a directory, or s3://BUCKET/PREFIX
    #[arg(value_name = "DEST", value_parser = place::place())]
    destination: Place,

    /// Another kernel to boot with, aki-…; the manifest is signed again
    #[arg(long, value_name = "ID", value_parser = mapping::boot_id, help_heading = "Manifest")]
    kernel: Option<String>,

    /// Another ramdisk to boot with, ari-…; the manifest is signed again
    #[arg(long, value_name = "ID", value_parser = mapping::boot_id, help_heading = "Manifest")]
    ramdisk: Option<String>,

    /// The certificate of the EC2 that will open it, for a cloud or a region whose key is not built in; the manifest is
    /// signed again
    #[arg(long, value_name = "FILE", help_heading = "Manifest")]
    ec2_cert: Option<PathBuf>,

    /// Wrap the image's key anew for the EC2 of the target's region, whatever the bundle was made for; the manifest is
    /// signed again. Done by itself from one bucket to another whose EC2 has another key
    #[arg(long, help_heading = "Manifest")]
    rewrap: bool,

    /// The profile to read the bundle with, if the target's credentials may not
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    from_profile: Option<String>,

    /// Write the manifest anew even if the old one's signature is wrong, missing, or cannot be checked
    #[arg(long, help_heading = "Manifest")]
    ignore_signature: bool,

    /// Overwrite another bundle of that name
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
    target: TargetArgs,

    #[command(flatten)]
    aws: AwsArgs,
}

/// What was copied.
#[derive(Default)]
pub(crate) struct Copied {
    sent: u64,
    kept: u64,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        self.destination.check_not_manifest()?;
        let source = match &self.from_profile {
            None => self.aws.clone(),
            // Its region comes with it.
            profile => AwsArgs { profile: profile.clone(), region: None, ..self.aws.clone() },
        };
        let bundle = Bundle::read(&self.bundle.manifest, &source, console)?;
        if let (Place::Path(path), Some(option)) = (&self.destination, self.target.used()) {
            return Err(Trouble::usage(format!(
                "{option} is for S3, and `{}` is a directory",
                path.display()
            ))
            .hint("leave it away, or copy to s3://BUCKET/PREFIX")
            .into());
        }
        if is_same_place(&bundle.directory, &self.destination) {
            return Err(
                Trouble::usage(format!("the bundle is in `{}` already", self.destination)).into()
            );
        }
        let aws = match &bundle.remote {
            Some((aws, _)) if self.from_profile.is_none() => aws.clone(),
            _ if self.destination.path().is_some() => Arc::new(Aws::offline(console)?),
            _ => Arc::new(Aws::connect(&self.aws, console)?),
        };
        let (target, store): (_, Arc<dyn Store>) = match &self.destination {
            Place::Path(path) => (None, Arc::new(Directory::new(path.clone()))),
            Place::S3(place) => {
                let region = self.aws.region.as_deref();
                let prepared = async {
                    let dry_run = self.dry_run;
                    let bucket = self.target.prepare(&aws, place, region, dry_run, console).await?;
                    Ok(bucket.map(|bucket| aws.at(place, bucket)))
                };
                let Some(remote) = aws.run(prepared)? else { return self.print(&bundle, false) };
                let store = remote.store.clone();
                (Some(remote), store)
            }
        };
        let manifest = self.manifest(&bundle, target.as_ref(), console)?;
        let is_rewritten = manifest.is_some();
        let text = Bytes::from(manifest.unwrap_or_else(|| bundle.manifest.text().to_owned()));
        let put = Put { sha1: sha1_of(&text), acl: self.target.acl, overwrite: self.force };
        let old = aws.run(self.old(&bundle, &store, &text, &put))?;
        if self.dry_run {
            return self.print(&bundle, is_rewritten);
        }
        let is_new = match &self.destination {
            Place::Path(path) => output::make_directory(path)?,
            Place::S3(_) => false,
        };
        let copied =
            self.copy(&aws, &bundle, store, (text, put, old), console).inspect_err(|_| {
                if let (true, Place::Path(path)) = (is_new, &self.destination) {
                    // As far as it can be undone: a directory that is not empty stays.
                    let _ = std::fs::remove_dir(path);
                }
            })?;
        self.tell(&bundle, &copied, is_rewritten, console)
    }

    /// The manifest for the target, if it is not the one of the source.
    fn manifest(
        &self,
        bundle: &Bundle,
        target: Option<&Remote>,
        console: &Console,
    ) -> anyhow::Result<Option<String>> {
        let from = bundle.remote.as_ref().map(|(_, remote)| remote.bucket.region());
        let to = target.map(|remote| remote.bucket.region());
        let other_key = from.zip(to).is_some_and(|(from, to)| !keys::is_same_ec2(from, to));
        let is_same = !other_key && !self.rewrap && self.ec2_cert.is_none();
        // From a directory nobody knows whose it is; most are for the commercial regions.
        if let (true, None, Some(to)) = (is_same, from, to)
            && !keys::is_same_ec2(to, "us-east-1")
        {
            console.warn(&format!(
                "EC2 in {to} has a key of its own, and opens only bundles that were made for it"
            ));
            console.hint("pass --rewrap if this one was made for another EC2");
        }
        if is_same && self.kernel.is_none() && self.ramdisk.is_none() {
            return Ok(None);
        }
        let user = required_key(&self.keys, console).context(
            Trouble::usage("the manifest has to be written anew, and signed")
                .hint("pass --key, or set EC2_PRIVATE_KEY"),
        )?;
        let opened = bundle.open(&user, self.keys.certificate()?)?;
        // What is signed here is vouched for by the user.
        let trust = bundle.trust(&self.keys, Some(&opened))?;
        if trust != Trust::Valid && !self.ignore_signature {
            let what = format!("the signature of `{}` is {}", bundle.place, trust.word());
            return Err(Trouble::mismatch(what)
                .hint("if you know where it comes from, pass --ignore-signature; a certificate of the signer with --cert")
                .into());
        }
        let mut contents: Contents = bundle.manifest.contents().clone();
        let ec2 = match is_same {
            true => None,
            false => {
                let region = to.map(str::to_owned).or_else(|| self.aws.region.clone());
                let region = region.filter(|_| self.ec2_cert.is_none());
                let (ec2, name) = keys::ec2_key(self.ec2_cert.clone(), region)?;
                console.note(&format!("the copy is for EC2's {name} key"));
                Some(ec2)
            }
        };
        contents.kernel_id = self.kernel.clone().or(contents.kernel_id);
        contents.ramdisk_id = self.ramdisk.clone().or(contents.ramdisk_id);
        opened.write(contents, ec2.as_ref(), &user).map(Some)
    }

    /// Whether another bundle of that name has to make way.
    async fn old(
        &self,
        bundle: &Bundle,
        store: &Arc<dyn Store>,
        manifest: &Bytes,
        put: &Put,
    ) -> anyhow::Result<bool> {
        let filename = bundle.filename()?;
        let there = self.destination.join(filename);
        let old = match store.head(filename).await {
            // Who may not look finds out when it does not let itself be written.
            Err(error) if error.kind == Kind::Denied => None,
            found => found
                .with_context(|| format!("looking for `{there}`"))?
                .filter(|old| !old.is(manifest, &put.sha1)),
        };
        match old {
            Some(_) if !self.force => Err(Trouble::failed(format!("`{there}` is another bundle"))
                .hint("pass --force to overwrite it, or name another place")
                .into()),
            old => Ok(old.is_some()),
        }
    }

    fn copy(
        &self,
        aws: &Aws,
        bundle: &Bundle,
        store: Arc<dyn Store>,
        (manifest, put, old): (Bytes, Put, bool),
        console: &Console,
    ) -> anyhow::Result<Copied> {
        let contents = bundle.manifest.contents();
        let doing = || format!("copying `{}` to `{}`", bundle.place, self.destination);
        let filename = bundle.filename()?;
        // Who may not list looks at each.
        let begin = common_start(contents.parts.iter().map(|part| part.filename.as_str()));
        let listed = aws.run(async { Ok(store.list(begin).await.ok()) })?;
        let names = |found: Vec<Entry>| found.into_iter().map(|entry| entry.name).collect();
        let present = listed.map(names);
        interrupt::leave(
            "interrupted; the parts that were copied are left, and the same command goes on from there",
        );
        let progress =
            console.progress(format!("copying {}", contents.name), contents.bundled_size);
        let old = old.then_some(filename);
        let copied =
            self.parts(aws, bundle, store.clone(), (present, old), progress).with_context(doing)?;
        let last = async { Ok(store.put(filename, manifest.clone(), &put).await?) };
        aws.run(last).with_context(doing)?;
        Ok(copied)
    }

    /// Copies the parts: within a service without moving them through this machine.
    fn parts(
        &self,
        aws: &Aws,
        bundle: &Bundle,
        store: Arc<dyn Store>,
        (present, mut old): (Option<BTreeSet<String>>, Option<&str>),
        progress: Progress,
    ) -> anyhow::Result<Copied> {
        let contents = bundle.manifest.contents();
        let within = bundle.remote.as_ref().map(|(_, remote)| &remote.store).filter(|from| {
            let service = |store: &Arc<dyn Store>| store.source("").service;
            self.from_profile.is_none() && service(from) == service(&store)
        });
        if let Some(from) = within {
            let (acl, overwrite) = (self.target.acl, self.force);
            let to = Within { from: from.clone(), to: store, acl, overwrite };
            return aws.run(to.copy(contents, old, progress));
        }
        if old.is_some() {
            bundle.check_parts(IN_FLIGHT, "is not whole, and overwrites nothing", &|_| {})?;
        }
        let progress = Arc::new(progress);
        let counts = Arc::new(std::sync::Mutex::new(Copied::default()));
        let (shown, counted) = (progress.clone(), counts.clone());
        let on_event = Arc::new(move |_: &str, event| {
            let mut counts = counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let (Event::Sent(len) | Event::Kept(len)) = event;
            match event {
                Event::Sent(_) => counts.sent += len,
                Event::Kept(_) => counts.kept += len,
            }
            shown.add(len);
        });
        let mut upload = Upload::new(store.clone(), IN_FLIGHT, present, on_event);
        let source = bundle.parts();
        for (index, part) in contents.parts.iter().enumerate() {
            interrupt::check()?;
            let name = &part.filename;
            let data =
                source.get(name).with_context(|| format!("reading part {index} (`{name}`)"))?;
            let sha1 = sha1_of(&data);
            if sha1 != *part.digest.bytes() {
                let what = format!(
                    "part {index} (`{name}`) is not what the manifest says; no damaged bundle is copied"
                );
                return Err(Trouble::mismatch(what)
                    .hint("`baler verify` names all that is wrong")
                    .into());
            }
            if let Some(old) = old.take() {
                aws.run(async { Ok(make_way(&store, old, self.target.acl).await?) })?;
            }
            let put = Put { sha1, acl: self.target.acl, overwrite: self.force };
            aws.run(async { Ok(upload.put(name.clone(), data.into(), put).await?) })?;
        }
        aws.run(async { Ok(upload.finish().await?) })?;
        let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(std::mem::take(&mut *counts))
    }

    fn print(&self, bundle: &Bundle, is_rewritten: bool) -> anyhow::Result<Exit> {
        let contents = bundle.manifest.contents();
        let there = self.destination.join(bundle.filename()?);
        if self.json {
            report::json(&json!({
                "from": bundle.place.to_string(), "to": there.to_string(), "parts": contents.parts.len(),
                "bundled_size": contents.bundled_size, "manifest_rewritten": is_rewritten,
            }))?;
        } else {
            let manifest = if is_rewritten { "written anew and signed" } else { "as it is" };
            report::result(&format!(
                "from      {}\nto        {}\nparts     {}, {} together\nmanifest  {manifest}\n",
                report::plain(&bundle.place.to_string()),
                report::plain(&there.to_string()),
                contents.parts.len(),
                size(contents.bundled_size),
            ))?;
        }
        Ok(Exit::Done)
    }

    fn tell(
        &self,
        bundle: &Bundle,
        copied: &Copied,
        is_rewritten: bool,
        console: &Console,
    ) -> anyhow::Result<Exit> {
        let there = self.destination.join(bundle.filename()?);
        let parts = report::count(bundle.manifest.contents().parts.len(), "part");
        let kept = match copied.kept {
            0 => String::new(),
            kept => format!("; {} were there already", size(kept)),
        };
        console.note(&format!("copied {parts}, {}{kept}", size(copied.sent)));
        if self.json {
            report::json(&json!({
                "manifest": there.to_string(), "sent": copied.sent, "kept": copied.kept,
                "manifest_rewritten": is_rewritten,
            }))?;
        } else {
            report::place(&there)?;
        }
        Ok(Exit::Done)
    }
}

/// Whether both are one directory, or one prefix.
fn is_same_place(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Path(one), Place::Path(other)) => is_same(one, other),
        (one, other) => one == other,
    }
}
