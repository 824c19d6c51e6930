//! A bundle that is made: from the image and the keys to the manifest that completes it.

use std::path::PathBuf;

use anyhow::Context;
use baler_bundle::{Event, Level, PackOptions, Packed, bundled_size_bound, pack};
use baler_ec2::{AmiId, AmiName, Registration, Virtualization};
use baler_image::Image;
use baler_manifest::{CipherIv, CipherKey, Contents, PrivateKey, PublicKey};
use getrandom::SysRng;
use serde_json::json;

use super::destination::{Destination, Sink};
use crate::ami::{self, AmiArgs, Wanted};
use crate::args::volume::VolumeArgs;
use crate::exit::Exit;
use crate::input::{self, Input};
use crate::interrupt::Interruptible;
use crate::keys::{self, UserKey};
use crate::place::Place;
use crate::report::{self, Console, size};
use crate::volume::{self, Request};

/// What will be done; made once from what was typed.
pub(crate) struct Plan {
    pub(crate) image: PathBuf,
    pub(crate) volume: VolumeArgs,
    pub(crate) destination: Destination,
    pub(crate) overwrite: bool,
    pub(crate) level: Level,
    pub(crate) jobs: usize,
    pub(crate) mtime: u64,
    /// `None` while there is none: one is made when it is certain that it will be used.
    pub(crate) user: Option<UserKey>,
    pub(crate) ec2: PublicKey,
    pub(crate) ec2_name: String,
    /// What the manifest says, but for what comes of the work.
    pub(crate) manifest: Contents,
    pub(crate) register: Option<Register>,
}

/// The AMI that the bundle becomes.
pub(crate) struct Register {
    pub(crate) name: AmiName,
    pub(crate) ami: AmiArgs,
    /// What the image's first bytes say, once they have been looked at.
    pub(crate) layout: Option<Virtualization>,
    /// What EC2 will be asked for, once all of it is known.
    pub(crate) registration: Option<Registration>,
}

