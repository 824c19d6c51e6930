//! EC2's key pair: bundles for a stand-in are made for its certificate.

use std::io;
use std::path::{Path, PathBuf};

use crate::tool;

/// The two files of EC2's key pair.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) private: PathBuf,
    pub(crate) certificate: PathBuf,
}

impl Keys {
    /// The key pair of a stand-in's directory, made or not.
    pub(crate) fn of(directory: &Path) -> Self {
        Self { private: directory.join("ec2-key.pem"), certificate: directory.join("ec2-cert.pem") }
    }

    /// Makes the key pair, if it is not there.
    pub(crate) fn make(&self) -> io::Result<()> {
        if self.private.exists() && self.certificate.exists() {
            return Ok(());
        }
        let (key, certificate) =
            (self.private.to_string_lossy(), self.certificate.to_string_lossy());
        let arguments =
            ["req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", "3650", "-subj"];
        let rest = ["/CN=EC2 stand-in", "-keyout", &key, "-out", &certificate];
        tool::run("openssl", &[&arguments[..], &rest[..]].concat(), b"").map(drop)
    }
}
