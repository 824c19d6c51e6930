//! A bundle in a directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use baler_manifest::Part;
use rustix::fs::{CWD, RenameFlags};
use tempfile::TempDir;

use crate::parts::{MAX_PART_LEN, PartNames, PartSink, PartSource, SealedPart};

/// Returns the file name of the manifest of a bundle: `<name>.manifest.xml`.
pub fn manifest_filename(name: &str) -> String {
    format!("{name}.manifest.xml")
}

/// A sink that makes a bundle in a directory.
///
/// The files are written into a hidden directory there, `.<name>.<random>.partial`, and moved by
/// [`commit`](DirectorySink::commit), the manifest last. A drop without commit removes them.
#[derive(Debug)]
pub struct DirectorySink {
    directory: PathBuf,
    staging: TempDir,
    name: String,
    manifest: String,
    overwrite: bool,
    filenames: Vec<String>,
    syncer: Option<Syncer>,
}

impl DirectorySink {
    /// Creates the hidden directory for the bundle `name` in `directory`.
    ///
    /// # Errors
    ///
    /// Of kind `AlreadyExists` if `directory` holds files of a bundle of that name and `overwrite` is not set; else the
    /// error of reading `directory` or of creating a directory in it.
    pub fn create(directory: &Path, name: &str, overwrite: bool) -> io::Result<DirectorySink> {
        if !overwrite && let Some(found) = bundle_files(directory, name)?.into_iter().next() {
            let message = format!("`{}` exists", found.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let staging = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .tempdir_in(directory)?;
        let (directory, name) = (directory.to_owned(), name.to_owned());
        let (filenames, syncer) = (Vec::new(), Some(Syncer::start()));
        let manifest = manifest_filename(&name);
        Ok(DirectorySink { directory, staging, name, manifest, overwrite, filenames, syncer })
    }

    /// Changes the file name of the manifest from `<name>.manifest.xml` to `filename`.
    pub fn with_manifest(self, filename: &str) -> DirectorySink {
        DirectorySink { manifest: filename.to_owned(), ..self }
    }

    /// Renames the parts to the classic tools' names, in which the index has the width of the greatest one. The names
    /// of [`pack`](crate::pack) may be wider, because the count was not known.
    ///
    /// # Errors
    ///
    /// Those of renaming. After one, some parts have their new names and some have not: drop the sink.
    pub fn renumber(&mut self, parts: &mut [Part]) -> io::Result<()> {
        let names = PartNames::of_count(&self.name, parts.len());
        for (index, (part, filename)) in parts.iter_mut().zip(&mut self.filenames).enumerate() {
            let name = names.name(index);
            if *filename != name {
                let staging = self.staging.path();
                std::fs::rename(staging.join(&*filename), staging.join(&name))?;
                part.filename.clone_from(&name);
                *filename = name;
            }
        }
        Ok(())
    }

    /// Moves the parts into place, then the manifest; returns the path of the manifest.
    ///
    /// The manifest of a bundle that is overwritten is removed first, so that a manifest is never beside parts of
    /// another bundle.
    ///
    /// # Errors
    ///
    /// Those of syncing, removing and moving files. The files that were moved are removed again, unless an old bundle
    /// was overwritten: then the new one is kept, and the error says where the rest of it is.
    pub fn commit(mut self, manifest: &str) -> io::Result<PathBuf> {
        if let Some(syncer) = self.syncer.take() {
            syncer.finish()?;
        }
        let path = self.directory.join(&self.manifest);
        let staged = self.staging.path().join(&self.manifest);
        write_new(&staged, manifest.as_bytes())?.sync_all()?;

        let stale = if self.overwrite { self.make_way(&path)? } else { Vec::new() };
        let mut moved = Vec::new();
        let result = self.move_all(&mut moved, &stale).and_then(|()| {
            self.move_one(&staged, &path)?;
            sync_directory(&self.directory)
        });
        match result {
            Ok(()) => Ok(path),
            Err(error) if self.overwrite => {
                let kept = self.staging.keep();
                let kept = kept.display();
                Err(failed(format!("moving the new bundle, whose rest is in `{kept}`"), error))
            }
            Err(error) => {
                for path in moved {
                    // The first error is reported.
                    let _ = std::fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    /// Removes the old manifest; returns the old parts that will not be replaced.
    fn make_way(&self, manifest: &Path) -> io::Result<Vec<PathBuf>> {
        let old = bundle_files(&self.directory, &self.name)?;
        for path in &old {
            if path.symlink_metadata()?.is_dir() {
                return Err(at(path, io::ErrorKind::IsADirectory.into()));
            }
        }
        match std::fs::remove_file(manifest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(manifest, error));
            }
            _ => sync_directory(&self.directory)?,
        }
        // If the new manifest has another name than the old one, the old files belong to another bundle.
        let is_own = manifest.ends_with(manifest_filename(&self.name));
        let is_stale = |path: &PathBuf| {
            is_own && path != manifest && !self.filenames.iter().any(|new| path.ends_with(new))
        };
        Ok(old.into_iter().filter(is_stale).collect())
    }

    fn move_all(&self, moved: &mut Vec<PathBuf>, stale: &[PathBuf]) -> io::Result<()> {
        for filename in &self.filenames {
            let path = self.directory.join(filename);
            self.move_one(&self.staging.path().join(filename), &path)?;
            moved.push(path);
        }
        for path in stale {
            std::fs::remove_file(path).map_err(|error| at(path, error))?;
        }
        sync_directory(&self.directory)
    }

    fn move_one(&self, from: &Path, to: &Path) -> io::Result<()> {
        let result = if self.overwrite {
            std::fs::rename(from, to)
        } else {
            match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // The file system does not support this flag. `create` has checked the directory.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
                    std::fs::rename(from, to)
                }
                result => result.map_err(io::Error::from),
            }
        };
        result.map_err(|error| at(to, error))
    }
}

/// An error with the file or directory that it is about, and the error below it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Failed {
    what: String,
    source: io::Error,
}

fn failed(what: String, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { what, source })
}

