//! Block devices: a loop device over a file. Needs root; prints `SKIPPED: why` without it.

#![expect(clippy::unwrap_used, reason = "a test")]

mod suite;

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
};

use baler_image::{DeviceSink, Error, Extent, FileImage, FileSink, Image, ImageSink};
use rustix::fs::{Mode, OFlags, open};
use tempfile::NamedTempFile;

/// A loop device, detached when dropped, also by a panic.
struct Loop {
    path: PathBuf,
    _backing: NamedTempFile,
}

fn losetup() -> Command {
    #[expect(clippy::disallowed_methods, reason = "only losetup(8) makes a loop device")]
    Command::new("losetup")
}

impl Loop {
    /// A device of `size` bytes that holds garbage, or why there can be none.
    fn attach(size: u64) -> Result<Loop, String> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Err("a loop device needs root".into());
        }
        let backing = NamedTempFile::new().unwrap();
        fs::write(backing.path(), vec![0xaa; size as usize]).unwrap();
        let output = losetup()
            .args(["--find", "--show"])
            .arg(backing.path())
            .output()
            .map_err(|error| format!("cannot run `losetup`: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let path = String::from_utf8(output.stdout).unwrap().trim().into();
        Ok(Loop { path, _backing: backing })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = losetup().arg("--detach").arg(&self.path).status();
    }
}

/// A device, or a line on the real standard error, which the test harness does not capture.
fn device(size: u64) -> Option<Loop> {
    // In one write, and on a line of its own whatever the harness is printing.
    let skip = |why| io::stderr().write_all(format!("\nSKIPPED: {why}\n").as_bytes()).unwrap();
    Loop::attach(size).map_err(skip).ok()
}

/// Claims the device as a mount does.
fn claim(path: &Path) -> impl Sized {
    open(path, OFlags::RDONLY | OFlags::EXCL, Mode::empty()).unwrap()
}

#[test]
fn a_device_passes_the_suite() {
    let size = suite::LARGEST + 65_536;
    let Some(device) = device(size) else { return };
    suite::run(|step| {
        fs::write(&device.path, vec![0xaa; size as usize]).unwrap();
        let is_complete = step(Box::new(DeviceSink::open(&device.path).unwrap()));
        is_complete.then(|| fs::read(&device.path).unwrap())
    });
}

#[test]
fn what_is_behind_the_image_is_left_alone() {
    let Some(device) = device(1 << 20) else { return };
    let mut sink = Box::new(DeviceSink::open(&device.path).unwrap());
    sink.begin(300_001, None).unwrap();
    sink.write_at(b"image", 0).unwrap();
    sink.commit().unwrap();
    let content = fs::read(&device.path).unwrap();
    assert_eq!(&content[..5], b"image");
    assert!(content[5..300_001].iter().all(|&byte| byte == 0));
    assert!(content[300_001..].iter().all(|&byte| byte == 0xaa));
}

#[test]
fn a_device_that_is_too_small_is_refused() {
    let Some(device) = device(1 << 20) else { return };
    let mut sink = DeviceSink::open(&device.path).unwrap();
    let error = sink.begin((1 << 20) + 1, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` has 1.0 MiB (1048576 bytes), the image needs 1.0 MiB (1048577 bytes)",
            device.path.display()
        )
    );
}

#[test]
fn a_device_in_use_is_refused_and_a_sink_claims_its_own() {
    let Some(device) = device(1 << 20) else { return };
    let image = FileImage::open(&device.path).unwrap();
    assert!(image.is_device());
    assert!(!image.is_in_use().unwrap());
    let claimed = claim(&device.path);
    assert!(image.is_in_use().unwrap());
    let error = DeviceSink::open(&device.path).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }));
    assert_eq!(error.to_string(), format!("`{}` is mounted or in use", device.path.display()));
    drop(claimed);
    let sink = DeviceSink::open(&device.path).unwrap();
    assert!(image.is_in_use().unwrap());
    drop(sink);
    assert!(!image.is_in_use().unwrap());
}

#[test]
fn a_device_is_an_image_whose_holes_are_its_zeros() {
    let Some(device) = device(1 << 20) else { return };
    let content = File::options().write(true).open(&device.path).unwrap();
    content.write_all_at(&[0; 3 * 65_536], 65_536).unwrap();
    content.write_all_at(b"x", 2 * 65_536 + 5000).unwrap();
    let mut image = FileImage::open(&device.path).unwrap();
    assert_eq!(image.len(), 1 << 20);
    let extents = [(0, 1), (2, 3), (4, 16)].map(|(start, end): (u64, u64)| Extent {
        offset: start * 65_536,
        len: (end - start) * 65_536,
    });
    assert_eq!(image.extents(), extents);
    let mut byte = [0];
    image.read_at(&mut byte, 2 * 65_536 + 5000).unwrap();
    assert_eq!(&byte, b"x");
}

#[test]
fn a_device_is_no_file_to_overwrite() {
    let Some(device) = device(1 << 20) else { return };
    let error = FileSink::create(&device.path, true).unwrap_err();
    assert!(matches!(error, Error::Kind { found: "a block device", .. }));
}

#[test]
fn a_file_is_no_device() {
    let file = NamedTempFile::new().unwrap();
    let error = DeviceSink::open(file.path()).unwrap_err();
    let path = file.path().display();
    assert_eq!(error.to_string(), format!("`{path}` is a file, not a block device"));
}
