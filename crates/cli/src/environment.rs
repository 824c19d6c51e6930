//! What the environment says, read in this one place and handed on.
//!
//! Beside it, the command line's parser takes some options from variables that it names, and AWS's SDK reads its own.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::SystemTime;

use baler_manifest::Passphrase;
use zeroize::Zeroizing;

use crate::exit::Trouble;

/// The environment of this process.
#[derive(Clone)]
pub(crate) struct Environment {
    /// The part for the library.
    pub(crate) library: baler::Environment,
    /// `$EC2_PRIVATE_KEY`.
    pub(crate) private_key: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/baler`, else `~/.config/baler`.
    pub(crate) configuration: Option<PathBuf>,
    /// Where temporary files go: `$TMPDIR`, else `/tmp`.
    pub(crate) temporary: PathBuf,
    passphrase: Option<Zeroizing<Vec<u8>>>,
    source_date: Option<OsString>,
    /// The part that only the classic commands use.
    pub(crate) classic: Classic,
}

/// The part that only the classic commands use.
#[derive(Clone)]
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "for S3 and EC2"))]
pub(crate) struct Classic {
    /// The directory of the old tools: `$EC2_AMITOOL_HOME`, else `$EC2_HOME`.
    pub(crate) home: Option<PathBuf>,
    /// `$EC2_URL`.
    pub(crate) ec2_url: Option<String>,
    /// Whether `$EC2_PRIVATE_KEY` or `$EC2_CERT` names a certificate for signatures, as EC2 once took them.
    pub(crate) has_certificate: bool,
    /// `$AWS_ACCESS_KEY`.
    pub(crate) access_key: Option<String>,
    /// `$AWS_SECRET_KEY`.
    pub(crate) secret_key: Option<Zeroizing<String>>,
    /// `$AWS_DELEGATION_TOKEN`.
    pub(crate) token: Option<Zeroizing<String>>,
}

impl Environment {
    pub(crate) fn read() -> Environment {
        let mut library = baler::Environment::default();
        library.region = text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION"));
        library.ec2_certificate = set("EUCALYPTUS_CERT").map(PathBuf::from);
        library.architecture = architecture().map(str::to_owned);
        library.metadata.endpoint = text("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        library.metadata.is_disabled = is_true("AWS_EC2_METADATA_DISABLED");
        library.metadata.is_v1_disabled = is_true("AWS_EC2_METADATA_V1_DISABLED");
        let absolute = |name| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Environment {
            library,
            private_key: set("EC2_PRIVATE_KEY").map(PathBuf::from),
            configuration: base.map(|base| base.join("baler")),
            temporary: env::temp_dir(),
            passphrase: set("BALER_PASSPHRASE").map(|text| Zeroizing::new(text.into_vec())),
            source_date: set("SOURCE_DATE_EPOCH"),
            classic: Classic {
                home: set("EC2_AMITOOL_HOME").or_else(|| set("EC2_HOME")).map(PathBuf::from),
                ec2_url: text("EC2_URL"),
                has_certificate: set("EC2_PRIVATE_KEY").or_else(|| set("EC2_CERT")).is_some(),
                access_key: text("AWS_ACCESS_KEY"),
                secret_key: text("AWS_SECRET_KEY").map(Zeroizing::new),
                token: text("AWS_DELEGATION_TOKEN").map(Zeroizing::new),
            },
        }
    }

    /// `$BALER_PASSPHRASE`.
    pub(crate) fn passphrase(&self) -> Option<Passphrase> {
        self.passphrase.as_ref().map(|text| Passphrase::from(text.to_vec()))
    }

    /// Whether `SOURCE_DATE_EPOCH` stops the clock.
    pub(crate) fn is_clock_stopped(&self) -> bool {
        self.source_date.is_some()
    }

    /// Seconds since 1970; `SOURCE_DATE_EPOCH` stops the clock, as in other tools whose output shall be the same again.
    pub(crate) fn now(&self) -> anyhow::Result<u64> {
        let Some(text) = &self.source_date else {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            return Ok(now.map_or(0, |time| time.as_secs()));
        };
        let seconds = text.to_str().and_then(|text| text.parse().ok());
        seconds.ok_or_else(|| {
            let text = text.to_string_lossy();
            Trouble::usage(format!("SOURCE_DATE_EPOCH is not a number of seconds: `{text}`")).into()
        })
    }
}

/// A variable; one that is set to nothing is not set.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn text(name: &str) -> Option<String> {
    set(name).map(|value| value.to_string_lossy().into_owned())
}

fn is_true(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

/// This machine's architecture, by EC2's name.
pub(crate) fn architecture() -> Option<&'static str> {
    match env::consts::ARCH {
        "x86" => Some("i386"),
        "x86_64" => Some("x86_64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// The program that runs: its file, and how it was typed.
pub(crate) fn own_program() -> (std::io::Result<PathBuf>, PathBuf) {
    (env::current_exe(), env::args_os().next().map(PathBuf::from).unwrap_or_default())
}
