//! Objects in a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use crate::error::{Error, Kind};
use crate::object::{Acl, CopySource, ListedObject, Meta, Put, sha1_of};
use crate::store::Store;

/// A directory. Names are paths below it; links are followed where they are files, never in a name's directories.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The objects in `path`, which exists.
    pub fn new(path: impl Into<PathBuf>) -> Directory {
        Directory { path: path.into() }
    }

    /// The path of an object; names that would lead out of the directory are refused.
    fn path(&self, operation: &'static str, name: &str) -> Result<PathBuf, Error> {
        let is_plain = |component| matches!(component, Component::Normal(_));
        let is_name = !name.is_empty()
            && !name.contains('\0')
            && !name.ends_with('/')
            && Path::new(name).components().all(is_plain)
            && Path::new(name).components().collect::<PathBuf>().as_os_str() == name;
        if !is_name {
            let reason = format!("`{}` is no name of a file in it", name.escape_debug());
            return Err(Error::new(
                operation,
                self.path.display().to_string(),
                Kind::Refused,
                reason,
            ));
        }
        Ok(self.path.join(name))
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = self.path(operation, name)?;
        let on = path.display().to_string();
        let work = move || work(&path);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| Error::local(operation, on, &error)),
            Err(panic) => Err(Error::new(operation, on, Kind::Local, panic.to_string())),
        }
    }
}

#[async_trait]
impl Store for Directory {
    fn address(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn source(&self, name: &str) -> CopySource {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        CopySource {
            service: "file".to_owned(),
            path: path.join(name).to_string_lossy().into_owned(),
        }
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        if sha1_of(&data) != put.sha1 {
            return Err(Error::new(
                "writing",
                self.address(name),
                Kind::Mismatch,
                "its SHA-1 is another one",
            ));
        }
        let overwrite = put.overwrite;
        self.run("writing", name, move |path| write(path, &data, overwrite)).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        let read = self.run("reading", name, move |path| read(path, range, most)).await?;
        read.map_err(|len| {
            Error::new("reading", self.address(name), Kind::TooLarge, format!("it has {len} bytes"))
        })
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        let found = self.run("reading", name, |path| {
            let mut file = open(path)?;
            let mut digest = Sha1::new();
            let len = io::copy(&mut file, &mut Hashed(&mut digest))?;
            Ok(Meta { len, sha1: Some(digest.finalize().into()), md5: None })
        });
        match found.await {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        let (top, prefix) = (self.path.clone(), prefix.to_owned());
        let on = top.display().to_string();
        let work = move || {
            let mut found = Vec::new();
            walk(&top, "", &prefix, &mut found)?;
            found.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(found)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error: io::Error| Error::local("listing", on, &error)),
            Err(panic) => Err(Error::new("listing", on, Kind::Local, panic.to_string())),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let removed = self.run("removing", name, |path| fs::remove_file(path)).await;
        match removed {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            result => result,
        }
    }

    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        if from.service != "file" {
            return Err(Error::new(
                "copying",
                self.address(name),
                Kind::Unsupported,
                "it comes from elsewhere",
            ));
        }
        let path = PathBuf::from(&from.path);
        let on = from.path.clone();
        let data = match tokio::task::spawn_blocking(move || read(&path, None, u64::MAX)).await {
            Ok(Ok(Ok(data))) => data,
            Ok(Ok(Err(_))) => {
                return Err(Error::new("reading", on, Kind::TooLarge, "it is too large"));
            }
            Ok(Err(error)) => return Err(Error::local("reading", on, &error)),
            Err(panic) => return Err(Error::new("reading", on, Kind::Local, panic.to_string())),
        };
        self.put(name, data, put).await
    }

    /// A directory's own rules hold: nothing is done.
    async fn grant(&self, name: &str, _: Acl) -> Result<(), Error> {
        self.run("granting", name, |path| fs::metadata(path).map(|_| ())).await
    }
}

struct Hashed<'a>(&'a mut Sha1);

impl Write for Hashed<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a regular file; a named pipe must not hold the reader up.
fn open(path: &Path) -> io::Result<File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// The bytes or, if there are more than `most`, their number.
fn read(path: &Path, range: Option<Range<u64>>, most: u64) -> io::Result<Result<Bytes, u64>> {
    let file = open(path)?;
    let len = file.metadata()?.len();
    let Range { start, end } = range.unwrap_or(0..len.max(1));
    let end = if len == 0 { 0 } else { end.min(len) };
    if start > 0 && start >= end {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the range lies behind its end"));
    }
    if end - start > most {
        return Ok(Err(end - start));
    }
    let mut data = vec![0; (end - start) as usize];
    file.read_exact_at(&mut data, start)?;
    // It may grow while it is read.
    if start == 0 && end == len && file.read_at(&mut [0], end)? > 0 {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok(Ok(data.into()))
}

/// Writes beside its place, and moves it there.
fn write(path: &Path, data: &[u8], overwrite: bool) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // As readable as any other new file.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        .permissions(permissions)
        .tempfile_in(directory)?;
    file.write_all(data)?;
    file.as_file().sync_all()?;
    if overwrite {
        file.persist(path)?;
    } else if let Err(error) = file.persist_noclobber(path) {
        let mut old = Vec::new();
        let is_same = error.error.kind() == io::ErrorKind::AlreadyExists
            && open(path)?.take(data.len() as u64 + 1).read_to_end(&mut old).is_ok()
            && old == data;
        return if is_same { Ok(()) } else { Err(error.error) };
    }
    File::open(directory)?.sync_all()
}

fn walk(
    directory: &Path,
    before: &str,
    prefix: &str,
    found: &mut Vec<ListedObject>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // A name that is not text cannot be an object here.
        let Some(name) = entry.file_name().to_str().map(|name| format!("{before}{name}")) else {
            continue;
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let below = format!("{name}/");
            if below.starts_with(prefix) || prefix.starts_with(&below) {
                walk(&entry.path(), &below, prefix, found)?;
            }
        } else if name.starts_with(prefix) && !name.ends_with(".partial") {
            let metadata = match fs::metadata(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_file() {
                found.push(ListedObject { name, len: metadata.len() });
            }
        }
    }
    Ok(())
}