/// Adds a path to an error.
fn at(path: &Path, error: io::Error) -> io::Error {
    failed(format!("`{}`", path.display()), error)
}

impl PartSink for DirectorySink {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        let file = write_new(&self.staging.path().join(&part.filename), &part.data)?;
        self.filenames.push(part.filename);
        match self.syncer.take() {
            Some(syncer) if syncer.files.send(file).is_ok() => self.syncer = Some(syncer),
            // The thread ends early only if a part could not be synced.
            Some(syncer) => syncer.finish()?,
            None => {}
        }
        Ok(())
    }
}

/// Finds the hidden directories in `directory` that killed runs left behind: `.<name>.<random>.partial`. Files of that
/// form, which a [`FileSink`](baler_image::FileSink) leaves behind, are found too.
///
/// # Errors
///
/// Those of reading the directory.
pub fn leftovers(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_left = |name: &str| name.starts_with('.') && name.ends_with(".partial");
    let entries = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let left = entries.iter().filter(|entry| entry.file_name().to_str().is_some_and(is_left));
    Ok(left.map(std::fs::DirEntry::path).collect())
}

/// Finds the files in `directory` that have the names of a bundle's files: its manifest and parts of any index, sorted.
///
/// # Errors
///
/// Those of reading the directory.
pub fn bundle_files(directory: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let filename = entry?.file_name();
        if filename.to_str().is_some_and(|filename| is_bundle_file(filename, name)) {
            found.push(directory.join(filename));
        }
    }
    found.sort();
    Ok(found)
}

/// Says whether a file name is that of the manifest or of a part, of any index, of the bundle `name`.
pub fn is_bundle_file(filename: &str, name: &str) -> bool {
    filename == manifest_filename(name) || part_of(filename) == Some(name)
}

/// Returns the name of the bundle that a file is a part of, if the file is called `<name>.part.<index>`.
pub fn part_of(filename: &str) -> Option<&str> {
    let (name, index) = filename.rsplit_once(".part.")?;
    let is_index = !index.is_empty() && index.bytes().all(|c| c.is_ascii_digit());
    is_index.then_some(name)
}

fn write_new(path: &Path, data: &[u8]) -> io::Result<File> {
    let mut file = File::create_new(path)?;
    file.write_all(data)?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A thread that syncs parts to the disk while the next ones are made, so that the commit does not wait for all of
/// them.
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

    fn finish(self) -> io::Result<()> {
        drop(self.files);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A source of the parts in a directory.
#[derive(Clone, Debug)]
pub struct DirectorySource {
    directory: PathBuf,
}

impl DirectorySource {
    /// Makes a source of the parts in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> DirectorySource {
        DirectorySource { directory: directory.into() }
    }
}

impl PartSource for DirectorySource {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        // The manifest's reader refuses such names too; here they would do harm.
        if Path::new(filename).file_name() != Some(filename.as_ref()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name is not a bare file name",
            ));
        }
        // Opening a named pipe must not block.
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
