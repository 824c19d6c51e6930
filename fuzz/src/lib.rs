//! What the targets share: a bundle in memory around bytes that a stranger made, and a sink that minds what it is given.

use std::collections::HashSet;
use std::io;

use aes::Aes128;
use aes::cipher::{Array, BlockModeEncrypt, KeyIvInit};
use baler_bundle::{Error, PartSource, Salvage, UnpackOptions, salvage, unpack};
use baler_image::{Extent, ImageSink};
use baler_manifest::{Bundler, CipherIv, CipherKey, Contents, Part, Sha1Digest};
use sha1::{Digest as _, Sha1};

/// Odd, so that parts end in the middle of a block of the cipher.
const PART: usize = 1021;

/// A bundle whose parts are what their digests say: what is behind them is the stranger's.
pub struct Bundle {
    contents: Contents,
    parts: Vec<Vec<u8>>,
    missing: HashSet<usize>,
}

fn key() -> (CipherKey, CipherIv) {
    (CipherKey::new([7; 16]), CipherIv::new([9; 16]))
}

fn sha1(bytes: &[u8]) -> Sha1Digest {
    Sha1Digest::new(Sha1::digest(bytes).into())
}

impl Bundle {
    /// Of an image of `size` bytes, from the archive whose digest the manifest gives and the gzip stream, padding included.
    /// What goes beyond a multiple of the cipher's block is not encrypted.
    pub fn new(size: u64, archive: &[u8], mut stream: Vec<u8>) -> Bundle {
        let (key, iv) = key();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut stream);
        cbc::Encryptor::<Aes128>::new(key.bytes().into(), iv.bytes().into()).encrypt_blocks(blocks);
        let mut parts: Vec<Vec<u8>> = stream.chunks(PART).map(<[u8]>::to_vec).collect();
        parts.resize(parts.len().max(1), Vec::new());
        let account = "123456789012".parse().expect("twelve digits");
        let mut contents = Contents::draft(Bundler::default(), "fuzz", &account, "x86_64".into());
        (contents.digest, contents.size) = (sha1(archive), size);
        contents.bundled_size = stream.len() as u64;
        contents.parts = parts
            .iter()
            .enumerate()
            .map(|(i, part)| Part { filename: i.to_string(), digest: sha1(part) })
            .collect();
        Bundle { contents, parts, missing: HashSet::new() }
    }

    /// Opens it with one thread and with three, which must agree, and gives the runs of data that were written.
    pub fn open(&self) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let alone = self.open_with(1);
        let together = self.open_with(3);
        match (&alone, &together) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other, "the image depends on the number of threads")
            }
            (Err(_), Err(_)) => {}
            _ => panic!("one thread says {alone:?}, three say {together:?}"),
        }
        alone
    }

    /// Spoils one part: it is cut there, has a wrong byte there, or is not there at all.
    pub fn spoil(&mut self, index: usize, at: usize, kind: u8) {
        let index = index % self.parts.len();
        let part = &mut self.parts[index];
        let at = at % part.len().max(1);
        match kind % 4 {
            0 => drop(self.missing.insert(index)),
            1 => part.truncate(at),
            2 => part.iter_mut().skip(at).for_each(|byte| *byte ^= 0x55),
            _ => part.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= kind | 1),
        }
    }

    /// Salvages it, and gives the runs of data that were written as well.
    pub fn salvage(&self) -> Result<(Salvage, Vec<(u64, Vec<u8>)>), Error> {
        let (key, iv) = key();
        let mut kept = None;
        let sink = self.sink(&mut kept);
        let options = UnpackOptions::new(&key, &iv);
        let result = salvage(&self.contents, &options, self, Box::new(sink), &|_| {});
        assert_eq!(
            result.is_ok(),
            kept.is_some(),
            "what is committed is what is told of: {result:?}"
        );
        result.map(|found| (found, kept.unwrap_or_default()))
    }

    fn sink<'a>(&self, kept: &'a mut Option<Vec<(u64, Vec<u8>)>>) -> Sink<'a> {
        let size = self.contents.size;
        Sink { size, begun: false, known: None, end: 0, runs: Vec::new(), kept }
    }

    fn open_with(&self, jobs: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let (key, iv) = key();
        let mut kept = None;
        let sink = self.sink(&mut kept);
        let mut options = UnpackOptions::new(&key, &iv);
        options.jobs = jobs;
        let result = unpack(&self.contents, &options, self, Box::new(sink), &|_| {});
        assert_eq!(
            result.is_ok(),
            kept.is_some(),
            "what is committed is what is right: {result:?}"
        );
        result.map(|()| kept.unwrap_or_default())
    }
}

impl PartSource for Bundle {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        let index: usize = filename.parse().expect("a part of the manifest");
        if self.missing.contains(&index) {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(self.parts[index].clone())
        }
    }
}

/// Insists on everything that [`ImageSink`] promises to a sink.
struct Sink<'a> {
    size: u64,
    begun: bool,
    known: Option<Vec<Extent>>,
    end: u64,
    runs: Vec<(u64, Vec<u8>)>,
    kept: &'a mut Option<Vec<(u64, Vec<u8>)>>,
}

impl ImageSink for Sink<'_> {
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()> {
        assert!(!self.begun && len == self.size, "begun once, with the length that was signed");
        self.begun = true;
        self.known = extents.map(<[Extent]>::to_vec);
        Ok(())
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        assert!(self.begun && offset >= self.end, "writes ascend");
        let end = offset + data.len() as u64;
        assert!(end <= self.size, "nothing is written past the end");
        match self.runs.last_mut() {
            Some((_, run)) if offset == self.end => run.extend_from_slice(data),
            _ => self.runs.push((offset, data.to_vec())),
        }
        self.end = end;
        Ok(())
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        assert!(self.begun);
        *self.kept = Some(self.runs);
        Ok(())
    }
}
