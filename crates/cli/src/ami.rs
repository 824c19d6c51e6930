//! AMIs: EC2 itself, what is told of it, and how a bundle becomes one.

use std::time::Duration;

use anyhow::Context;
use baler_ec2::{
    AmiId, AmiName, DeviceName, Ec2, Event, Mapping, RegionName, Registered, Registration,
    SetupError, Timing, Virtualization,
};
use baler_image::{Extent, Image, ImageSink};
use baler_manifest::Contents;

use crate::aws::Aws;
use crate::exit::Trouble;
use crate::report::{self, Console};

/// The most that the root of an S3-backed AMI can have.
pub(crate) const MAX_ROOT: u64 = 10 << 30;

/// What an AMI is to be, beyond its bundle.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "AMI")]
pub(crate) struct AmiArgs {
    /// What the AMI is for
    #[arg(long, value_name = "TEXT", value_parser = description)]
    pub(crate) description: Option<String>,

    /// How its instances start: hvm, from their disk, or paravirtual, from a kernel [default: by the image's layout]
    #[arg(long, value_name = "TYPE", value_parser = ["hvm", "paravirtual"])]
    pub(crate) virtualization: Option<String>,

    /// The root device [default: the manifest's]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) root_device: Option<DeviceName>,

    /// An instance store volume behind a device, `/dev/sdb=ephemeral0`, or none, `/dev/sdb=none`; may be repeated
    #[arg(long, value_name = "DEVICE=VOLUME")]
    pub(crate) map: Vec<Mapping>,

    /// The image has a driver for enhanced networking with ENA
    #[arg(long)]
    pub(crate) ena: bool,

    /// The image has a driver for the older enhanced networking; cannot be taken back
    #[arg(long)]
    pub(crate) sriov: bool,

    /// Instances answer metadata requests only with a token (IMDSv2)
    #[arg(long)]
    pub(crate) imds_v2: bool,

    /// A tag of the AMI; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,

    /// Wait until the AMI is available
    #[arg(long)]
    pub(crate) wait: bool,
}

pub(crate) fn description(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0..=255 => Ok(text.to_owned()),
        count => Err(format!("a description has at most 255 characters, and this one {count}")),
    }
}

/// `KEY=VALUE`, by EC2's rules.
pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a tag is `KEY=VALUE`")?;
    let rule = match (key.chars().count(), value.chars().count()) {
        (0, _) => "a tag's key is not empty",
        (128.., _) => "a tag's key has at most 127 characters",
        (_, 256..) => "a tag's value has at most 255 characters",
        _ if key.to_ascii_lowercase().starts_with("aws:") => {
            "tags that begin with `aws:` are AWS's own"
        }
        _ => return Ok((key.to_owned(), value.to_owned())),
    };
    Err(rule.to_owned())
}

/// EC2 in a region, or in the one that is set.
pub(crate) fn ec2(aws: &Aws, region: Option<&str>) -> anyhow::Result<Ec2> {
    let mut builder = aws.config().clone().into_builder();
    if let Some(region) = region {
        builder = builder.region(Some(aws_config::Region::new(region.to_owned())));
    }
    let set = || std::env::var("AWS_ENDPOINT_URL_EC2").ok().filter(|url| !url.is_empty());
    let endpoint = if aws.is_endpoint_typed() { None } else { set() };
    let ec2 = Ec2::new(&builder.build(), endpoint).map_err(|error| {
        let trouble = Trouble::usage("preparing to talk to EC2");
        let trouble = match error {
            SetupError::NoRegion => trouble.hint("pass --region, or set AWS_REGION"),
            _ => trouble,
        };
        anyhow::Error::new(error).context(trouble)
    })?;
    let timing = Timing {
        attempt: aws.stall(),
        attempts: aws.patience().attempts,
        budget: aws.patience().budget.min(Duration::from_secs(300)),
        ..Timing::default()
    };
    ec2.with_timing(timing).context("preparing to talk to EC2")
}

