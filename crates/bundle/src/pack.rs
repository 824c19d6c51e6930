//! An image becomes parts.

use std::io::{self, Write};

use baler_image::Image;
use baler_manifest::{CipherIv, CipherKey, Part, Sha1Digest};

use crate::Level;
use crate::parts::{PartNames, PartSink};
use crate::stage::{
    cipher::Cipher, digest::Digest, gzip, gzip::Gzip, split::Split, tar::Member, tar::Tar,
};

/// How a bundle is made; all that its bytes depend on, beside the image, but for `jobs`.
#[derive(Debug)]
pub struct PackOptions<'a> {
    /// The bundle's name: the archive member's, and what the parts' names begin with.
    pub name: &'a str,
    /// The image's cipher key.
    pub key: &'a CipherKey,
    /// The image's initialisation vector.
    pub iv: &'a CipherIv,
    /// How hard to compress.
    pub level: Level,
    /// The time written into the archive, in seconds since 1970.
    pub mtime: u64,
    /// How many threads compress, at least 1. Each takes up to 6 MiB of memory.
    pub jobs: usize,
}

/// What the manifest has to say of the parts that were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The SHA-1 of the archive, which the format calls the image's digest.
    pub digest: Sha1Digest,
    /// The image's length, holes counted.
    pub size: u64,
    /// The sum of the parts' lengths.
    pub bundled_size: u64,
    /// The parts in their order.
    pub parts: Vec<Part>,
}

/// What happens while a bundle is made or opened, in bytes since the last event of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// So much of the image's data was read or written, or found to be a hole.
    Image(u64),
    /// A part of this length was made, or read and checked.
    Part(u64),
}

/// How often the image's progress is told, and how much is read at a time.
const STEP: usize = 1 << 20;

/// The greatest length that a bundle of `image` can have, in bytes.
pub fn bundled_size_bound(image: &dyn Image) -> u64 {
    let member = Member { name: "", mtime: 0, len: image.len(), extents: image.extents() };
    gzip::bound(member.archive_len()) + 16
}

/// Reads `image` once and hands its parts to `sink`, in their order.
///
/// What is in memory at any time is bounded, whatever the image's length. `on_event` is called from several threads.
///
/// # Errors
/// Those of the image and of the sink, as they are; `InvalidInput` for a name that does not fit.
pub fn pack(
    image: &mut dyn Image,
    options: &PackOptions<'_>,
    sink: &mut dyn PartSink,
    on_event: &(dyn Fn(Event) + Sync),
) -> io::Result<Packed> {
    let size = image.len();
    let extents = image.extents().to_vec();
    let names = PartNames::new(options.name, bundled_size_bound(image));
    let member = Member { name: options.name, mtime: options.mtime, len: size, extents: &extents };
    let on_part = |len| on_event(Event::Part(len));

    std::thread::scope(|scope| {
        let split = Split::new(sink, names, &on_part);
        let cipher = Cipher::new(options.key, options.iv, split);
        let gzip = Gzip::new(scope, options.jobs, options.level, cipher);
        let digest = Digest::new(gzip);
        let mut tar = Tar::new(&member, digest)?;

        let mut buffer = vec![0; STEP];
        let mut at = 0;
        for extent in &extents {
            on_event(Event::Image(extent.offset - at));
            at = extent.offset;
            while at < extent.end() {
                let len = (extent.end() - at).min(STEP as u64) as usize;
                image.read_at(&mut buffer[..len], at)?;
                tar.write_all(&buffer[..len])?;
                at += len as u64;
                on_event(Event::Image(len as u64));
            }
        }
        on_event(Event::Image(size - at));

        let (digest, gzip) = tar.finish()?.finish();
        let (parts, bundled_size) = gzip.finish()?.finish()?.finish()?;
        Ok(Packed { digest, size, bundled_size, parts })
    })
}

/// How many MiB of an image are compressed to guess at the whole.
const SAMPLES: u64 = 24;

/// About how long the bundle of `image` will be, from a sample of its data.
///
/// Reads here and there: the image must be one that can be read from its start again. The guess is 5 % too long
/// rather than too short.
pub fn estimate_bundled_size(image: &mut dyn Image, level: Level) -> io::Result<u64> {
    let bound = bundled_size_bound(image);
    let extents = image.extents().to_vec();
    let stored: u64 = extents.iter().map(|extent| extent.len).sum();
    let mut deflater = gzip::Deflater::new(level);
    let mut buffer = vec![0; STEP];
    let (mut taken, mut made) = (0u64, 0u64);
    for sample in 0..SAMPLES {
        // The sample's place in the data, then in the image.
        let mut skip = stored * sample / SAMPLES;
        let Some(extent) = extents.iter().find(|extent| {
            let inside = skip < extent.len;
            skip -= if inside { 0 } else { extent.len };
            inside
        }) else {
            continue;
        };
        let len = (extent.len - skip).min(STEP as u64) as usize;
        image.read_at(&mut buffer[..len], extent.offset + skip)?;
        taken += len as u64;
        let mut stream = Vec::new();
        deflater.deflate(&buffer[..len], false, &mut stream)?;
        made += stream.len() as u64;
    }
    let guess = u128::from(stored) * u128::from(made) * 105 / (u128::from(taken.max(1)) * 100);
    Ok(bound.min(u64::try_from(guess).unwrap_or(bound)))
}
