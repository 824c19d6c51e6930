//! The sinks that need no device: a file, a stream, memory, nothing.

#![expect(clippy::unwrap_used, reason = "a test")]

mod suite;

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    sync::{Arc, Mutex},
};

use baler_image::{Discard, Error, Extent, FileSink, ImageSink, Memory, MemorySink, StreamSink};

/// A writer into a shared vector, which takes few bytes at a time, as a pipe does.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let taken = buf.len().min(65_535);
        self.0.lock().unwrap().extend_from_slice(&buf[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Writes a small image and commits it.
fn finish(mut sink: FileSink) -> io::Result<()> {
    sink.begin(5, None)?;
    sink.write_at(b"image", 0)?;
    Box::new(sink).commit()
}

#[test]
fn a_file_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    suite::run(|step| {
        count += 1;
        let path = dir.path().join(format!("{count}.img"));
        step(Box::new(FileSink::create(&path, false).unwrap())).then(|| fs::read(path).unwrap())
    });
    assert!(names(dir.path()).iter().all(|name| name.ends_with(".img")));
}

#[test]
fn a_file_that_is_overwritten_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    suite::run(|step| {
        fs::write(&path, vec![0xaa; suite::LARGEST as usize]).unwrap();
        step(Box::new(FileSink::create(&path, true).unwrap())).then(|| fs::read(&path).unwrap())
    });
}

#[test]
fn a_stream_passes_the_suite() {
    suite::run(|step| {
        let written = Shared::default();
        let is_complete = step(Box::new(StreamSink::new(written.clone())));
        is_complete.then(|| written.0.lock().unwrap().clone())
    });
}

#[test]
fn memory_passes_the_suite_and_changes_only_with_the_commit() {
    suite::run(|step| {
        let mut image = Memory::dense([0xaa; 100]);
        if step(Box::new(MemorySink::new(&mut image))) {
            return Some(image.into_bytes());
        }
        assert_eq!(image, Memory::dense([0xaa; 100]));
        None
    });
}

#[test]
fn an_image_that_no_memory_can_hold_is_refused() {
    let mut image = Memory::default();
    let error = MemorySink::new(&mut image).begin(u64::MAX, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    let message = "an image of 16.0 EiB (18446744073709551615 bytes) does not fit in memory";
    assert_eq!(error.to_string(), message);
}

#[test]
fn nothing_passes_the_suite() {
    suite::run(|step| {
        step(Box::new(Discard::new()));
        None
    });
}

#[test]
fn a_file_has_its_name_only_when_it_is_complete_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let sink = FileSink::create(&path, false).unwrap();
    let temporary = names(dir.path());
    assert!(temporary[0].starts_with(".disk.img.") && temporary[0].ends_with(".partial"));
    drop(sink);
    assert!(names(dir.path()).is_empty());

    finish(FileSink::create(&path, false).unwrap()).unwrap();
    assert_eq!(names(dir.path()), ["disk.img"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_file_that_is_there_is_kept_unless_it_is_to_be_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    // The file appears after the sink was created.
    let late = FileSink::create(&path, false).unwrap();
    fs::write(&path, "mine").unwrap();
    let error = finish(late).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), format!("cannot complete `{}`", path.display()));
    assert_eq!(names(dir.path()), ["disk.img"]);
    // The file exists before.
    let error = FileSink::create(&path, false).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }));
    assert_eq!(error.to_string(), format!("`{}` exists already", path.display()));
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    finish(FileSink::create(&path, true).unwrap()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"image");
    assert_eq!(names(dir.path()), ["disk.img"]);
}

#[test]
fn a_symbolic_link_is_followed_to_the_file_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    symlink("file", &link).unwrap();
    // The file that it points to does not exist.
    assert!(matches!(FileSink::create(&link, false), Err(Error::Exists { .. })));
    fs::write(&file, "mine").unwrap();
    assert!(matches!(FileSink::create(&link, false), Err(Error::Exists { .. })));
    finish(FileSink::create(&link, true).unwrap()).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"image");
}

#[test]
fn a_target_that_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| FileSink::create(path, true).unwrap_err().to_string();
    let path = dir.path().display();
    assert_eq!(message(dir.path()), format!("`{path}` is a directory, not a file"));
    assert_eq!(message(Path::new("/")), "`/` is a directory, not a file");
    assert_eq!(message(Path::new("/dev/null")), "`/dev/null` is a character device, not a file");
    let none = dir.path().join("none");
    assert_eq!(
        message(&none.join("disk.img")),
        format!("cannot create a temporary file in `{}`", none.display())
    );
}

#[test]
fn a_file_is_sparse_where_the_data_is_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let mut sink = Box::new(FileSink::create(&path, false).unwrap());
    let len = 64 << 20;
    sink.begin(len, None).unwrap();
    let mut data = vec![0; 8 << 20];
    data[4 << 20] = 1;
    sink.write_at(&data, 16 << 20).unwrap();
    sink.commit().unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), len);
    // st_blocks counts 512 bytes, whatever the file system's block.
    assert!(metadata.blocks() * 512 <= 64 * 1024, "{} blocks", metadata.blocks());
    let mut byte = [0];
    File::open(&path).unwrap().read_exact_at(&mut byte, 20 << 20).unwrap();
    assert_eq!(byte, [1]);
}

#[test]
fn an_image_that_the_file_system_has_no_room_for_is_refused_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let begin = |len, data| {
        let mut sink = FileSink::create(&path, false).unwrap();
        sink.begin(len, Some(&[Extent { offset: 0, len: data }]))
    };
    // Holes need no room.
    begin(1 << 40, 4096).unwrap();
    let error = begin(1 << 60, 1 << 60).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let message = error.to_string();
    assert!(message.starts_with(&format!("`{}` has ", dir.path().display())), "{message}");
    let needed = "of free space, the image needs 1.0 EiB (1152921504606846976 bytes)";
    assert!(message.ends_with(needed), "{message}");
    // A length that no file can have.
    let error = begin(u64::MAX, 0).unwrap_err();
    assert!(error.to_string().starts_with("cannot make `"), "{error}");
    assert!(names(dir.path()).is_empty());
}