/// Tells what happens on the way.
pub(crate) fn tell(console: Console) -> impl Fn(Event) + Sync {
    move |event| match event {
        Event::Retry { wait, why, .. } => {
            console.note(&format!("{why}; trying again in {:.1} s", wait.as_secs_f32()));
        }
        Event::Clock { by, ahead } => {
            let side = if ahead { "ahead" } else { "behind" };
            console.warn(&format!("this machine's clock is {} s {side}", by.as_secs()));
        }
        Event::LookingUp { name } => {
            console.note(&format!("no answer came; looking whether `{name}` was registered"));
        }
        Event::Waiting { ami, state } => {
            let state = state.unwrap_or_else(|| "not to be seen yet".to_owned());
            console.note(&format!("{ami} is {state}; waiting"));
        }
        _ => {}
    }
}

/// How long an AMI is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Which bundle becomes an AMI, and under what name.
pub(crate) struct Wanted<'a> {
    pub(crate) name: AmiName,
    pub(crate) location: String,
    pub(crate) contents: &'a Contents,
    /// What the image's layout says.
    pub(crate) layout: Option<Virtualization>,
}

impl AmiArgs {
    /// One of the options that was given, if there is one.
    pub(crate) fn used(&self) -> Option<&'static str> {
        [
            ("--description", self.description.is_some()),
            ("--virtualization", self.virtualization.is_some()),
            ("--root-device", self.root_device.is_some()),
            ("--map", !self.map.is_empty()),
            ("--ena", self.ena),
            ("--sriov", self.sriov),
            ("--imds-v2", self.imds_v2),
            ("--tag", !self.tags.is_empty()),
            ("--wait", self.wait),
        ]
        .into_iter()
        .find_map(|(name, is_used)| is_used.then_some(name))
    }

    /// What EC2 is asked for.
    pub(crate) fn registration(
        &self,
        wanted: Wanted<'_>,
        console: &Console,
    ) -> anyhow::Result<Registration> {
        let contents = wanted.contents;
        let virtualization = match self.virtualization.as_deref() {
            Some("hvm") => Virtualization::Hvm,
            Some(_) => Virtualization::Paravirtual,
            None if contents.kernel_id.is_some() => Virtualization::Paravirtual,
            None => wanted.layout.ok_or_else(|| {
                Trouble::usage("whether instances start from their disk or from a kernel cannot be told from the manifest")
                    .hint("pass --virtualization hvm or paravirtual, or --key to look into the image")
            })?,
        };
        if virtualization == Virtualization::Paravirtual && contents.kernel_id.is_none() {
            console.warn("a paravirtual AMI starts from a kernel, and the manifest names none");
            console.hint(
                "pass --kernel aki-… to `baler bundle` or `baler copy`: PV-GRUB's of the region",
            );
        }
        let location = wanted.location.parse().context(Trouble::usage("naming the manifest"))?;
        let mut registration = Registration::new(wanted.name, location, virtualization);
        registration.description.clone_from(&self.description);
        registration.architecture = Some(contents.architecture.clone());
        registration.root_device.clone_from(&self.root_device);
        registration.mappings.clone_from(&self.map);
        registration.ena = self.ena;
        registration.sriov = self.sriov;
        registration.imds_v2 = self.imds_v2;
        registration.tags.clone_from(&self.tags);
        registration.check()?;
        Ok(registration)
    }

    /// Registers, and waits if that is wanted.
    pub(crate) async fn register(
        &self,
        ec2: &Ec2,
        registration: &Registration,
        console: &Console,
    ) -> anyhow::Result<AmiId> {
        let tell = tell(*console);
        let name = &registration.name;
        let registered = ec2.register(registration, &tell).await;
        let registered = registered
            .with_context(|| format!("registering `{}` as `{name}`", registration.source))?;
        let region = ec2.region();
        match &registered {
            Registered::New(ami) => {
                console.note(&format!("registered `{name}` as {ami} in {region}"))
            }
            Registered::Already(ami) => {
                console.note(&format!("`{name}` is {ami} in {region} already"))
            }
        }
        let ami = registered.id().clone();
        if self.wait {
            let waiting = || format!("waiting for {ami}");
            ec2.wait(&ami, PATIENCE, &tell).await.with_context(waiting)?;
        }
        Ok(ami)
    }
}

/// Refuses what no EC2 takes.
pub(crate) fn check_size(contents: &Contents, allow_large: bool) -> anyhow::Result<()> {
    if contents.size <= MAX_ROOT || allow_large {
        return Ok(());
    }
    Err(Trouble::failed(format!(
        "the image has {}, and the root of an S3-backed AMI at most {}",
        report::size(contents.size),
        report::size(MAX_ROOT)
    ))
    .hint("bundle it with a smaller --size; pass --allow-large if this cloud takes more")
    .into())
}

