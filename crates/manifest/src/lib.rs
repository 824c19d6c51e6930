//! The signed manifest of an S3-backed AMI: read it, check it, write it, sign it.
//!
//! A bundle is the encrypted parts of an image and one manifest, which says how to put them together. Its XML is
//! simple. Three things around it are not: the signature covers bytes of the document and not their meaning; the
//! cipher's key is in it twice, once for the user and once for EC2; and a manifest may come from a stranger.
//! [`mod@format`] is the whole format, from the image to the manifest.
//!
//! - [`Manifest::parse`] reads the three versions that are not encrypted themselves, and refuses every document that
//!   could be read in two ways. It keeps the exact bytes; all [`Contents`] except the bundler come from the signed
//!   ones.
//! - [`Manifest::check_signature`] says whether the holder of a key signed those bytes. An unsigned manifest is an
//!   answer, not an error.
//! - [`open`] unwraps the secrets of the bundle with a private key.
//! - [`write()`] writes the bytes that the classic tools write, and signs them.
//! - [`PrivateKey`] and [`PublicKey`] read key files and certificates in the forms of twenty years; [`Ec2Key`] has
//!   EC2's public keys built in.
//!
//! The crate opens no file, reads no clock and draws no random number: the caller brings the bytes, the time and the
//! generator, which may be any [`rand_core::TryCryptoRng`], `getrandom::SysRng` for example. It runs on any operating
//! system.
//!
//! Errors say what is wrong. [`Advice`], a value of its own, says what the user can do about it.
//!
//! # Example
//!
//! Bundles are made for two readers, and opened by one of them:
//!
//! ```
//! use baler_manifest::{AccountId, Bundler, CipherIv, CipherKey, Contents, Ec2Key, Manifest, OpenedAs, Part};
//! use baler_manifest::{PrivateKey, SignatureCheck};
//!
//! let mut rng = getrandom::SysRng;
//! let user = PrivateKey::generate(2048, &mut rng)?;
//! let ec2 = Ec2Key::for_region("eu-west-1")?.public_key();
//! let (key, iv) = (CipherKey::generate(&mut rng)?, CipherIv::generate(&mut rng)?);
//!
//! // What is known before the image is bundled ..
//! let account: AccountId = "1234-5678-9012".parse()?;
//! let bundler = Bundler { name: "example".into(), version: "1.0".into(), release: "0".into() };
//! let mut contents = Contents::draft(bundler, "image", &account, "x86_64".into());
//! // .. and what comes of bundling it.
//! contents.digest = "3e89e6ea41eda1af29ed552f07711c190db5597f".parse()?;
//! (contents.size, contents.bundled_size) = (600_000, 202_720);
//! contents.user_key = user.public().wrap(key.bytes(), &mut rng)?;
//! contents.user_iv = user.public().wrap(iv.bytes(), &mut rng)?;
//! contents.ec2_key = ec2.wrap(key.bytes(), &mut rng)?;
//! contents.ec2_iv = ec2.wrap(iv.bytes(), &mut rng)?;
//! contents.parts = vec![Part {
//!     filename: "image.part.0".into(),
//!     digest: "f1815e99fe8b1ac8d9ee576cdc3ad064dea35dff".parse()?,
//! }];
//! let xml = baler_manifest::write(&contents, Some(&user), &mut rng)?;
//!
//! let manifest = Manifest::parse(xml.as_bytes())?;
//! assert_eq!(manifest.check_signature(user.public()), SignatureCheck::Valid);
//! assert_eq!(manifest.contents(), &contents);
//! let opened = baler_manifest::open(manifest.contents(), &user, &mut rng)?;
//! assert_eq!((opened.key, opened.iv, opened.opened_as), (key, iv, OpenedAs::User));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

// The contents of a manifest.
mod contents;
mod digest;
mod hex;
mod name;

// Reading it and writing it.
mod limits;
mod manifest;
mod parse;
mod signature;
mod write;

// The secrets in it, and the keys that open and sign it.
mod cipher;
mod ec2;
mod key;
mod open;

// What errors advise.
mod advice;

#[doc = include_str!("../format.md")]
pub mod format {}

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
pub use open::{Opened, OpenedAs, open};
pub use parse::ParseError;
pub use rsa::rand_core;
pub use signature::{Signature, SignatureCheck};
pub use write::{WriteError, check_draft, write};
