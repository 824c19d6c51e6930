//! Errors of reading a manifest.

use crate::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_SIZE};
use crate::name::NameError;
use crate::{Advice, HexError};

/// An error of reading a manifest: the document is none, or it could be read in two ways.
///
/// An `element` is its path in the document, `image/parts/part/digest`; an `offset` counts bytes from the document's
/// start. Messages quote the document in short and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The document is empty, or white space only.
    #[error("the manifest is empty")]
    Empty,
    /// The document has more bytes than [`MAX_SIZE`]; how many.
    #[error("{0} bytes long: a manifest has at most {MAX_SIZE}")]
    TooLarge(usize),
    /// The document does not begin with `<`.
    #[error("not an XML document, so not a manifest of version 3 or later")]
    NotXml,
    /// The document begins as XML and continues with bytes that are not UTF-8.
    #[error("not UTF-8 at offset {offset}")]
    NotUtf8 {
        /// The place of the first wrong byte.
        offset: usize,
    },
    /// The document is declared to be ASCII, and is not.
    #[error("declared to be ASCII, but not ASCII at offset {offset}")]
    NotAscii {
        /// The place of the first other byte.
        offset: usize,
    },
    /// The encoding is another one than UTF-8 or its subset ASCII; its name.
    #[error("the manifest is encoded as `{0}`: only UTF-8 and ASCII are read")]
    Encoding(String),
    /// The document has a control character, which XML does not allow.
    #[error("a control character at offset {offset}")]
    ControlCharacter {
        /// The place of the character.
        offset: usize,
    },
    /// The document is not well-formed XML.
    #[error("not well-formed XML at offset {offset}: {problem}")]
    Syntax {
        /// The place at which that was noticed.
        offset: usize,
        /// The fault.
        problem: String,
    },
    /// An element has more than 16 attributes.
    #[error("more than {MAX_ATTRIBUTES} attributes in one element at offset {offset}")]
    TooManyAttributes {
        /// The start of the element.
        offset: usize,
    },
    /// A document type declaration; it could define entities.
    #[error("a document type declaration at offset {offset}: a manifest has none")]
    Dtd {
        /// The start of it.
        offset: usize,
    },
    /// A CDATA section; it could hide an element from one reader and show it to another.
    #[error("a CDATA section at offset {offset}: a manifest has none")]
    Cdata {
        /// The start of it.
        offset: usize,
    },
    /// A comment; it could hide an element from one reader and show it to another.
    #[error("a comment at offset {offset}: a manifest has none")]
    Comment {
        /// The start of it.
        offset: usize,
    },
    /// A processing instruction, or an XML declaration that is not the first thing.
    #[error("a processing instruction at offset {offset}: a manifest has none")]
    ProcessingInstruction {
        /// The start of it.
        offset: usize,
    },
    /// A reference to something other than the five entities of XML or a printable character.
    #[error(
        "`&{name};` at offset {offset}: only the five entities of XML and printable characters can be referred to"
    )]
    Reference {
        /// The start of it.
        offset: usize,
        /// The name or number in the reference.
        name: String,
    },
    /// Elements are nested too deep.
    #[error("elements are nested more than {MAX_DEPTH} deep at offset {offset}")]
    TooDeep {
        /// The start of the first element that is too deep.
        offset: usize,
    },
    /// The outermost element is not `manifest`; its name.
    #[error("the document is a `{0}`, not a `manifest`")]
    WrongRoot(String),
    /// Something follows the end of the manifest.
    #[error("something after the end of the manifest, at offset {offset}")]
    Trailing {
        /// The start of it.
        offset: usize,
    },
    /// The document ends within an element.
    #[error("the manifest ends within `{element}`: it was cut short")]
    Unclosed {
        /// The innermost element that is open.
        element: &'static str,
    },
    /// An element that may be there once is there twice. `machine_configuration` and `image` may be there once in the
    /// whole document, so that there is no doubt which one was signed and which one is trusted.
    #[error("a second `{element}` at offset {offset}")]
    Repeated {
        /// The element.
        element: &'static str,
        /// The start of the second one.
        offset: usize,
    },
    /// `machine_configuration` or `image` is not directly in the manifest, but deeper.
    #[error("`{element}` within another element, at offset {offset}")]
    Misplaced {
        /// The element.
        element: &'static str,
        /// The start of it.
        offset: usize,
    },
    /// An element is within one that holds text.
    #[error("an element within `{element}`, which holds text")]
    Nested {
        /// The element that holds text.
        element: &'static str,
    },
    /// Text is within an element that holds elements.
    #[error("text within `{element}`, which holds elements")]
    StrayText {
        /// The element that holds elements.
        element: &'static str,
    },
    /// An element is missing or empty.
    #[error("no `{element}`")]
    Missing {
        /// The element.
        element: &'static str,
    },
    /// An attribute is missing.
    #[error("`{element}` has no attribute `{attribute}`")]
    MissingAttribute {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// The algorithm of a digest is not SHA-1, or that of a key is not AES-128-CBC.
    #[error("`{element}` has the algorithm `{found}`: only `{expected}` is known")]
    Algorithm {
        /// The element.
        element: &'static str,
        /// The algorithm of the format.
        expected: &'static str,
        /// The algorithm in the document.
        found: String,
    },
    /// A text is not hexadecimal, or not of the right length.
    #[error("`{element}` is not hexadecimal text of the right form")]
    Hex {
        /// The element.
        element: &'static str,
        /// The fault.
        #[source]
        source: HexError,
    },
    /// A text is not a decimal number, or one out of range.
    #[error("`{element}` is `{found}`: a number from 0 to {max} belongs there")]
    Number {
        /// The element, and the attribute if it is in one.
        element: &'static str,
        /// The largest number.
        max: u64,
        /// The text in the document.
        found: String,
    },
    /// A text has a control character.
    #[error("a control character in `{element}`")]
    ControlInText {
        /// The element.
        element: &'static str,
    },
    /// The version is not known.
    #[error("a manifest of version `{0}`: known are 3, 2007-08-29 and 2007-10-10")]
    UnknownVersion(String),
    /// A manifest of version 3, which does not sign it, has a `machine_configuration`.
    #[error("a `machine_configuration` in a manifest of version 3, where nothing signs it")]
    MachineConfigurationInV3,
    /// The type is not `machine`, `kernel` or `ramdisk`.
    #[error("`image/type` is `{0}`: known are machine, kernel and ramdisk")]
    UnknownType(String),
    /// The bundle's name is not a bare file name.
    #[error("`image/name` cannot be a file name")]
    ImageName {
        /// The fault of the name.
        #[source]
        source: NameError,
    },
    /// The manifest lists no parts.
    #[error("the manifest lists no parts")]
    NoParts,
    /// The manifest lists more or fewer parts than `count` says.
    #[error("the manifest lists {found} parts and says that there are {count}")]
    PartCount {
        /// The value of `count`.
        count: u64,
        /// The number of parts that are listed.
        found: usize,
    },
    /// The indices of the parts are not 0, 1, 2…, each once.
    #[error("part {missing} is not listed; part {found} is there instead, or twice")]
    PartIndex {
        /// The first index that no part has.
        missing: u64,
        /// The index that is there instead.
        found: u64,
    },
    /// The name of a part is not a bare file name.
    #[error("the name of part {index} cannot be a file name")]
    PartName {
        /// The index of the part.
        index: u64,
        /// The fault of the name.
        #[source]
        source: NameError,
    },
    /// Two parts are the same file.
    #[error("part {index} has the name of another part")]
    RepeatedPartName {
        /// The index of the second one.
        index: u64,
    },
}

impl ParseError {
    /// Returns what the user can do about it, if there is something to do.
    pub fn advice(&self) -> Option<Advice> {
        let old = "a manifest from before version 3 is itself encrypted; if it is one of those, it cannot be read";
        matches!(self, Self::NotXml).then(|| Advice::say(old))
    }
}
