//! Sparse images: where the data is, and reading or writing it.
//!
//! An [`Image`] is the one seam between *what* is bundled and *how*: a length, the [`Extent`]s that hold data, and a
//! way to read them. An [`ImageSink`] is the same seam on the way back. Whoever stands between the two has never
//! heard of a file:
//!
//! | an image comes from | and goes to |
//! | --- | --- |
//! | [`FileImage`]: a regular file or a block device | [`FileSink`]: a sparse file, under its final name only when it is complete |
//! | [`StreamImage`]: a stream of known length | [`DeviceSink`]: a block device that nobody else uses |
//! | a [`Compression`] over a file, after [`measure`] | [`StreamSink`]: anything that takes bytes in order |
//! | | [`Discard`]: nowhere, when only the reading matters |
//!
//! # Holes
//!
//! A *hole* is a range that no extent covers; it reads as zeros. Where the file system knows holes (`SEEK_DATA`,
//! `SEEK_HOLE`) they cost nothing to find, however large. Zeros that are stored count as holes too when they fill an
//! aligned block of 64 KiB: a block device has no other holes, and neither has an image that was once copied by a
//! program that did not care. Holes below 64 KiB are treated as data, so that an image of `n` bytes has at most
//! `n / 64 KiB + 1` extents, whatever its maker did to it; [`FileSink`] finds the small ones again when it writes.
//!
//! What is a hole is decided once, when the image is opened. An image that is written to while it is read, such as the
//! device of a mounted file system, is torn by any reader; [`FileImage::is_in_use`] says when to expect that.
//!
//! # Errors
//!
//! Opening and creating fail with an [`Error`], whose variants a caller can act on. After that the traits speak
//! [`std::io::Error`]; it names the path where there is one, and its kind is that of its cause: `UnexpectedEof` for
//! an image that ends early, `StorageFull` for a target that is too small, `InvalidInput` for a caller that
//! breaks the order.
//!
//! # Example
//!
//! A sparse file, written out as a stream:
//!
//! ```
//! use baler_image::{FileImage, Image, ImageSink, StreamSink};
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
//! let mut out = Vec::new();
//! let mut sink = Box::new(StreamSink::new(&mut out));
//! sink.begin(image.len(), Some(image.extents()))?;
//! for extent in image.extents().to_vec() {
//!     let mut data = vec![0; extent.len as usize]; // A real caller reads a bounded number of bytes at a time.
//!     image.read_at(&mut data, extent.offset)?;
//!     sink.write_at(&data, extent.offset)?;
//! }
//! sink.commit()?;
//!
//! assert_eq!(out.len(), 300 * 1024);
//! assert_eq!(&out[128 * 1024..][..4], b"boot");
//! # Ok(())
//! # }
//! ```

mod image;

mod extent;

mod file;

mod stream;

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
pub use measure::measure;
pub use sink::{DeviceSink, Discard, FileSink, ImageSink, StreamSink};
pub use stream::StreamImage;
