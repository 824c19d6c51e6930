//! Writing a manifest, byte for byte as the classic tools do.
//!
//! EC2 is strict about the XML declaration, the order of the elements and hyphens in the account. The classic layout is
//! known to be accepted (`docs/format.md`, "The manifest").

use std::collections::HashSet;

use quick_xml::escape::escape;
use rsa::rand_core::TryCryptoRng;

use crate::limits::{MAX_BYTES, MAX_SIZE};
use crate::name::{NameError, check_name};
use crate::signature::UNSIGNED;
use crate::{
    AccountError, AccountId, Advice, Contents, ImageType, KeyError, PrivateKey, Sha1Digest, hex,
};

/// An error of writing a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bundle's name is not a bare file name.
    #[error("the bundle's name cannot be a file name")]
    Name(#[source] NameError),
    /// The account is not the id of an account.
    #[error("the bundle's account cannot be written")]
    Account(#[source] AccountError),
    /// The name of a part is not a bare file name.
    #[error("the name of part {index} cannot be a file name")]
    PartName {
        /// The index of the part.
        index: usize,
        /// The fault of the name.
        #[source]
        source: NameError,
    },
    /// Two parts would be the same file; the index of the second one.
    #[error("part {0} has the name of another part")]
    RepeatedPartName(usize),
    /// The contents list no parts.
    #[error("a bundle has at least one part")]
    NoParts,
    /// EC2 would refuse a value, or it would be read as another one.
    #[error("`{element}` cannot be `{}`", .value.escape_debug())]
    Value {
        /// The element.
        element: &'static str,
        /// The value.
        value: String,
    },
    /// A virtual name has two devices; the name.
    #[error("the virtual name `{}` is mapped twice", .0.escape_debug())]
    RepeatedMapping(String),
    /// The image has the name of a kernel and is not a kernel.
    #[error("only a kernel image has a kernel name")]
    KernelName,
    /// The cipher key or the initialisation vector for EC2 is missing.
    #[error("the bundle's key was not encrypted for EC2")]
    NotForEc2,
    /// Only one of the cipher key and the initialisation vector is there for the user.
    #[error(
        "the bundle's key and its initialisation vector must both be encrypted for the user, or neither"
    )]
    HalfForUser,
    /// The manifest would have more bytes than [`MAX_SIZE`]; how many.
    #[error("the manifest would have {0} bytes, at most {MAX_SIZE} are read")]
    TooLarge(usize),
    /// The manifest cannot be signed.
    #[error("the manifest cannot be signed")]
    Key(#[source] KeyError),
}

impl WriteError {
    /// Returns what the user can do about it, if there is something to do.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Account(source) => source.advice(),
            Self::Key(source) => source.advice(),
            Self::TooLarge(_) => Some(Advice::say("use larger parts, so that there are fewer")),
            _ => None,
        }
    }
}

/// Writes a manifest of version 2007-10-10 and signs it with `key`. Without a key the signature is `UNSIGNED`, which
/// EC2 accepts.
///
/// The same contents and key give the same bytes, whatever `rng` gives, because it only blinds the signing. Hyphens in
/// the account are dropped; mappings are put in the order of their virtual names.
///
/// # Errors
///
/// [`WriteError`] for contents that EC2 refuses or that [`Manifest::parse`](crate::Manifest::parse) would not read
/// back, and if `rng` fails.
pub fn write<R: TryCryptoRng + ?Sized>(
    contents: &Contents,
    key: Option<&PrivateKey>,
    rng: &mut R,
) -> Result<String, WriteError> {
    let account = check(contents)?;
    let mut xml = Xml(String::with_capacity(4096 + 200 * contents.parts.len()));
    xml.0.push_str("<?xml version='1.0'?><manifest>");
    xml.text("version", "2007-10-10");
    xml.open("bundler");
    xml.text("name", &contents.bundler.name);
    xml.text("version", &contents.bundler.version);
    xml.text("release", &contents.bundler.release);
    xml.close("bundler");
    let signed = xml.0.len();
    machine_configuration(&mut xml, contents);
    image(&mut xml, contents, &account);
    let signature = match key {
        Some(key) => {
            let digest = Sha1Digest::of(std::iter::once(&xml.0.as_bytes()[signed..]));
            hex::encode(&key.sign(&digest, rng).map_err(WriteError::Key)?)
        }
        None => UNSIGNED.to_owned(),
    };
    xml.text("signature", &signature);
    xml.close("manifest");
    match xml.0.len() {
        ..=MAX_SIZE => Ok(xml.0),
        length => Err(WriteError::TooLarge(length)),
    }
}

