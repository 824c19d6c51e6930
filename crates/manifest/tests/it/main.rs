//! The crate as its users see it: against the bundles of the classic tools, hostile documents, and key files of every kind.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod advice;
mod bundles;
mod hostile;
mod keys;
mod values;
mod writing;

use baler_manifest::{Manifest, Passphrase, PrivateKey, PublicKey};

/// A file of the shared fixtures.
fn fixture(name: &str) -> Vec<u8> {
    read(&format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/{}"), name))
}

/// A file of this crate's keys.
fn key_file(name: &str) -> Vec<u8> {
    read(&format!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/{}"), name))
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn private(name: &str) -> PrivateKey {
    PrivateKey::from_bytes(&fixture(name), no_passphrase).unwrap()
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_bytes(&fixture(name)).unwrap()
}

fn no_passphrase() -> Option<Passphrase> {
    panic!("a passphrase was asked for")
}

/// A bundle that one of the classic tools made: where its manifest is, and whose it is.
struct Bundle {
    manifest: &'static str,
    user: &'static str,
}

impl Bundle {
    fn bytes(&self) -> Vec<u8> {
        fixture(self.manifest)
    }

    fn parsed(&self) -> Manifest {
        Manifest::parse(&self.bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.manifest))
    }

    fn key(&self) -> PrivateKey {
        private(&format!("{}-key.pkcs8.der", self.user))
    }

    fn certificate(&self) -> PublicKey {
        public(&format!("{}-cert.pem", self.user))
    }
}

const DENSE: Bundle = Bundle { manifest: "classic-dense/dense.manifest.xml", user: "user" };
const HOLES: Bundle = Bundle { manifest: "classic-holes/holes.manifest.xml", user: "user" };
const MANY_HOLES: Bundle =
    Bundle { manifest: "classic-manyholes/manyholes.manifest.xml", user: "user1024" };
const MAPPING: Bundle = Bundle { manifest: "classic-mapping/mapped.manifest.xml", user: "user" };
const V3: Bundle = Bundle { manifest: "classic-v3/dense.manifest.xml", user: "user" };
const V20070829: Bundle =
    Bundle { manifest: "classic-2007-08-29/dense.manifest.xml", user: "user" };
const EUCA: Bundle = Bundle { manifest: "euca-dense/dense.img.manifest.xml", user: "user" };

const BUNDLES: [Bundle; 7] = [DENSE, HOLES, MANY_HOLES, MAPPING, V3, V20070829, EUCA];
