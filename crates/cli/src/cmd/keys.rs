//! `baler keys`: the user's key and certificate, made and checked.

use std::path::PathBuf;

use baler::keys::{self, DEFAULT_BITS};
use baler::text::plain;
use serde_json::json;

use crate::args::keys::KeyArgs;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Make or check the key that signs and opens your bundles
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(New),
    Check(Check),
}

/// Make a key and its certificate; existing files are never overwritten
///
/// Keep a copy of the key: without it, only EC2 can open the bundles that are made with it. The certificate is for the
/// classic tools, and for others who verify your bundles; AWS does not need it.
#[derive(Debug, clap::Args)]
struct New {
    /// The file for the key [default: key.pem in the configuration directory]
    #[arg(long, short, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The file for the certificate [default: cert.pem in the configuration directory]
    #[arg(long, short, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The key's length in bits
    #[arg(long, default_value_t = DEFAULT_BITS, value_parser = bits)]
    bits: usize,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Check that a key can be read, and that a certificate belongs to it
#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    keys: KeyArgs,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn bits(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bits @ (2048 | 3072 | 4096)) => Ok(bits),
        _ => Err("a key has 2048, 3072 or 4096 bits".to_owned()),
    }
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        match self.action {
            Action::New(new) => new.run(face),
            Action::Check(check) => check.run(face),
        }
    }
}

impl New {
    fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let (key_path, cert_path) = match (self.key, self.cert) {
            (Some(key), Some(cert)) => (key, cert),
            _ => keys::default_paths(face.environment.configuration.as_deref())?,
        };
        let key = keys::create(&key_path, &cert_path, self.bits)?;
        let fingerprint = key.public().fingerprint().to_string();
        let (key_path, cert_path) = (key_path.to_string_lossy(), cert_path.to_string_lossy());
        if self.json {
            report::json(
                &json!({ "key": key_path, "cert": cert_path, "bits": self.bits, "fingerprint": fingerprint }),
            )?;
        } else {
            report::result(&format!(
                "key          {} (keep a copy: it alone opens your bundles)\ncertificate  {}\nfingerprint  {fingerprint}\n",
                plain(&key_path),
                plain(&cert_path),
            ))?;
        }
        Ok(Exit::Done)
    }
}

impl Check {
    fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let (keys, run) = (self.keys.keys(face), face.run());
        let user = keys.private_key(&run)?.ok_or_else(|| {
            Trouble::usage("there is no key to check")
                .hint("pass --key, or make one with `baler keys new`")
        })?;
        keys.check_pair(&user, &run)?;
        let (bits, fingerprint) = (user.key.bits(), user.key.public().fingerprint().to_string());
        let path = user.path.to_string_lossy();
        let cert = keys.certificate.as_ref().map(|cert| cert.to_string_lossy());
        if self.json {
            report::json(
                &json!({ "key": path, "cert": cert, "bits": bits, "fingerprint": fingerprint }),
            )?;
        } else {
            let cert = cert.map_or("not given".to_owned(), |cert| {
                format!("{}, it belongs to the key", plain(&cert))
            });
            report::result(&format!(
                "key          {}, RSA, {bits} bits\ncertificate  {cert}\nfingerprint  {fingerprint}\n",
                plain(&path)
            ))?;
        }
        Ok(Exit::Done)
    }
}
