//! Packing: an image becomes parts.

use std::io::{self, Write};

use baler_image::Image;
use baler_manifest::{CipherIv, CipherKey, Part, Sha1Digest};

use crate::parts::{PartNames, PartSink};
use crate::stage::{
    cipher::Cipher, digest::Digest, gzip, gzip::Gzip, split::Split, tar::Member, tar::Tar,
};
use crate::{Event, Level};

/// The options of packing. The bytes of a bundle depend on these, except `jobs`, and on the image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PackOptions<'a> {
    /// The bundle's name: the name of the archive's member, and the start of the parts' names.
    pub name: &'a str,
    /// The cipher key.
    pub key: &'a CipherKey,
    /// The initialisation vector.
    pub iv: &'a CipherIv,
    /// The level of compression.
    pub level: Level,
    /// The time that is written into the archive, in seconds since 1970.
    pub mtime: u64,
    /// The number of threads that compress; 0 means 1. Each needs up to 6 MiB of memory.
    pub jobs: usize,
}

impl<'a> PackOptions<'a> {
    /// Makes options with the default level, the time 0, and one thread. The fields can be assigned afterwards.
    ///
    /// `name` must be a bare file name of 1 to [`MAX_NAME_LEN`](crate::MAX_NAME_LEN) bytes
    /// ([`check_name`](baler_manifest::check_name)).
    pub fn new(name: &'a str, key: &'a CipherKey, iv: &'a CipherIv) -> PackOptions<'a> {
        PackOptions { name, key, iv, level: Level::DEFAULT, mtime: 0, jobs: 1 }
    }
}

/// The values of the manifest that describe the parts that were made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// The SHA-1 of the archive, which the format calls the image's digest.
    pub digest: Sha1Digest,
    /// The image's length in bytes, holes included.
    pub size: u64,
    /// The sum of the parts' lengths in bytes.
    pub bundled_size: u64,
    /// The parts in their order.
    pub parts: Vec<Part>,
}

/// The bytes that are read at a time, and between two events of the image's progress.
const STEP: usize = 1 << 20;

/// Returns the greatest length that a bundle of `image` can have, in bytes.
pub fn bundled_size_bound(image: &dyn Image) -> u64 {
    let member = Member { name: "", mtime: 0, len: image.len(), extents: image.extents() };
    gzip::bound(member.archive_len()) + 16
}

/// Reads `image` once and hands its parts to `sink`, in their order.
///
/// The memory in use is bounded, whatever the image's length. `on_event` is called from several threads.
///
/// # Errors
///
/// Those of the image and of the sink, unchanged. Of kind `InvalidInput` if the name is empty or longer than
/// [`MAX_NAME_LEN`](crate::MAX_NAME_LEN), or if the image's extents do not fit its length.
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

/// The number of MiB of an image that are compressed to estimate the whole.
const SAMPLES: u64 = 24;

/// Estimates the length of the bundle of `image` in bytes, from a sample of its data.
///
/// The sample comes from all over the image, which must allow to be read again from its start afterwards: a
/// [`StreamImage`](baler_image::StreamImage) does not. 5 % are added, so that the estimate is rather too long than too
/// short.
///
/// # Errors
///
/// Those of the image.
pub fn estimate_bundled_size(image: &mut dyn Image, level: Level) -> io::Result<u64> {
    let bound = bundled_size_bound(image);
    let extents = image.extents().to_vec();
    let stored: u64 = extents.iter().map(|extent| extent.len).sum();
    let mut deflater = gzip::Deflater::new(level);
    let mut buffer = vec![0; STEP];
    let (mut taken, mut made) = (0u64, 0u64);
    for sample in 0..SAMPLES {
        // The position of the sample in the data, then in its extent.
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