fn machine_configuration(xml: &mut Xml, contents: &Contents) {
    xml.open("machine_configuration");
    xml.text("architecture", &contents.architecture);
    if !contents.mappings.is_empty() {
        let mut mappings: Vec<_> = contents.mappings.iter().collect();
        mappings.sort_by_key(|mapping| &mapping.virtual_name);
        xml.open("block_device_mapping");
        for mapping in mappings {
            xml.open("mapping");
            xml.text("virtual", &mapping.virtual_name);
            xml.text("device", &mapping.device);
            xml.close("mapping");
        }
        xml.close("block_device_mapping");
    }
    xml.optional("kernel_id", contents.kernel_id.as_deref());
    xml.optional("ramdisk_id", contents.ramdisk_id.as_deref());
    xml.list("product_codes", "product_code", &contents.product_codes);
    xml.close("machine_configuration");
}

fn image(xml: &mut Xml, contents: &Contents, account: &AccountId) {
    const CIPHER: &str = " algorithm='AES-128-CBC'";
    xml.open("image");
    xml.text("name", &contents.name);
    xml.text("user", account.as_str());
    xml.text("type", &contents.image_type.to_string());
    xml.optional("kernel_name", contents.kernel_name.as_deref());
    xml.list("ancestry", "ancestor_ami_id", &contents.ancestry);
    xml.element("digest", " algorithm='SHA1'", &contents.digest.to_string());
    xml.text("size", &contents.size.to_string());
    xml.text("bundled_size", &contents.bundled_size.to_string());
    xml.element("ec2_encrypted_key", CIPHER, &hex::encode(&contents.ec2_key));
    xml.element("user_encrypted_key", CIPHER, &hex::encode(&contents.user_key));
    xml.text("ec2_encrypted_iv", &hex::encode(&contents.ec2_iv));
    xml.text("user_encrypted_iv", &hex::encode(&contents.user_iv));
    xml.0.push_str(&format!("<parts count='{}'>", contents.parts.len()));
    for (index, part) in contents.parts.iter().enumerate() {
        xml.0.push_str(&format!("<part index='{index}'>"));
        xml.text("filename", &part.filename);
        xml.element("digest", " algorithm='SHA1'", &part.digest.to_string());
        xml.close("part");
    }
    xml.close("parts");
    xml.close("image");
}

/// A document on one line.
struct Xml(String);

