//! A bundle in a directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use baler_manifest::Manifest;
use rustix::fs::{CWD, RenameFlags};
use tempfile::TempDir;

use crate::parts::{MAX_PART_LEN, PartSink, PartSource, SealedPart};

/// The file name of the manifest of the bundle of that name.
pub fn manifest_filename(name: &str) -> String {
    format!("{name}.manifest.xml")
}

/// A new bundle on its way into a directory.
///
/// All of it is written into a hidden directory beside its final place, `.<name>.<random>.partial`, and moved by
/// [`commit`](DirectorySink::commit), the manifest last. Dropped without, it removes what it wrote.
#[derive(Debug)]
pub struct DirectorySink {
    directory: PathBuf,
    staging: TempDir,
    name: String,
    overwrite: bool,
    filenames: Vec<String>,
    syncer: Option<Syncer>,
}

impl DirectorySink {
    /// Prepares for the bundle `name` in `directory`.
    ///
    /// # Errors
    /// `AlreadyExists` where the directory has files of a bundle of that name, unless they may be overwritten; else
    /// what creating a directory there says.
    pub fn create(directory: &Path, name: &str, overwrite: bool) -> io::Result<DirectorySink> {
        if !overwrite && let Some(found) = existing(directory, name)? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("`{}` exists", found.display()),
            ));
        }
        let staging = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .tempdir_in(directory)?;
        let (directory, name) = (directory.to_owned(), name.to_owned());
        Ok(DirectorySink {
            directory,
            staging,
            name,
            overwrite,
            filenames: Vec::new(),
            syncer: Some(Syncer::start()),
        })
    }

    /// Moves the parts into place, and then the manifest; gives the manifest's path.
    ///
    /// Of a bundle that is overwritten the manifest goes first: at no time does one stand beside parts that are not its own.
    pub fn commit(mut self, manifest: &str) -> io::Result<PathBuf> {
        if let Some(syncer) = self.syncer.take() {
            syncer.finish()?;
        }
        let filename = manifest_filename(&self.name);
        let path = self.directory.join(&filename);
        let staged = self.staging.path().join(&filename);
        write_new(&staged, manifest.as_bytes())?.sync_all()?;

        let stale =
            if self.overwrite { remove_manifest(&path, &self.filenames)? } else { Vec::new() };
        let mut moved = Vec::new();
        let result = self.move_all(&mut moved).and_then(|()| {
            for filename in stale {
                remove_if_there(&self.directory.join(filename))?;
            }
            sync_directory(&self.directory)?;
            self.move_one(&staged, &path)?;
            sync_directory(&self.directory)
        });
        if result.is_err() {
            for path in moved {
                // The first error is the one to tell.
                let _ = std::fs::remove_file(path);
            }
        }
        result.map(|()| path)
    }

    fn move_all(&self, moved: &mut Vec<PathBuf>) -> io::Result<()> {
        for filename in &self.filenames {
            let path = self.directory.join(filename);
            self.move_one(&self.staging.path().join(filename), &path)?;
            moved.push(path);
        }
        Ok(())
    }

    fn move_one(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.overwrite {
            return std::fs::rename(from, to);
        }
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot promise it: the directory was looked through before.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
                std::fs::rename(from, to)
            }
            result => Ok(result?),
        }
    }
}

impl PartSink for DirectorySink {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        let file = write_new(&self.staging.path().join(&part.filename), &part.data)?;
        self.filenames.push(part.filename);
        self.syncer.as_ref().map_or(Ok(()), |syncer| syncer.sync(file))
    }
}

/// A file of a bundle of that name, whole or not.
fn existing(directory: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let (manifest, part) = (manifest_filename(name), format!("{name}.part."));
    for entry in std::fs::read_dir(directory)? {
        let filename = entry?.file_name();
        let is_index = |index: &[u8]| !index.is_empty() && index.iter().all(u8::is_ascii_digit);
        let bytes = filename.as_encoded_bytes();
        if bytes == manifest.as_bytes() || bytes.strip_prefix(part.as_bytes()).is_some_and(is_index)
        {
            return Ok(Some(directory.join(filename)));
        }
    }
    Ok(None)
}

/// Removes a manifest; gives the parts that it lists and the new bundle does not have.
fn remove_manifest(path: &Path, new: &[String]) -> io::Result<Vec<String>> {
    let listed = match std::fs::read(path) {
        Ok(text) => Manifest::parse(&text).map_or(Vec::new(), |old| old.contents().parts.clone()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    remove_if_there(path)?;
    Ok(listed
        .into_iter()
        .map(|part| part.filename)
        .filter(|filename| !new.contains(filename))
        .collect())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn write_new(path: &Path, data: &[u8]) -> io::Result<File> {
    let mut file = File::create_new(path)?;
    file.write_all(data)?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes parts durable while the next ones are made, so that the commit need not wait for all of them.
#[derive(Debug)]
struct Syncer {
    files: SyncSender<File>,
    thread: JoinHandle<io::Result<()>>,
}

impl Syncer {
    fn start() -> Syncer {
        let (files, waiting) = sync_channel::<File>(64);
        let thread =
            std::thread::spawn(move || waiting.into_iter().try_for_each(|file| file.sync_all()));
        Syncer { files, thread }
    }

    /// An error of an earlier file may be told here, or by `finish`.
    fn sync(&self, file: File) -> io::Result<()> {
        // The thread ends early only if a file could not be made durable; `finish` has the reason.
        let _ = self.files.send(file);
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        drop(self.files);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The parts in a directory.
#[derive(Clone, Debug)]
pub struct DirectorySource {
    directory: PathBuf,
}

impl DirectorySource {
    /// The parts that lie in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> DirectorySource {
        DirectorySource { directory: directory.into() }
    }
}

impl PartSource for DirectorySource {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        // The manifest's reader refuses such names too; this is the place where they would do harm.
        if Path::new(filename).file_name() != Some(filename.as_ref()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no bare file name"));
        }
        // A named pipe must not hold the reader up.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(self.directory.join(filename))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        if metadata.len() > MAX_PART_LEN as u64 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has {} bytes", metadata.len()),
            ));
        }
        let mut data = Vec::with_capacity(metadata.len() as usize);
        file.take(MAX_PART_LEN as u64 + 1).read_to_end(&mut data)?;
        Ok(data)
    }
}