impl Plan {
    /// Refuses what is in the way, before anything is read or made.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let key = self.user.as_ref().map(|user| user.path.as_path());
        let inputs: Vec<_> = std::iter::once(self.image.as_path()).chain(key).collect();
        self.destination.check(&self.manifest.name, &inputs, self.overwrite)
    }

    pub(crate) fn open(
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

    /// Makes sure, as far as can be seen, that what will be bundled can be registered.
    pub(crate) fn prepare(&mut self, input: &mut Input, console: &Console) -> anyhow::Result<()> {
        if let Some(register) = &mut self.register {
            if register.ami.virtualization.is_none() {
                register.layout =
                    ami::layout(input.image()).context("looking at the image's layout")?;
            }
            let location = self.destination.location(&self.manifest.name);
            let (name, contents, layout) = (register.name.clone(), &self.manifest, register.layout);
            let wanted = Wanted { name, location, contents, layout };
            let registration = register.ami.registration(wanted, console)?;
            self.destination.check_ami(&registration, console)?;
            register.registration = Some(registration);
        }
        Ok(())
    }

    pub(crate) fn make(&mut self, mut input: Input, console: &Console) -> anyhow::Result<Made> {
        self.destination.check_space(&mut input, self.level, console)?;
        let user = match self.user.take() {
            Some(user) => user.key,
            None => keys::make_first_key(console)?,
        };
        let mut sink = self.destination.sink(&self.manifest.name, self.overwrite)?;
        match self.bundle(input, &mut sink, &user, console) {
            Ok((manifest, packed, changed)) => {
                let place = sink.commit(&self.manifest.name, manifest, console)?;
                console.note(&format!(
                    "bundled {} into {}, {} together; EC2 opens it with its {} key",
                    size(packed.size),
                    report::count(packed.parts.len(), "part"),
                    size(packed.bundled_size),
                    self.ec2_name,
                ));
                // The hint is left to EC2's answer.
                let ami = self.register(console).with_context(|| {
                    format!(
                        "the bundle is at `{place}`, but no AMI (`baler register` makes one of it)"
                    )
                })?;
                Ok(Made { place, packed, user, changed, ami })
            }
            Err(error) => {
                sink.abandon(&self.manifest.name, console);
                Err(error)
            }
        }
    }

    /// Registers the bundle that was made, if that is wanted.
    fn register(&self, console: &Console) -> anyhow::Result<Option<AmiId>> {
        let (Some(register), Destination::S3(s3)) = (&self.register, &self.destination) else {
            return Ok(None);
        };
        let Some((region, registration)) =
            self.destination.region().zip(register.registration.as_ref())
        else {
            return Ok(None);
        };
        let ec2 = ami::ec2(&s3.aws, Some(region))?;
        s3.aws.run(register.ami.register(&ec2, registration, console)).map(Some)
    }

    /// Makes the parts, and the text of the manifest.
    fn bundle(
        &self,
        input: Input,
        sink: &mut Sink,
        user: &PrivateKey,
        console: &Console,
    ) -> anyhow::Result<(String, Packed, usize)> {
        let key = CipherKey::generate(&mut SysRng).context("making the image's key")?;
        let iv = CipherIv::generate(&mut SysRng).context("making the image's key")?;
        let (image, outcome) = input.into_image();
        let mut image = Interruptible(image);
        let (name, level, mtime, jobs) = (&self.manifest.name, self.level, self.mtime, self.jobs);
        let mut options = PackOptions::new(name, &key, &iv);
        (options.level, options.mtime, options.jobs) = (level, mtime, jobs);
        let progress = console.progress(format!("bundling {name}"), image.len());
        let on_event = |event| {
            if let Event::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        let doing =
            || format!("bundling `{}` into `{}`", self.image.display(), self.destination.place());
        let mut packed = pack(&mut image, &options, &mut Interruptible(&mut *sink), &on_event)
            .with_context(doing)?;
        drop(progress);
        sink.renumber(&mut packed.parts).with_context(doing)?;
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
        Ok((manifest, packed, changed))
    }

    pub(crate) fn print(&self, input: &mut Input, json: bool) -> anyhow::Result<Exit> {
        let volume = match input {
            Input::Volume(volume) => Some((volume.text(), volume.json())),
            _ => None,
        };
        let image = input.image();
        let data: u64 = image.extents().iter().map(|extent| extent.len).sum();
        let most = bundled_size_bound(image);
        let filename = baler_bundle::manifest_filename(&self.manifest.name);
        let manifest = self.destination.place().join(&filename).to_string();
        let user = self.user.as_ref().map(|user| user.path.display().to_string());
        let registration =
            self.register.as_ref().and_then(|register| register.registration.as_ref());
        let ami = registration.map(|wanted| (wanted.name.as_str(), wanted.virtualization.as_str()));
        if json {
            let mut plan = json!({
                "image": self.image.to_string_lossy(), "size": image.len(), "data": data, "extents": image.extents().len(),
                "manifest": manifest, "architecture": self.manifest.architecture,
                "account": self.manifest.account, "bundled_size_at_most": most, "key": user, "ec2_key": self.ec2_name,
            });
            if let Some((name, kind)) = ami {
                plan["ami"] = json!({ "name": name, "virtualization": kind });
            }
            if let Some((_, volume)) = volume {
                plan["volume"] = volume;
            }
            report::json(&plan)?;
            return Ok(Exit::Done);
        }
        let ami =
            ami.map_or_else(String::new, |(name, kind)| format!("ami           {name}, {kind}\n"));
        let user = user.unwrap_or_else(|| "none yet: one would be made".to_owned());
        report::result(&format!(
            "{}image         {} ({}, {} of data in {})\nmanifest      {}\narchitecture  {}\naccount       {}\n\
             bundled size  at most {}\nkey           {}\nec2 key       {}\n{ami}",
            volume.map(|(text, _)| text).unwrap_or_default(),
            report::plain(&self.image.to_string_lossy()),
            size(image.len()),
            size(data),
            report::count(image.extents().len(), "extent"),
            report::plain(&manifest),
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
pub(crate) struct Made {
    pub(crate) place: Place,
    pub(crate) packed: Packed,
    user: PrivateKey,
    /// How many files were not read as they were seen.
    changed: usize,
    ami: Option<AmiId>,
}

pub(crate) fn tell(plan: &Plan, made: &Made, json: bool) -> anyhow::Result<()> {
    let Made { place, packed, user, changed, ami } = made;
    if !json {
        report::place(place)?;
        return ami.as_ref().map_or(Ok(()), |ami| report::result(&format!("{ami}\n")));
    }
    let parts: Vec<_> = packed
        .parts
        .iter()
        .map(|part| json!({ "filename": part.filename, "sha1": part.digest.to_string() }))
        .collect();
    report::json(&json!({
        "manifest": place.to_string(), "name": plan.manifest.name, "size": packed.size,
        "bundled_size": packed.bundled_size, "sha1": packed.digest.to_string(), "parts": parts,
        "key_fingerprint": user.public().fingerprint().to_string(), "ec2_key": plan.ec2_name, "changed": changed,
        "ami": ami.as_ref().map(AmiId::as_str),
    }))
}
