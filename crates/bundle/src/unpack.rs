//! Unpacking: parts become an image, or are only checked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;

use baler_image::{Discard, ImageSink};
use baler_manifest::{CipherIv, CipherKey, Contents};

use crate::parts::PartSource;
use crate::read::{archive, inflate, parts};
use crate::{Error, Event};

/// The most parts that are checked at the same time.
const MOST_CHECKERS: usize = 4;

/// The options of unpacking.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnpackOptions<'a> {
    /// The cipher key.
    pub key: &'a CipherKey,
    /// The initialisation vector.
    pub iv: &'a CipherIv,
    /// The number of threads that inflate a bundle that Baler made; 0 means 1. Other tools' bundles take one thread.
    pub jobs: usize,
}

impl<'a> UnpackOptions<'a> {
    /// Makes options with one thread. The fields can be assigned afterwards.
    pub fn new(key: &'a CipherKey, iv: &'a CipherIv) -> UnpackOptions<'a> {
        UnpackOptions { key, iv, jobs: 1 }
    }
}

/// Writes the image of the bundle that `contents` describes to `sink`, and commits it once its digest is right.
///
/// `contents` is trusted: check the manifest's signature first. Nothing else is. A part's digest is checked before any
/// byte of it is passed on. `on_event` is called from several threads.
///
/// # Errors
///
/// The first fault, in the order of the bundle; `sink` is then dropped without a commit.
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

/// The result of checking a whole bundle.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verification {
    /// An error for each part that is missing or differs from the manifest, and one if the lengths do not add up.
    pub parts: Vec<Error>,
    /// The check of the image in the parts; `None` if no key was given, or if a part is wrong.
    pub image: Option<Result<(), Error>>,
}

impl Verification {
    /// Says whether no fault was found.
    pub fn is_good(&self) -> bool {
        self.parts.is_empty() && !matches!(self.image, Some(Err(_)))
    }
}

/// Checks every part, and the image too if `options` are given. Nothing is written.
///
/// `jobs` is the number of threads that check parts, of which at most four are used. `on_event` is called from several
/// threads.
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

/// Checks the parts from index `first` on: they are read, and their SHA-1 is computed.
fn check_parts(
    contents: &Contents,
    first: usize,
    jobs: usize,
    source: &dyn PartSource,
    on_event: &(dyn Fn(Event) + Sync),
) -> Vec<Error> {
    let next = AtomicUsize::new(first);
    let found = Mutex::new(Checked::default());
    let check = || {
        loop {
            let index = next.fetch_add(1, Relaxed);
            let Some(part) = contents.parts.get(index) else { return };
            let result = parts::fetch_part(source, index, part);
            // A poisoned lock means that another thread panicked; the scope passes the panic on.
            let Ok(mut found) = found.lock() else { return };
            match result {
                Ok(data) => {
                    found.len += data.len() as u64;
                    on_event(Event::Part(data.len() as u64));
                }
                Err(error) => found.bad.push((index, error)),
            }
        }
    };
    // The disk limits the speed of more threads, and each may hold a part of the greatest length.
    std::thread::scope(|scope| {
        (0..jobs.clamp(1, MOST_CHECKERS)).for_each(|_| drop(scope.spawn(check)))
    });
    let Checked { len: actual, mut bad } = found.into_inner().unwrap_or_default();
    bad.sort_by_key(|(index, _)| *index);
    let mut bad: Vec<_> = bad.into_iter().map(|(_, error)| error).collect();
    let expected = contents.bundled_size;
    if first == 0 && bad.is_empty() && actual != expected {
        bad.push(Error::BundledSize { expected, actual });
    }
    bad
}

/// The parts that were checked.
#[derive(Default)]
struct Checked {
    /// The sum of the lengths of the good ones.
    len: u64,
    /// The bad ones, by index.
    bad: Vec<(usize, Error)>,
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
