//! Tells whether a file is a secret that must not be given away with an image.
//!
//! An image is given to others and cloned: keys, credentials and histories do not belong in it. The question is asked
//! twice: when an image is made of a root tree, to leave secrets out, and when a finished image is audited. This crate
//! answers it for both. It opens nothing: it is given a path, a length, and bytes or a reader.
//!
//! Three things decide:
//!
//! - **The content**, by a [`Searcher`]: private keys in every common form, armored or binary, and credentials of cloud
//!   services. A name decides nothing here. `*.pem` is mostly certificates, and an image without its CA certificates is
//!   broken; a private key is one under any name.
//! - **The path**, by [`by_path`], where the content has no form of its own: histories of shells, `authorized_keys`,
//!   host keys, random seeds, the machine's identity.
//! - **The packages** of the system, as [`Packages`]: what a package installed is public, such as the test keys of a
//!   library, and is not a secret.
//!
//! A [`Detector`] combines the three. Paths are bytes, from the root of the tree, without a `/` before them.
//!
//! # Example
//!
//! ```
//! use baler_secrets::{Detector, Packages, Secret};
//!
//! let mut packages = Packages::default();
//! // What a dpkg system has in `var/lib/dpkg/info/*.list`.
//! packages.add_list(b"/.\n/etc/ssl/certs/test.key\n");
//! let mut detector = Detector::new(packages);
//!
//! assert_eq!(detector.by_path(b"root/.bash_history"), Some(Secret::History));
//!
//! let key = "-----BEGIN PRIVATE KEY-----\n".to_owned() + &"MIIEvQIBADANBgkqhkiG9w0B".repeat(20) + "\n";
//! let found = detector.by_content(b"srv/notes.txt", key.len() as u64, &mut key.as_bytes())?;
//! assert_eq!(found, Some(Secret::PrivateKey("PKCS #8")));
//! assert_eq!(found.unwrap().to_string(), "private key (PKCS #8)");
//!
//! // The same bytes in a file that a package installed.
//! let found = detector.by_content(b"etc/ssl/certs/test.key", key.len() as u64, &mut key.as_bytes())?;
//! assert_eq!(found, None);
//! # Ok::<(), std::io::Error>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod secret;

mod content;

mod names;

mod packages;

mod detector;

pub use content::{MAX_SIZE, Searcher};
pub use detector::Detector;
pub use names::by_path;
pub use packages::Packages;
pub use secret::Secret;
