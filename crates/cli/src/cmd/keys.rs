//! `baler keys`: the user's key and certificate, made and checked.

use std::path::PathBuf;

use serde_json::json;

use crate::exit::{Exit, Trouble};
use crate::keys::{self, DEFAULT_BITS, KeyArgs};
use crate::report::{self, Console};

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

/// Make a key and its certificate; no file is ever overwritten
///
/// Keep a copy of the key: without it nobody but EC2 can ever open the bundles that are made with it. The certificate
/// is for the classic tools, and for those who verify your bundles; it need not be known to AWS.
#[derive(Debug, clap::Args)]
struct New {
    /// Where the key goes [default: key.pem in the configuration directory]
    #[arg(long, short, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Where the certificate goes [default: cert.pem in the configuration directory]
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
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        match self.action {
            Action::New(new) => new.run(),
            Action::Check(check) => check.run(console),
        }
    }
}

impl New {
    fn run(self) -> anyhow::Result<Exit> {
        let (key_path, cert_path) = match (self.key, self.cert) {
            (Some(key), Some(cert)) => (key, cert),
            _ => keys::default_paths()?,
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
                report::plain(&key_path),
                report::plain(&cert_path),
            ))?;
        }
        Ok(Exit::Done)
    }
}

impl Check {
    fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let user = self.keys.private_key(console)?.ok_or_else(|| {
            Trouble::usage("there is no key to check")
                .hint("pass --key, or make one with `baler keys new`")
        })?;
        self.keys.check_pair(&user)?;
        let (bits, fingerprint) = (user.key.bits(), user.key.public().fingerprint().to_string());
        let path = user.path.to_string_lossy();
        let cert = self.keys.certificate_path().map(|cert| cert.to_string_lossy());
        if self.json {
            report::json(
                &json!({ "key": path, "cert": cert, "bits": bits, "fingerprint": fingerprint }),
            )?;
        } else {
            let cert = cert.map_or("not given".to_owned(), |cert| {
                format!("{}, it belongs to the key", report::plain(&cert))
            });
            report::result(&format!(
                "key          {}, RSA, {bits} bits\ncertificate  {cert}\nfingerprint  {fingerprint}\n",
                report::plain(&path)
            ))?;
        }
        Ok(Exit::Done)
    }
}
