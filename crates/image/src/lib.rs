//! Sparse images: find their data, read them, write them.
//!
//! An [`Image`] is the one seam between the source of a disk image and its use: a length, the [`Extent`]s that hold
//! data, and a way to read them. An [`ImageSink`] is the same seam for writing. Code between the two works on any of
//! them:
//!
//! | an image comes from | and goes to |
//! | --- | --- |
//! | [`FileImage`]: a regular file or a block device | [`FileSink`]: a sparse file, which has its final name only when it is complete |
//! | [`StreamImage`]: a stream of known length | [`DeviceSink`]: a block device that is not in use |
//! | a [`Compression`] over a file, after [`measure`] | [`StreamSink`]: any [`Write`](std::io::Write) |
//! | [`Memory`]: bytes in memory | [`MemorySink`]: bytes in memory |
//! | | [`Discard`]: nothing, if only the reading matters |
//!
//! # Holes
//!
//! A *hole* is a range that no extent covers; it reads as zeros. Holes that the file system knows (`SEEK_DATA`,
//! `SEEK_HOLE`) are found at no cost, however large. Stored zeros count as holes too if they fill an aligned block of
//! 64 KiB: on a block device there are no other holes, nor in an image that a program copied without regard to holes.
//! Holes below 64 KiB count as data, so that an image of `n` bytes has at most `n / 64 KiB + 1` extents, whoever made
//! it; [`FileSink`] finds the small ones again when it writes.
//!
//! The holes are determined once, when the image is opened. An image that changes while it is read, such as the device
//! of a mounted file system, gives an inconsistent copy with any reader; [`FileImage::is_in_use`] says when to expect
//! that.
//!
//! # Errors
//!
//! Opening and creating fail with an [`Error`], whose variants a caller can act on. The traits use [`std::io::Error`],
//! which names the path if there is one and has the kind of its cause: `UnexpectedEof` for an image that ends early,
//! `StorageFull` for a destination that is too small, `InvalidInput` for calls out of order.
//!
//! # Example
//!
//! A sparse file is read, and written to memory:
//!
//! ```
//! use baler_image::{FileImage, Image, ImageSink, Memory, MemorySink};
//! use std::{fs::File, os::unix::fs::FileExt};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("disk.img");
//! let file = File::create(&path)?;
//! file.set_len(300 * 1024)?;
//! file.write_all_at(b"boot", 128 * 1024)?;
//!
//! let mut image = FileImage::open(&path)?;
//! let mut copy = Memory::default();
//! let mut sink = Box::new(MemorySink::new(&mut copy));
//! sink.begin(image.len(), Some(image.extents()))?;
//! for extent in image.extents().to_vec() {
//!     let mut data = vec![0; extent.len as usize]; // Read a bounded number of bytes at a time if images are large.
//!     image.read_at(&mut data, extent.offset)?;
//!     sink.write_at(&data, extent.offset)?;
//! }
//! sink.commit()?;
//!
//! assert_eq!(copy.bytes().len(), 300 * 1024);
//! assert_eq!(&copy.bytes()[128 * 1024..][..4], b"boot");
//! # Ok(())
//! # }
//! ```

#![warn(clippy::missing_errors_doc)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "baler-image works on Linux only: it asks the Linux kernel for holes and block devices"
);

mod image;

mod extent;

mod file;

mod stream;

mod memory;

mod compression;

mod measure;

mod sink;

mod error;

mod size;

pub use compression::Compression;
pub use error::Error;
pub use extent::{ALIGN, Extent, Runs, SMALLEST_HOLE};
pub use file::{FileImage, open_file};
pub use image::{Image, check_inside};
pub use measure::{Measured, measure};
pub use memory::Memory;
pub use sink::{DeviceSink, Discard, FileSink, ImageSink, MemorySink, StreamSink};
pub use stream::StreamImage;
