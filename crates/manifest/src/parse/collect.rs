//! Values from the texts of the elements.

use std::collections::HashSet;

use super::element::{Element, Holds};
use super::error::ParseError;
use super::text::{is_space, shown};
use crate::hex;
use crate::limits::MAX_BYTES;
use crate::name::check_name;
use crate::signature::UNSIGNED;
use crate::{
    BlockDeviceMapping, Bundler, Contents, ImageType, Part, Sha1Digest, Signature, Version,
};

const ELEMENTS: usize = Element::Unknown as usize + 1;

/// The texts and values that were found so far.
#[derive(Default)]
pub(super) struct Found {
    /// A bit for each element that was seen.
    seen: u64,
    /// The text of the element that is open, if it holds text.
    text: String,
    /// The texts of the elements that have ended, without the white space around them.
    texts: Texts,
    mappings: Vec<BlockDeviceMapping>,
    product_codes: Vec<String>,
    ancestry: Vec<String>,
    count: Option<u64>,
    index: Option<u64>,
    parts: Vec<(u64, Part)>,
    version: Option<Version>,
}

struct Texts([Option<String>; ELEMENTS]);

impl Default for Texts {
    fn default() -> Self {
        Self([const { None }; ELEMENTS])
    }
}

impl Texts {
    /// Takes the text of an element. An empty element counts as a missing one.
    fn take(&mut self, element: Element) -> Option<String> {
        self.0[element as usize].take().filter(|text| !text.is_empty())
    }

    fn require(&mut self, element: Element) -> Result<String, ParseError> {
        self.take(element).ok_or(ParseError::Missing { element: element.path() })
    }

    fn digest(&mut self, element: Element) -> Result<Sha1Digest, ParseError> {
        self.require(element)?
            .parse()
            .map_err(|source| ParseError::Hex { element: element.path(), source })
    }

    fn bytes(&mut self, element: Element) -> Result<Vec<u8>, ParseError> {
        hex::decode(self.take(element).unwrap_or_default().as_bytes())
            .map_err(|source| ParseError::Hex { element: element.path(), source })
    }

    fn length(&mut self, element: Element) -> Result<u64, ParseError> {
        number(&self.require(element)?, element.path(), MAX_BYTES)
    }
}

impl Found {
    /// Says whether there was such an element.
    pub(super) fn seen(&self, element: Element) -> bool {
        self.seen & bit(element) != 0
    }

    /// Begins `element` at `offset`.
    pub(super) fn begin(&mut self, element: Element, offset: usize) -> Result<(), ParseError> {
        if self.seen(element) && !element.repeats() {
            return Err(ParseError::Repeated { element: element.path(), offset });
        }
        self.seen |= bit(element);
        if element.repeats() {
            // Each repetition may hold each of its children once.
            self.seen &= !element.children().map(bit).fold(0, |bits, child| bits | child);
        }
        if element == Element::Part {
            self.index = None;
        }
        self.text.clear();
        Ok(())
    }

