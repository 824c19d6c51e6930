//! An image becomes the encrypted parts of a bundle, and the parts become the image again.
//!
//! [`pack`] reads an [`Image`](baler_image::Image) once and hands finished parts to a [`PartSink`]; [`unpack`] asks a
//! [`PartSource`] for them and writes an [`ImageSink`](baler_image::ImageSink). Between the two ends there are only
//! stages that pass bytes on, so that the memory in use is bounded, whatever the image's length:
//!
//! | packing | unpacking |
//! | --- | --- |
//! | `stage::tar` frames the image's extents as a tar archive of one member | `read::parts` reads each part whole, checks its SHA-1 and decrypts it |
//! | `stage::digest` takes the SHA-1 of the archive, the image's digest | `read::inflate` inflates the gzip stream: Baler's own on all cores, others' on one |
//! | `stage::gzip` deflates it, MiB by MiB on all cores, into one gzip member | `read::archive` takes the archive's SHA-1, reads its member and writes the image |
//! | `stage::cipher` encrypts it with AES-128-CBC | |
//! | `stage::split` cuts the ciphertext into parts and takes the SHA-1 of each | |
//!
//! [`baler_manifest::format`] describes every byte that they write. The bytes of a bundle depend on the image and on
//! [`PackOptions`], and not on the number of threads.
//!
//! [`verify`] unpacks without writing and names every bad part. [`salvage`] recovers what a damaged bundle still holds.
//! [`DirectorySink`] and [`DirectorySource`] keep bundles in directories, [`MemoryParts`] keeps one in memory.
//!
//! # Trust
//!
//! The [`Contents`](baler_manifest::Contents) of the manifest are trusted: the caller has checked its signature.
//! Nothing else is:
//!
//! - A part is held in memory until its digest is known to be right; no byte of a wrong part is passed on.
//! - The image is committed only when the archive has the digest that was signed. Until then an
//!   [`ImageSink`](baler_image::ImageSink) shows it under no final name.
//! - The archive's own headers are checked against the signed contents, which also limit them: an image of another
//!   length, a second member, a link, a map that does not fit, endless data are errors.
//! - Names in the manifest are used only as names of files in one directory.
//!
//! # Example
//!
//! An image is packed and unpacked in memory:
//!
//! ```
//! use baler_bundle::{MemoryParts, PackOptions, UnpackOptions, pack, unpack};
//! use baler_image::{Memory, MemorySink};
//! use baler_manifest::{Bundler, CipherIv, CipherKey, Contents};
//!
//! // Some data in 3 MiB of hole.
//! let mut bytes = vec![0; 3 << 20];
//! bytes[8192..8200].copy_from_slice(b"the data");
//! let mut image = Memory::new(bytes);
//!
//! let (key, iv) = (CipherKey::new(*b"sixteen bytes of"), CipherIv::new(*b"secret each time"));
//! let mut parts = MemoryParts::default();
//! let packed = pack(&mut image, &PackOptions::new("disk", &key, &iv), &mut parts, &|_| {})?;
//! assert_eq!(packed.parts[0].filename, "disk.part.0");
//! assert!(packed.bundled_size < 1000, "a hole costs nothing");
//!
//! // A manifest carries these values to the reader, who checks its signature.
//! let account = "123456789012".parse()?;
//! let mut contents = Contents::draft(Bundler::default(), "disk", &account, "x86_64".into());
//! (contents.digest, contents.size) = (packed.digest, packed.size);
//! (contents.bundled_size, contents.parts) = (packed.bundled_size, packed.parts);
//!
//! let mut copy = Memory::default();
//! let sink = Box::new(MemorySink::new(&mut copy));
//! unpack(&contents, &UnpackOptions::new(&key, &iv), &parts, sink, &|_| {})?;
//! assert!(copy == image);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

// Packing.
mod pack;
mod parts;
mod stage;

// Unpacking.
mod read;
mod salvage;
mod unpack;

// Both.
mod directory;
mod error;
mod event;
mod memory;

pub use directory::{
    DirectorySink, DirectorySource, bundle_files, is_bundle_file, leftovers, manifest_filename,
    part_of,
};
pub use error::Error;
pub use event::Event;
pub use memory::MemoryParts;
pub use pack::{PackOptions, Packed, bundled_size_bound, estimate_bundled_size, pack};
pub use parts::{MAX_PART_LEN, PART_LEN, PartSink, PartSource, SealedPart};
pub use read::parts::fetch_part;
pub use salvage::{Salvage, salvage};
pub use stage::gzip::Level;
pub use stage::tar::MAX_NAME_LEN;
pub use unpack::{UnpackOptions, Verification, unpack, verify};
