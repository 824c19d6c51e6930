//! `baler image`: a root tree becomes a disk image.

use std::path::PathBuf;

use anyhow::Context;
use baler_image::{Image, ImageSink};
use serde_json::json;

use crate::args;
use crate::exit::{Exit, Trouble};
use crate::interrupt::Interruptible;
use crate::keys;
use crate::machine;
use crate::output;
use crate::report::{self, Console, size};
use crate::volume::{self, Request, args::VolumeArgs};

/// Make a disk image of a root tree: partition table, boot loader and file system
///
/// Nothing is mounted and nothing is copied first: the image is written in one pass, sparse. Prints its path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The root tree: a directory, / for the machine that runs
    root: PathBuf,

    /// Where the image goes: a file, a block device, or - for standard output
    destination: PathBuf,

    /// The image's length: 8GiB, or a number of MiB [default: as long as the source's disk or file system]
    #[arg(long, short, value_parser = args::size)]
    size: Option<u64>,

    #[command(flatten)]
    volume: VolumeArgs,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let is_stdout = self.destination.as_os_str() == "-";
        if self.json && is_stdout && !self.dry_run {
            return Err(Trouble::usage("standard output cannot hold both the image and the JSON")
                .hint("name a file for the image, or leave --json away")
                .into());
        }
        let mut never = keys::private_paths(None);
        never.extend((!is_stdout).then(|| self.destination.clone()));
        let (root, args, now) = (&self.root, &self.volume, machine::now()?);
        let request = Request { root, args, size: self.size, never, now };
        if args.list {
            volume::list(&request)?;
            return Ok(Exit::Done);
        }
        // What is in the way is told before the tree is walked; the new file must not be there yet when it is.
        let open = || output::open(&self.destination, "root.img", self.force);
        if !self.dry_run {
            open()?;
        }
        let mut volume = volume::open(&request, console)?;
        if self.dry_run {
            match self.json {
                true => report::json(&volume.json())?,
                false => report::result(&volume.text())?,
            }
            return Ok(Exit::Done);
        }
        let sink = open()?;
        let len = volume.image().len();
        let (image, outcome) = volume.into_image();
        let progress = console.progress(format!("imaging {}", root.display()), len);
        copy(image, sink, |bytes| progress.add(bytes)).with_context(|| {
            format!("imaging `{}` to `{}`", root.display(), self.destination.display())
        })?;
        drop(progress);
        let changed = outcome.tell(console);
        console.note(&format!("imaged {}", size(len)));
        let destination = self.destination.to_string_lossy();
        match (is_stdout, self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => {
                report::json(&json!({ "image": destination, "size": len, "changed": changed }))?;
            }
            (false, false) => report::path(&self.destination)?,
        }
        Ok(Exit::Done)
    }
}

/// Reads an image once and writes it.
fn copy(
    image: Box<dyn Image>,
    sink: Box<dyn ImageSink>,
    on_bytes: impl Fn(u64),
) -> anyhow::Result<()> {
    let mut image = Interruptible(image);
    let mut sink: Box<dyn ImageSink> = Box::new(Interruptible(sink));
    let extents = image.extents().to_vec();
    sink.begin(image.len(), Some(&extents))?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    for extent in &extents {
        on_bytes(extent.offset - at);
        at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(buffer.len() as u64) as usize;
            image.read_at(&mut buffer[..len], at)?;
            sink.write_at(&buffer[..len], at)?;
            on_bytes(len as u64);
            at += len as u64;
        }
    }
    sink.commit()?;
    Ok(())
}