    /// Takes an attribute of `element`.
    pub(super) fn attribute(
        &mut self,
        element: Element,
        key: &str,
        value: &str,
    ) -> Result<(), ParseError> {
        let expected = match element {
            Element::Digest | Element::PartDigest => "SHA1",
            Element::Ec2Key | Element::UserKey => "AES-128-CBC",
            _ => "",
        };
        match (element, key) {
            (Element::Parts, "count") => {
                self.count = Some(number(value, "image/parts count", u64::MAX)?)
            }
            (Element::Part, "index") => {
                self.index = Some(number(value, "image/parts/part index", u64::MAX)?)
            }
            (_, "algorithm") if !expected.is_empty() && !value.eq_ignore_ascii_case(expected) => {
                return Err(ParseError::Algorithm {
                    element: element.path(),
                    expected,
                    found: shown(value),
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes some of the text of the element that is open.
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends `element`.
    pub(super) fn end(&mut self, element: Element) -> Result<(), ParseError> {
        if element.holds() == Holds::Text {
            let text = self.text.trim_matches(|c| u8::try_from(c).is_ok_and(is_space));
            if text.chars().any(char::is_control)
                && !matches!(element, Element::Name | Element::PartName)
            {
                return Err(ParseError::ControlInText { element: element.path() });
            }
            self.texts.0[element as usize] = Some(text.to_owned());
        }
        match element {
            Element::Version => {
                let text = self.texts.require(element)?;
                // At once: the elements of an unknown version have unknown meanings.
                self.version = Some(
                    Version::from_text(&text)
                        .ok_or_else(|| ParseError::UnknownVersion(shown(&text)))?,
                );
            }
            Element::Mapping => self.mappings.push(BlockDeviceMapping {
                virtual_name: self.texts.require(Element::MappingVirtual)?,
                device: self.texts.require(Element::MappingDevice)?,
            }),
            Element::ProductCode => self.product_codes.push(self.texts.require(element)?),
            Element::Ancestor => self.ancestry.push(self.texts.require(element)?),
            Element::Part => {
                let index = self.index.ok_or(ParseError::MissingAttribute {
                    element: element.path(),
                    attribute: "index",
                })?;
                // An empty name is reported as a bad name, not as a missing one.
                let filename = self.texts.0[Element::PartName as usize]
                    .take()
                    .ok_or(ParseError::Missing { element: Element::PartName.path() })?;
                check_name(&filename).map_err(|source| ParseError::PartName { index, source })?;
                self.parts.push((
                    index,
                    Part { filename, digest: self.texts.digest(Element::PartDigest)? },
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the version.
    pub(super) fn version(&self) -> Result<Version, ParseError> {
        self.version.ok_or(ParseError::Missing { element: Element::Version.path() })
    }

    /// Takes the signature. A missing one counts as an empty one: both leave the manifest unsigned.
    pub(super) fn signature(&mut self) -> Result<Signature, ParseError> {
        if self.texts.0[Element::Signature as usize].as_deref() == Some(UNSIGNED) {
            return Ok(Signature::Unsigned);
        }
        let signature = self.texts.bytes(Element::Signature)?;
        Ok(if signature.is_empty() { Signature::Unsigned } else { Signature::Rsa(signature) })
    }

    /// Makes the contents of the manifest.
    pub(super) fn contents(mut self, version: Version) -> Result<Contents, ParseError> {
        let parts = self.parts()?;
        let texts = &mut self.texts;
        let name = texts.0[Element::Name as usize]
            .take()
            .ok_or(ParseError::Missing { element: Element::Name.path() })?;
        check_name(&name).map_err(|source| ParseError::ImageName { source })?;
        let image_type = match (texts.take(Element::Type), version) {
            (Some(text), _) => {
                ImageType::from_text(&text).ok_or_else(|| ParseError::UnknownType(shown(&text)))?
            }
            (None, Version::V20071010) => {
                return Err(ParseError::Missing { element: Element::Type.path() });
            }
            (None, _) => ImageType::Machine,
        };
        let architecture = match version {
            // That version is from when EC2 had no other.
            Version::V3 => "i386".to_owned(),
            _ => texts.require(Element::Architecture)?,
        };
        Ok(Contents {
            bundler: Bundler {
                name: texts.take(Element::BundlerName).unwrap_or_default(),
                version: texts.take(Element::BundlerVersion).unwrap_or_default(),
                release: texts.take(Element::BundlerRelease).unwrap_or_default(),
            },
            architecture,
            mappings: self.mappings,
            kernel_id: texts.take(Element::KernelId),
            ramdisk_id: texts.take(Element::RamdiskId),
            product_codes: self.product_codes,
            name,
            account: texts.require(Element::User)?,
            image_type,
            kernel_name: texts.take(Element::KernelName),
            ancestry: self.ancestry,
            digest: texts.digest(Element::Digest)?,
            size: texts.length(Element::Size)?,
            bundled_size: texts.length(Element::BundledSize)?,
            ec2_key: texts.bytes(Element::Ec2Key)?,
            user_key: texts.bytes(Element::UserKey)?,
            ec2_iv: texts.bytes(Element::Ec2Iv)?,
            user_iv: texts.bytes(Element::UserIv)?,
            parts,
        })
    }

    /// Takes the parts in the order of their indices, which is that of the image. The document may have them in any
    /// order.
    fn parts(&mut self) -> Result<Vec<Part>, ParseError> {
        if !self.seen(Element::Parts) {
            return Err(ParseError::Missing { element: Element::Parts.path() });
        }
        let count = self.count.ok_or(ParseError::MissingAttribute {
            element: Element::Parts.path(),
            attribute: "count",
        })?;
        let mut parts = std::mem::take(&mut self.parts);
        if count != parts.len() as u64 {
            return Err(ParseError::PartCount { count, found: parts.len() });
        }
        if parts.is_empty() {
            return Err(ParseError::NoParts);
        }
        parts.sort_by_key(|(index, _)| *index);
        let mut names = HashSet::with_capacity(parts.len());
        for (missing, (index, part)) in (0..).zip(&parts) {
            if *index != missing {
                return Err(ParseError::PartIndex { missing, found: *index });
            }
            if !names.insert(part.filename.as_str()) {
                return Err(ParseError::RepeatedPartName { index: *index });
            }
        }
        Ok(parts.into_iter().map(|(_, part)| part).collect())
    }
}

fn bit(element: Element) -> u64 {
    1 << element as u64
}

/// Reads a decimal number: digits only, without a sign.
fn number(text: &str, element: &'static str, max: u64) -> Result<u64, ParseError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|number| *number <= max).ok_or_else(|| ParseError::Number {
        element,
        max,
        found: shown(text),
    })
}