/// What must be in a region is: EC2 reads bundles of its own region only.
pub(crate) fn check_region(wanted: Option<&str>, bucket: &str) -> anyhow::Result<RegionName> {
    match wanted {
        Some(wanted) if wanted != bucket => Err(Trouble::usage(format!(
            "the bundle is in {bucket}, and EC2 in {wanted} cannot read it"
        ))
        .hint(format!("pass --region {bucket}, or copy the bundle to a bucket in {wanted}"))
        .into()),
        _ => bucket.parse().context("reading the bucket's region"),
    }
}

/// How many bytes of an image tell how it starts.
const HEAD: usize = 4096;

/// How a machine starts from an image, by its first bytes: a disk with a partition table from itself, a bare file system
/// with a kernel from outside.
pub(crate) fn layout(image: &mut dyn Image) -> std::io::Result<Option<Virtualization>> {
    let mut head = vec![0; (image.len().min(HEAD as u64)) as usize];
    image.read_at(&mut head, 0)?;
    Ok(layout_of(&head))
}

fn layout_of(head: &[u8]) -> Option<Virtualization> {
    // The magic of ext2, 3 and 4, and of XFS.
    let is_file_system = head.get(1080..1082) == Some(&[0x53, 0xef]) || head.starts_with(b"XFSB");
    let has_table = head.get(510..512) == Some(&[0x55, 0xaa])
        && head.get(446..510).is_some_and(|table| {
            table.chunks(16).any(|entry| entry[4] != 0 && entry[0] & 0x7f == 0)
        });
    match (has_table, is_file_system) {
        (true, false) => Some(Virtualization::Hvm),
        (_, true) => Some(Virtualization::Paravirtual),
        _ => None,
    }
}

/// Takes the first bytes of an image, and then has enough.
#[derive(Default)]
pub(crate) struct Head {
    bytes: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Head {
    /// The sink, and what it will have seen.
    pub(crate) fn new() -> (Head, impl FnOnce() -> Option<Virtualization>) {
        let head = Head::default();
        let bytes = head.bytes.clone();
        let seen = move || {
            let bytes = bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            layout_of(&bytes)
        };
        (head, seen)
    }
}

impl ImageSink for Head {
    fn begin(&mut self, len: u64, _: Option<&[Extent]>) -> std::io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bytes.resize(len.min(HEAD as u64) as usize, 0);
        Ok(())
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> std::io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let offset = offset.min(bytes.len() as u64) as usize;
        let len = data.len().min(bytes.len() - offset);
        bytes[offset..offset + len].copy_from_slice(&data[..len]);
        match offset + len == bytes.len() {
            true => Err(std::io::Error::other("that is enough")),
            false => Ok(()),
        }
    }

    fn commit(self: Box<Self>) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_how_a_machine_starts() {
        let mut disk = vec![0; HEAD];
        assert_eq!(layout_of(&disk), None);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(layout_of(&disk), None);
        disk[450] = 0x83;
        assert_eq!(layout_of(&disk), Some(Virtualization::Hvm));
        let mut bare = vec![0; HEAD];
        bare[1080..1082].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(layout_of(&bare), Some(Virtualization::Paravirtual));
        assert_eq!(layout_of(b"XFSB"), Some(Virtualization::Paravirtual));
        assert_eq!(layout_of(&[]), None);
    }

    #[test]
    fn a_head_takes_what_it_needs_and_no_more() {
        let (mut head, seen) = Head::new();
        head.begin(1 << 20, None).unwrap();
        let mut first = vec![0; 1000];
        first[450] = 0xee;
        first[510..512].copy_from_slice(&[0x55, 0xaa]);
        head.write_at(&first, 0).unwrap();
        assert!(head.write_at(&[1; 5000], 2000).is_err());
        assert_eq!(seen(), Some(Virtualization::Hvm));
    }

    #[test]
    fn tags_keep_the_rules() {
        assert_eq!(tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in [
            "a",
            "=b",
            "aws:x=y",
            &format!("{}=x", "k".repeat(128)),
            &format!("k={}", "v".repeat(256)),
        ] {
            assert!(tag(text).is_err(), "{text}");
        }
        assert!(description(&"x".repeat(256)).is_err());
    }
}
