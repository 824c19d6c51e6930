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
    manifest: String,
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

    /// The same with another file name for the manifest than `<name>.manifest.xml`.
    pub fn with_manifest(self, filename: &str) -> DirectorySink {
        DirectorySink { manifest: filename.to_owned(), ..self }
    }

    /// Gives the parts the names that they have where the count is known: padded to its width, as the classic tools do.
    ///
    /// # Errors
    /// Those of renaming. What is renamed by then stays so, and the sink is good for nothing but to be dropped.
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

    /// Moves the parts into place, and then the manifest; gives the manifest's path.
    ///
    /// Of a bundle that is overwritten the manifest goes first: at no time does one stand beside parts that are not its own.
    ///
    /// # Errors
    /// Where a file could not be moved, what was moved is removed again. Not so once the old bundle has gone: then the
    /// new one is kept, in part where it was written, and the error says where.
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
                let message =
                    format!("{error}; the rest of the new bundle is in `{}`", kept.display());
                Err(io::Error::new(error.kind(), message))
            }
            Err(error) => {
                for path in moved {
                    // The first error is the one to tell.
                    let _ = std::fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    /// Removes the old manifest; gives the old parts that will not be replaced.
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
        // Under another name for the manifest it is another bundle that the old files belong to.
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
                // A file system that cannot promise it: the directory was looked through before.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
                    std::fs::rename(from, to)
                }
                result => result.map_err(io::Error::from),
            }
        };
        result.map_err(|error| at(to, error))
    }
}

/// The same error, with the path in it.
fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

impl PartSink for DirectorySink {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        let file = write_new(&self.staging.path().join(&part.filename), &part.data)?;
        self.filenames.push(part.filename);
        match self.syncer.take() {
            Some(syncer) if syncer.files.send(file).is_ok() => self.syncer = Some(syncer),
            // It ends early only if a part could not be made durable.
            Some(syncer) => syncer.finish()?,
            None => {}
        }
        Ok(())
    }
}

/// What runs that were ended hard have left in `directory`: `.<name>.<random>.partial`.
pub fn leftovers(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_left = |name: &str| name.starts_with('.') && name.ends_with(".partial");
    let entries = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let left = entries.iter().filter(|entry| entry.file_name().to_str().is_some_and(is_left));
    Ok(left.map(std::fs::DirEntry::path).collect())
}

/// The files in `directory` that a bundle of that name would have: its manifest and its parts, of whatever count.
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

/// Whether a file of that name would be the manifest or a part, of whatever index, of the bundle `name`.
pub fn is_bundle_file(filename: &str, name: &str) -> bool {
    filename == manifest_filename(name) || part_of(filename) == Some(name)
}

/// The name of the bundle that a file is a part of, if it is called as parts are: `<name>.part.<index>`.
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
