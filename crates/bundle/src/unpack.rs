//! Parts become an image, or are only checked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;

use baler_image::{Discard, ImageSink};
use baler_manifest::{CipherIv, CipherKey, Contents};

use crate::parts::PartSource;
use crate::read::{archive, inflate, parts};
use crate::{Error, Event};

/// How many parts are checked at the same time.
const MOST_CHECKERS: usize = 4;

/// What opens a bundle.
#[derive(Debug)]
pub struct UnpackOptions<'a> {
    /// The image's cipher key.
    pub key: &'a CipherKey,
    /// The image's initialisation vector.
    pub iv: &'a CipherIv,
    /// How many threads inflate where a bundle allows it, at least 1.
    pub jobs: usize,
}

/// Writes the image of the bundle that `contents` describes to `sink`, and commits it once its digest holds.
///
/// `contents` is trusted: check the manifest's signature first. Nothing else is. A part's digest is checked before
/// one byte of it goes further. `on_event` is called from several threads.
///
/// # Errors
/// The first thing that is wrong, in the order of the bundle; `sink` is then dropped without a commit.
pub fn unpack(
    contents: &Contents,
    options: &UnpackOptions<'_>,
    source: &dyn PartSource,
    mut sink: Box<dyn ImageSink + '_>,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    stream(contents, options, source, &mut *sink, on_event)?;
    sink.commit().map_err(Error::Sink)
}

/// What a check of a whole bundle has found.
#[derive(Debug)]
pub struct Verification {
    /// Each part that is missing or not what the manifest says, and whether their lengths add up.
    pub parts: Vec<Error>,
    /// Whether the parts become the image that the manifest speaks of; `None` if there was no key to see it, or a
    /// part is wrong.
    pub image: Option<Result<(), Error>>,
}

impl Verification {
    /// Whether nothing was found wrong.
    pub fn is_good(&self) -> bool {
        self.parts.is_empty() && !matches!(self.image, Some(Err(_)))
    }
}

/// Checks every part, and with the keys the image too, and writes nothing.
pub fn verify(
    contents: &Contents,
    options: Option<&UnpackOptions<'_>>,
    jobs: usize,
    source: &dyn PartSource,
    on_event: &(dyn Fn(Event) + Sync),
) -> Verification {
    let Some(options) = options else {
        return Verification {
            parts: check_parts(contents, 0, jobs, source, on_event),
            image: None,
        };
    };
    let image = stream(contents, options, source, &mut Discard::default(), on_event);
    let rest_from = match image {
        Ok(()) => contents.parts.len(),
        // Everything up to that part has been checked on the way.
        Err(Error::Part { index, .. } | Error::PartDigest { index, .. }) => index + 1,
        Err(_) => 0,
    };
    let mut parts = check_parts(contents, rest_from, jobs, source, on_event);
    match image {
        Err(error @ (Error::Part { .. } | Error::PartDigest { .. })) => {
            parts.insert(0, error);
            Verification { parts, image: None }
        }
        Err(Error::BundledSize { .. }) => Verification { parts, image: None },
        image => Verification { parts, image: Some(image) },
    }
}

/// Checks the parts from index `first` on, on all cores: this is reading and SHA-1, nothing else.
fn check_parts(
    contents: &Contents,
    first: usize,
    jobs: usize,
    source: &dyn PartSource,
    on_event: &(dyn Fn(Event) + Sync),
) -> Vec<Error> {
    let next = AtomicUsize::new(first);
    let found = Mutex::new((0, Vec::new()));
    let check = || {
        loop {
            let index = next.fetch_add(1, Relaxed);
            let Some(part) = contents.parts.get(index) else { return };
            let result = parts::fetch(source, index, part);
            // Poison means that another thread panicked; the scope passes that on.
            let Ok(mut found) = found.lock() else { return };
            match result {
                Ok(data) => {
                    found.0 += data.len() as u64;
                    on_event(Event::Part(data.len() as u64));
                }
                Err(error) => found.1.push((index, error)),
            }
        }
    };
    // More would not be faster than a disk, and each may hold a part of the greatest length.
    std::thread::scope(|scope| {
        (0..jobs.clamp(1, MOST_CHECKERS)).for_each(|_| drop(scope.spawn(check)))
    });
    let (actual, mut bad) = found.into_inner().unwrap_or_default();
    bad.sort_by_key(|(index, _)| *index);
    let mut bad: Vec<_> = bad.into_iter().map(|(_, error)| error).collect();
    let expected = contents.bundled_size;
    if first == 0 && bad.is_empty() && actual != expected {
        bad.push(Error::BundledSize { expected, actual });
    }
    bad
}

/// Runs the stages: parts are read, checked and decrypted on one thread, inflated on others, and written on this one.
fn stream(
    contents: &Contents,
    options: &UnpackOptions<'_>,
    source: &dyn PartSource,
    sink: &mut dyn ImageSink,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    let alone = AtomicBool::new(false);
    let cipher = parts::Decipher::new(options.key, options.iv);
    std::thread::scope(|scope| {
        let (to_inflate, plain) = sync_channel(1);
        let (to_archive, inflated) = sync_channel(4);
        scope.spawn(move || {
            let mut pass_on = |piece| to_inflate.send(piece).is_ok();
            parts::decrypt(contents, source, cipher, on_event, &mut pass_on);
        });
        inflate::spawn(scope, options.jobs, &alone, plain, to_archive);
        let mut next = || inflated.recv().ok();
        let digest = archive::read(archive::Stream::new(&mut next), contents.size, sink, on_event)?;
        if digest != contents.digest {
            return Err(Error::ImageDigest { expected: contents.digest, actual: digest });
        }
        Ok(())
    })
}
