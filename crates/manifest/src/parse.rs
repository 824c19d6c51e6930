//! Reading a manifest: one pass over the document, which trusts nothing.
//!
//! The reader walks the events of the document and keeps a stack of the elements that are open. It remembers the text
//! of each known element and the start and end of the signed ones; [`collect`](collect::Found::contents) then makes
//! values of the texts. A document in which two readers could see two different manifests is refused
//! (`docs/format.md`, "What a reader must not trust").

mod collect;
mod element;
mod error;
mod text;

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use self::collect::Found;
use self::element::{Element, Holds};
pub use self::error::ParseError;
use self::text::{is_space, shown};
use crate::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_SIZE};
use crate::{Contents, Signature, Version};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A document that was read.
pub(crate) struct Parsed<'a> {
    pub(crate) text: &'a str,
    pub(crate) version: Version,
    /// The ranges that the signature covers, in that order.
    pub(crate) signed: Vec<Range<usize>>,
    pub(crate) contents: Contents,
    pub(crate) signature: Signature,
}

/// Reads a whole document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, ParseError> {
    let (text, start) = text(bytes)?;
    let mut walk = Walk::new(text, start);
    walk.document()?;
    let version = walk.found.version()?;
    let signed = match (version, walk.machine_configuration, walk.image) {
        (_, _, None) => return Err(ParseError::Missing { element: Element::Image.path() }),
        (Version::V3, Some(_), _) => return Err(ParseError::MachineConfigurationInV3),
        (Version::V3, None, Some(image)) => vec![image],
        (_, None, _) => {
            return Err(ParseError::Missing { element: Element::MachineConfiguration.path() });
        }
        (_, Some(machine_configuration), Some(image)) => vec![machine_configuration, image],
    };
    let signature = walk.found.signature()?;
    let contents = walk.found.contents(version)?;
    Ok(Parsed { text, version, signed, contents, signature })
}

/// Returns the document as text, and the offset at which it begins after a byte order mark.
fn text(bytes: &[u8]) -> Result<(&str, usize), ParseError> {
    if bytes.len() > MAX_SIZE {
        return Err(ParseError::TooLarge(bytes.len()));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(ParseError::Encoding("UTF-16".to_owned()));
    }
    let start = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    match bytes[start..].iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err(ParseError::Empty),
        Some(b'<') => {}
        Some(_) => return Err(ParseError::NotXml),
    }
    let text = str::from_utf8(bytes)
        .map_err(|error| ParseError::NotUtf8 { offset: error.valid_up_to() })?;
    // XML 1.0, production 2: of the control characters, only these three are allowed.
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    match bytes.iter().position(control) {
        Some(offset) => Err(ParseError::ControlCharacter { offset }),
        None => Ok((text, start)),
    }
}

