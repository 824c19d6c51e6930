//! An image becomes the encrypted parts of a bundle, and becomes itself again.
//!
//! [`pack`] reads an [`Image`](baler_image::Image) once and hands finished parts to a [`PartSink`]; [`unpack`] asks a
//! [`PartSource`] for them and writes an [`ImageSink`](baler_image::ImageSink). Between the two ends there are only
//! stages that pass bytes on, so that what is in memory is bounded, whatever the image's length:
//!
//! | on the way out | on the way back |
//! | --- | --- |
//! | `stage::tar` frames the image's extents as a tar archive of one member | `read::parts` reads each part whole, checks its SHA-1 and decrypts it |
//! | `stage::digest` takes the SHA-1 of the archive, the image's digest | `read::inflate` inflates the gzip stream: Baler's own on all cores, others' on one |
//! | `stage::gzip` deflates it, MiB by MiB on all cores, into one gzip member | `read::archive` takes the archive's SHA-1, reads its member and writes the image |
//! | `stage::cipher` encrypts it with AES-128-CBC | |
//! | `stage::split` cuts the ciphertext into parts and takes the SHA-1 of each | |
//!
//! `docs/format.md` says what each of them writes, byte for byte. The bytes of a bundle depend on the image and on
//! [`PackOptions`], and not on the number of threads.
//!
//! [`verify`] runs the way back into nothing and names every bad part. [`salvage`] gets out of a damaged bundle
//! what is still in it. [`DirectorySink`] and [`DirectorySource`] keep bundles in directories.
//!
//! # What is trusted
//!
//! The [`Contents`](baler_manifest::Contents) of the manifest: whoever calls has checked its signature. Nothing else:
//!
//! - A part is held in memory until its digest is known to be right; not one byte of a wrong one goes further.
//! - The image is committed only when the archive has the digest that was signed. Until then an
//!   [`ImageSink`](baler_image::ImageSink) shows it under no final name.
//! - What the archive says of itself is held against what was signed, and is bounded by it: an image of another
//!   length, a second member, a link, a map that does not fit, data without end are errors.
//! - The names in the manifest are only ever taken for the names of files in one directory.
//!
//! # Example
//!
//! An image in memory, its parts in a map, and back:
//!
//! ```
//! use std::{collections::BTreeMap, io};
//!
//! use baler_bundle::{Level, PackOptions, PartSink, PartSource, SealedPart, UnpackOptions, pack, unpack};
//! use baler_image::{Extent, Image, StreamSink};
//! use baler_manifest::{CipherIv, CipherKey};
//! # use baler_manifest::{Bundler, Contents, ImageType};
//!
//! struct Memory(Vec<u8>, Vec<Extent>);
//!
//! impl Image for Memory {
//!     fn len(&self) -> u64 {
//!         self.0.len() as u64
//!     }
//!     fn extents(&self) -> &[Extent] {
//!         &self.1
//!     }
//!     fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
//!         buf.copy_from_slice(&self.0[offset as usize..][..buf.len()]);
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Parts(BTreeMap<String, Vec<u8>>);
//!
//! impl PartSink for Parts {
//!     fn put(&mut self, part: SealedPart) -> io::Result<()> {
//!         self.0.insert(part.filename, part.data);
//!         Ok(())
//!     }
//! }
//!
//! impl PartSource for Parts {
//!     fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
//!         self.0.get(filename).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
//!     }
//! }
//!
//! // A page of data in 3 MiB of hole.
//! let mut bytes = vec![0; 3 << 20];
//! bytes[8192..8200].copy_from_slice(b"the data");
//! let mut image = Memory(bytes.clone(), vec![Extent { offset: 8192, len: 4096 }]);
//!
//! let (key, iv) = (CipherKey::new(*b"sixteen bytes of"), CipherIv::new(*b"secret each time"));
//! let options =
//!     PackOptions { name: "disk", key: &key, iv: &iv, level: Level::DEFAULT, mtime: 1_700_000_000, jobs: 2 };
//! let mut parts = Parts::default();
//! let packed = pack(&mut image, &options, &mut parts, &|_| {})?;
//! assert_eq!(packed.parts[0].filename, "disk.part.0");
//! assert!(packed.bundled_size < 1000, "a hole costs nothing");
//!
//! // What `packed` says goes into a manifest, and comes out of it when its signature has been checked.
//! # let contents = Contents {
//! #     bundler: Bundler::default(), architecture: "x86_64".into(), mappings: vec![], kernel_id: None,
//! #     ramdisk_id: None, product_codes: vec![], name: "disk".into(), account: "123456789012".into(),
//! #     image_type: ImageType::Machine, kernel_name: None, ancestry: vec![], digest: packed.digest,
//! #     size: packed.size, bundled_size: packed.bundled_size, ec2_key: vec![], user_key: vec![],
//! #     ec2_iv: vec![], user_iv: vec![], parts: packed.parts.clone(),
//! # };
//! let mut out = Vec::new();
//! let options = UnpackOptions { key: &key, iv: &iv, jobs: 2 };
//! unpack(&contents, &options, &parts, Box::new(StreamSink::new(&mut out)), &|_| {})?;
//! assert!(out == bytes);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Out.
mod pack;
mod parts;
mod stage;

// And back.
mod read;
mod salvage;
mod unpack;

mod directory;
mod error;

pub use directory::{
    DirectorySink, DirectorySource, bundle_files, is_bundle_file, leftovers, manifest_filename,
    part_of,
};
pub use error::Error;
pub use pack::{Event, PackOptions, Packed, bundled_size_bound, estimate_bundled_size, pack};
pub use parts::{MAX_PART_LEN, PART_LEN, PartSink, PartSource, SealedPart};
pub use salvage::{Salvage, salvage};
pub use stage::gzip::Level;
pub use stage::tar::MAX_NAME_LEN;
pub use unpack::{UnpackOptions, Verification, unpack, verify};
