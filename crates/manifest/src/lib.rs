//! The signed manifest of an S3-backed AMI: read it, believe it or not, write it, sign it.
//!
//! A bundle is the encrypted parts of an image and one manifest, which says how to put them together. Its XML is
//! simple; what is around it is not: the signature is over bytes of the document and not over what they mean, the key
//! of the cipher is in it twice, once for the user and once for EC2, and whoever sends a manifest decides what is in
//! it.
//!
//! - [`Manifest::parse`] reads the three versions that can be read and refuses whatever could be read in two ways. It
//!   keeps the exact bytes; all that [`Contents`] says comes from the ones that are signed, the bundler excepted.
//! - [`Manifest::check_signature`] says whether the holder of a key signed those bytes. Not being signed is an
//!   answer, not an error.
//! - [`open`] unwraps the secrets of the bundle with a private key.
//! - [`write()`] writes the bytes that the classic tools write, and signs them.
//! - [`PrivateKey`] and [`PublicKey`] read the key files and certificates of twenty years; [`Ec2Key`] has EC2's built
//!   in.
//!
//! Nothing here opens a file, reads a clock or draws a random number: the caller brings the bytes, the time and the
//! generator. Any one that implements [`rand_core::TryCryptoRng`] will do, `getrandom::SysRng` among them.
//!
//! # Example
//!
//! Bundles are made for two readers, and opened by one of them:
//!
//! ```
//! use baler_manifest::{CipherIv, CipherKey, Contents, Ec2Key, ImageType, Manifest, OpenedAs, Part};
//! use baler_manifest::{PrivateKey, SignatureCheck};
//! # use baler_manifest::Bundler;
//!
//! let mut rng = getrandom::SysRng;
//! let user = PrivateKey::generate(2048, &mut rng)?;
//! let ec2 = Ec2Key::for_region("eu-west-1")?.public_key();
//! let (key, iv) = (CipherKey::generate(&mut rng)?, CipherIv::generate(&mut rng)?);
//!
//! let contents = Contents {
//!     architecture: "x86_64".to_owned(),
//!     name: "image".to_owned(),
//!     account: "1234-5678-9012".to_owned(),
//!     image_type: ImageType::Machine,
//!     digest: "3e89e6ea41eda1af29ed552f07711c190db5597f".parse()?,
//!     size: 600_000,
//!     bundled_size: 202_720,
//!     user_key: user.public().wrap(key.bytes(), &mut rng)?,
//!     user_iv: user.public().wrap(iv.bytes(), &mut rng)?,
//!     ec2_key: ec2.wrap(key.bytes(), &mut rng)?,
//!     ec2_iv: ec2.wrap(iv.bytes(), &mut rng)?,
//!     parts: vec![Part {
//!         filename: "image.part.0".to_owned(),
//!         digest: "f1815e99fe8b1ac8d9ee576cdc3ad064dea35dff".parse()?,
//!     }],
//! #     bundler: Bundler { name: "baler".to_owned(), version: "0.1".to_owned(), release: "0".to_owned() },
//! #     mappings: Vec::new(), kernel_id: None, ramdisk_id: None, product_codes: Vec::new(),
//! #     kernel_name: None, ancestry: Vec::new(),
//!     // and the rest of it
//! };
//! let xml = baler_manifest::write(&contents, Some(&user), &mut rng)?;
//!
//! let manifest = Manifest::parse(xml.as_bytes())?;
//! assert_eq!(manifest.check_signature(user.public()), SignatureCheck::Valid);
//! let opened = baler_manifest::open(manifest.contents(), &user, &mut rng)?;
//! assert_eq!(opened, (key, iv, OpenedAs::User));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// The advice that errors carry.
mod advice;

// What a manifest says.
mod contents;
mod digest;
mod hex;
mod name;

// Reading it and writing it.
mod limits;
mod signature;

mod manifest;
mod parse;
mod write;

// The secrets in it, and the keys that open and sign it.
mod cipher;
mod ec2;
mod key;
mod open;

pub use advice::Advice;
pub use cipher::{CipherIv, CipherKey};
pub use contents::{
    AccountError, AccountId, BlockDeviceMapping, Bundler, Contents, ImageType, Part, Version,
};
pub use digest::Sha1Digest;
pub use ec2::{Ec2Key, RegionError};
pub use hex::HexError;
pub use key::{
    Fingerprint, KeyError, MAX_KEY_BITS, MIN_KEY_BITS, Passphrase, PrivateKey, PublicKey,
    self_signed_certificate,
};
pub use limits::MAX_SIZE;
pub use manifest::Manifest;
pub use name::{MAX_NAME, NameError, check_name};
pub use open::{OpenedAs, open};
pub use parse::ParseError;
pub use rsa::rand_core;
pub use signature::{Signature, SignatureCheck};
pub use write::{WriteError, check_draft, write};
