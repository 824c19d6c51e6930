//! Which key and certificate are used.

use std::path::PathBuf;
use std::sync::Arc;

use baler::{Advice, Keys};
use baler_manifest::Passphrase;

use super::values::path;
use crate::face::Face;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeyArgs {
    /// Your RSA private key, PEM or DER [default: key.pem in the configuration directory]
    #[arg(long, short, value_name = "FILE", env = "EC2_PRIVATE_KEY", value_parser = path(), help_heading = "Keys")]
    pub(crate) key: Option<PathBuf>,

    /// Your X.509 certificate or public key, PEM or DER
    #[arg(long, short, value_name = "FILE", env = "EC2_CERT", value_parser = path(), help_heading = "Keys")]
    pub(crate) cert: Option<PathBuf>,

    /// A file whose first line is the passphrase of the key [else: $BALER_PASSPHRASE, or a prompt]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys for the library.
    pub(crate) fn keys(&self, face: &Face) -> Keys {
        let mut keys = Keys::new();
        // A variable that is set to nothing names nothing.
        let named =
            |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        keys.key = named(&self.key);
        keys.certificate = named(&self.cert);
        keys.configuration.clone_from(&face.environment.configuration);
        keys.others.extend(face.environment.private_key.clone());
        let (file, stop) = (self.passphrase_file.clone(), face.stop.clone());
        let environment = face.environment.clone();
        keys.passphrase = Some(Arc::new(move |key| {
            if let Some(path) = &file {
                return baler::keys::read_passphrase(path, &stop);
            }
            if let Some(passphrase) = environment.passphrase() {
                return Ok(passphrase);
            }
            let asked = rpassword::prompt_password(format!("Passphrase of {}: ", key.display()));
            asked.map(Passphrase::from).map_err(|error| {
                let what = format!("asking for the passphrase of the key `{}`", key.display());
                baler::Error::failed(what).advise(Advice::GivePassphrase).because(error)
            })
        }));
        keys
    }
}