/// The walk over the events of a document.
struct Walk<'a> {
    text: &'a str,
    start: usize,
    open: Vec<Element>,
    root_seen: bool,
    machine_configuration: Option<Range<usize>>,
    image: Option<Range<usize>>,
    /// The start of the signed element that is open.
    opened_at: usize,
    found: Found,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, start: usize) -> Self {
        Self {
            text,
            start,
            open: Vec::new(),
            root_seen: false,
            machine_configuration: None,
            image: None,
            opened_at: 0,
            found: Found::default(),
        }
    }

    fn document(&mut self) -> Result<(), ParseError> {
        let mut reader = Reader::from_str(&self.text[self.start..]);
        let mut first = true;
        loop {
            let at = self.offset(&reader);
            let event = reader.read_event().map_err(|error| ParseError::Syntax {
                offset: self.start
                    + usize::try_from(reader.error_position()).unwrap_or(usize::MAX - self.start),
                problem: shown(&error.to_string()),
            })?;
            let end = self.offset(&reader);
            match event {
                Event::Eof => break,
                Event::Text(text) => {
                    if text.bytes().all(is_space) {
                        self.found.text(&text);
                        continue;
                    }
                    self.characters(at)?;
                    self.found.text(&text);
                }
                Event::GeneralRef(reference) => {
                    let character = referred(&reference, at)?;
                    self.characters(at)?;
                    self.found.text(character.encode_utf8(&mut [0; 4]));
                }
                Event::Decl(declaration) if first => self.declaration(&declaration)?,
                Event::Decl(_) | Event::PI(_) => {
                    return Err(ParseError::ProcessingInstruction { offset: at });
                }
                Event::DocType(_) => return Err(ParseError::Dtd { offset: at }),
                Event::CData(_) => return Err(ParseError::Cdata { offset: at }),
                Event::Comment(_) => return Err(ParseError::Comment { offset: at }),
                Event::Start(tag) => self.begin(&tag, at)?,
                Event::Empty(tag) => {
                    self.begin(&tag, at)?;
                    self.end(end)?;
                }
                Event::End(_) => self.end(end)?,
            }
            first = false;
        }
        match self.open.last() {
            // quick-xml accepts this.
            Some(open) => Err(ParseError::Unclosed { element: open.path() }),
            None if !self.root_seen => {
                Err(ParseError::Missing { element: Element::Manifest.path() })
            }
            None => Ok(()),
        }
    }

    /// Returns the position of the reader, in bytes of the document.
    fn offset(&self, reader: &Reader<&[u8]>) -> usize {
        // The position is within the text, which is in memory: the conversion cannot fail.
        self.start
            + usize::try_from(reader.buffer_position()).unwrap_or(self.text.len() - self.start)
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), ParseError> {
        let Some(encoding) = declaration.encoding() else { return Ok(()) };
        let encoding = encoding.map_err(|error| ParseError::Syntax {
            offset: self.start,
            problem: shown(&error.to_string()),
        })?;
        if ["ascii", "us-ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
            return match self.text.bytes().skip(self.start).position(|byte| !byte.is_ascii()) {
                Some(at) => Err(ParseError::NotAscii { offset: self.start + at }),
                None => Ok(()),
            };
        }
        if encoding.eq_ignore_ascii_case("utf-8") {
            return Ok(());
        }
        Err(ParseError::Encoding(shown(&encoding)))
    }

    /// Takes text that is not white space, or a reference, at `offset`.
    fn characters(&self, offset: usize) -> Result<(), ParseError> {
        match self.open.last() {
            None if self.root_seen => Err(ParseError::Trailing { offset }),
            None => Err(ParseError::Syntax {
                offset,
                problem: "text before the first element".to_owned(),
            }),
            Some(open) if open.holds() == Holds::Elements => {
                Err(ParseError::StrayText { element: open.path() })
            }
            Some(_) => Ok(()),
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>, offset: usize) -> Result<(), ParseError> {
        let name = tag.name();
        let element = match self.open.last() {
            None if self.root_seen => return Err(ParseError::Trailing { offset }),
            None if name.as_ref() != "manifest" => {
                return Err(ParseError::WrongRoot(shown(name.as_ref())));
            }
            None => Element::Manifest,
            Some(parent) if parent.holds() == Holds::Text => {
                return Err(ParseError::Nested { element: parent.path() });
            }
            Some(parent) => parent.child(name.as_ref()),
        };
        if self.open.len() == MAX_DEPTH {
            return Err(ParseError::TooDeep { offset });
        }
        self.root_seen = true;
        // A reader that searches for these two by name, at any depth or in any name space, must find the same ones.
        for signed in [Element::MachineConfiguration, Element::Image] {
            if name.local_name().as_ref() == signed.path() && element != signed {
                let element = signed.path();
                return Err(if self.found.seen(signed) {
                    ParseError::Repeated { element, offset }
                } else {
                    ParseError::Misplaced { element, offset }
                });
            }
        }
        if matches!(element, Element::MachineConfiguration | Element::Image) {
            self.opened_at = offset;
        }
        self.found.begin(element, offset)?;
        self.attributes(element, tag, offset)?;
        self.open.push(element);
        Ok(())
    }

    fn attributes(
        &mut self,
        element: Element,
        tag: &BytesStart<'_>,
        offset: usize,
    ) -> Result<(), ParseError> {
        for (number, attribute) in tag.attributes().enumerate() {
            let attribute = attribute.map_err(|error| ParseError::Syntax {
                offset,
                problem: shown(&error.to_string()),
            })?;
            if number == MAX_ATTRIBUTES {
                return Err(ParseError::TooManyAttributes { offset });
            }
            self.found.attribute(element, attribute.key.as_ref(), &attribute.value)?;
        }
        Ok(())
    }

    /// Ends the innermost element, whose last byte is the one before `end`.
    fn end(&mut self, end: usize) -> Result<(), ParseError> {
        // quick-xml has checked that an element is open and has this name.
        let Some(element) = self.open.pop() else { return Ok(()) };
        match element {
            Element::MachineConfiguration => self.machine_configuration = Some(self.opened_at..end),
            Element::Image => self.image = Some(self.opened_at..end),
            _ => {}
        }
        self.found.end(element)
    }
}

/// Returns the character that a reference stands for.
///
/// Numbers are accepted because euca2ools declares its manifests to be ASCII and writes all other characters as
/// numbers.
fn referred(reference: &BytesRef<'_>, offset: usize) -> Result<char, ParseError> {
    let character = if reference.is_char_ref() {
        reference.resolve_char_ref().ok().flatten()
    } else {
        resolve_xml_entity(reference).and_then(|text| text.chars().next())
    };
    character
        .filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .ok_or_else(|| ParseError::Reference { offset, name: shown(reference) })
}
