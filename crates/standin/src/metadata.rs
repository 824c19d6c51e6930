//! The contents of instance metadata, which tests change while the stand-in runs.

/// The answers of instance metadata, and its behaviour.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The instance's account.
    pub account: String,
    /// The instance's region; the zone is its first one.
    pub region: String,
    /// The instance type.
    pub instance_type: String,
    /// `x86_64`, `i386` or `arm64`.
    pub architecture: String,
    /// The image that was started.
    pub ami_id: String,
    /// The path of its manifest; `(unknown)` on an image that is a snapshot.
    pub ami_manifest_path: String,
    /// The images that it was made from.
    pub ancestor_ami_ids: Vec<String>,
    /// The kernel image of a paravirtual instance.
    pub kernel_id: Option<String>,
    /// The ramdisk image of a paravirtual instance.
    pub ramdisk_id: Option<String>,
    /// Product codes.
    pub product_codes: Vec<String>,
    /// Virtual names and their devices.
    pub block_devices: Vec<(String, String)>,
    /// The user data of the instance, if it has any.
    pub user_data: Option<String>,
    /// The role whose credentials are given out.
    pub role: Option<Role>,
    /// Answers requests without a token (version 1).
    pub version_1: bool,
    /// Answers at all; if `false`, every answer is 403.
    pub enabled: bool,
    /// Lets a request for a token hang, as behind one hop too many.
    pub hang_token: bool,
}

/// The credentials of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role's name.
    pub name: String,
    /// The access key. S3, EC2 and STS know it too.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// The session token; `expired` is refused by the services.
    pub token: String,
    /// Seconds until the credentials expire, counted from each answer; may be negative.
    pub expires_in: i64,
}

impl Default for Role {
    fn default() -> Self {
        Self {
            name: "standin".to_owned(),
            access_key: "ASIASTANDIN000000001".to_owned(),
            secret_key: "standin/role/not/a/secret/forty/letters/0".to_owned(),
            token: "standin-session-token".to_owned(),
            expires_in: 6 * 60 * 60,
        }
    }
}

impl Default for Metadata {
    /// An `m3.medium` in `us-east-1` with a role, version 2 only.
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            instance_type: "m3.medium".to_owned(),
            architecture: "x86_64".to_owned(),
            ami_id: "ami-0123456789abcdef0".to_owned(),
            ami_manifest_path: "(unknown)".to_owned(),
            ancestor_ami_ids: Vec::new(),
            kernel_id: None,
            ramdisk_id: None,
            product_codes: Vec::new(),
            block_devices: vec![
                ("ami".to_owned(), "sda1".to_owned()),
                ("root".to_owned(), "/dev/sda1".to_owned()),
            ],
            user_data: None,
            role: Some(Role::default()),
            version_1: false,
            enabled: true,
            hang_token: false,
        }
    }
}

/// A token that instance metadata has given out.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// The end of its life, in milliseconds since 1970.
    pub(crate) until: u64,
}