impl Xml {
    fn open(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    fn close(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    /// Writes an element even if it is empty: EC2 refuses a manifest without the user's copies of the secrets.
    fn element(&mut self, name: &str, attributes: &str, text: &str) {
        if text.is_empty() {
            self.0.extend(["<", name, attributes, "/>"]);
        } else {
            self.0.extend(["<", name, attributes, ">", &escape(text)]);
            self.close(name);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.element(name, "", text);
    }

    /// Writes an element unless there is no text for it.
    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn list(&mut self, name: &str, item: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.open(name);
            texts.iter().for_each(|text| self.text(item, text));
            self.close(name);
        }
    }
}

/// Checks that [`write()`] will accept `contents`, as far as that is known before the image is bundled: the digests,
/// the lengths, the secrets and the parts are not checked.
///
/// # Errors
///
/// The [`WriteError`] with which [`write()`] would fail.
pub fn check_draft(contents: &Contents) -> Result<(), WriteError> {
    let draft = Contents {
        size: 0,
        bundled_size: 0,
        ec2_key: vec![0],
        ec2_iv: vec![0],
        user_key: Vec::new(),
        user_iv: Vec::new(),
        parts: vec![crate::Part { filename: "part".to_owned(), digest: contents.digest }],
        ..contents.clone()
    };
    check(&draft).map(drop)
}

/// Refuses contents that EC2 would refuse, and contents that would be read back as others.
fn check(contents: &Contents) -> Result<AccountId, WriteError> {
    check_name(&contents.name).map_err(WriteError::Name)?;
    // The reader drops the white space around a text.
    if contents.name.trim() != contents.name {
        return Err(value("image/name", &contents.name));
    }
    let account = contents.account.parse().map_err(WriteError::Account)?;
    check_values(contents)?;
    if contents.kernel_name.is_some() && contents.image_type != ImageType::Kernel {
        return Err(WriteError::KernelName);
    }
    if contents.ec2_key.is_empty() || contents.ec2_iv.is_empty() {
        return Err(WriteError::NotForEc2);
    }
    if contents.user_key.is_empty() != contents.user_iv.is_empty() {
        return Err(WriteError::HalfForUser);
    }
    if contents.parts.is_empty() {
        return Err(WriteError::NoParts);
    }
    let mut names = HashSet::with_capacity(contents.parts.len());
    for (index, part) in contents.parts.iter().enumerate() {
        check_name(&part.filename).map_err(|source| WriteError::PartName { index, source })?;
        if part.filename.trim() != part.filename {
            return Err(value("image/parts/part/filename", &part.filename));
        }
        if !names.insert(part.filename.as_str()) {
            return Err(WriteError::RepeatedPartName(index));
        }
    }
    Ok(account)
}

fn check_values(contents: &Contents) -> Result<(), WriteError> {
    let bundler = &contents.bundler;
    check_line("bundler/name", &bundler.name)?;
    check_line("bundler/version", &bundler.version)?;
    check_line("bundler/release", &bundler.release)?;
    check_word("architecture", &contents.architecture)?;
    if let Some(kernel) = &contents.kernel_id {
        check_word("kernel_id", kernel)?;
    }
    if let Some(ramdisk) = &contents.ramdisk_id {
        check_word("ramdisk_id", ramdisk)?;
    }
    if let Some(name) = &contents.kernel_name {
        check_line("kernel_name", name)?;
        if name.is_empty() {
            return Err(value("kernel_name", name));
        }
    }
    for code in &contents.product_codes {
        check_word("product_code", code)?;
    }
    for ancestor in &contents.ancestry {
        check_word("ancestor_ami_id", ancestor)?;
    }
    let mut mapped = HashSet::new();
    for mapping in &contents.mappings {
        check_word("virtual", &mapping.virtual_name)?;
        check_word("device", &mapping.device)?;
        if !mapped.insert(&mapping.virtual_name) {
            return Err(WriteError::RepeatedMapping(mapping.virtual_name.clone()));
        }
    }
    check_length("size", contents.size)?;
    check_length("bundled_size", contents.bundled_size)
}

/// Checks an id or a code.
fn check_word(element: &'static str, text: &str) -> Result<(), WriteError> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { Ok(()) } else { Err(value(element, text)) }
}

/// Checks a text, which may be empty. The reader drops the white space around it.
fn check_line(element: &'static str, text: &str) -> Result<(), WriteError> {
    let is_line = text.trim() == text && !text.chars().any(char::is_control);
    if is_line { Ok(()) } else { Err(value(element, text)) }
}

fn check_length(element: &'static str, bytes: u64) -> Result<(), WriteError> {
    if bytes <= MAX_BYTES { Ok(()) } else { Err(value(element, &bytes.to_string())) }
}

fn value(element: &'static str, value: &str) -> WriteError {
    WriteError::Value { element, value: value.to_owned() }
}
