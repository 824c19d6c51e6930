//! Why a document is refused.

use crate::HexError;
use crate::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_SIZE};
use crate::name::NameError;

/// Why a document is not a manifest that can be trusted to mean one thing.
///
/// An `element` is its path in the document, `image/parts/part/digest`; an `offset` counts bytes from the document's
/// start. What a message quotes from the document is cut short and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// There is nothing in it, or white space only.
    #[error("the manifest is empty")]
    Empty,
    /// More bytes than [`MAX_SIZE`].
    #[error("{0} bytes long: a manifest has at most {MAX_SIZE}")]
    TooLarge(usize),
    /// It does not begin with `<`.
    #[error(
        "not an XML document, so not a manifest of version 3 or later\nhint: before version 3 the manifest itself was encrypted; if it is one of those it cannot be read"
    )]
    NotXml,
    /// It begins as XML and goes on with bytes that are not UTF-8.
    #[error("not UTF-8 at offset {offset}")]
    NotUtf8 {
        /// Where the first wrong byte is.
        offset: usize,
    },
    /// It says that it is ASCII, and is not.
    #[error("declared to be ASCII, and not so at offset {offset}")]
    NotAscii {
        /// Where the first other byte is.
        offset: usize,
    },
    /// Another encoding than UTF-8 or its subset ASCII.
    #[error("the manifest is encoded as `{0}`: only UTF-8 and ASCII are read")]
    Encoding(String),
    /// A control character, which XML does not have.
    #[error("a control character at offset {offset}")]
    ControlCharacter {
        /// Where it is.
        offset: usize,
    },
    /// Not well-formed.
    #[error("not well-formed XML at offset {offset}: {problem}")]
    Syntax {
        /// Where it was noticed.
        offset: usize,
        /// What is wrong.
        problem: String,
    },
    /// More than 16 attributes.
    #[error("more than {MAX_ATTRIBUTES} attributes in one element at offset {offset}")]
    TooManyAttributes {
        /// Where the element begins.
        offset: usize,
    },
    /// A document type declaration; it could define entities.
    #[error("a document type declaration at offset {offset}: a manifest has none")]
    Dtd {
        /// Where it begins.
        offset: usize,
    },
    /// A CDATA section; it could hide an element from one reader and show it to another.
    #[error("a CDATA section at offset {offset}: a manifest has none")]
    Cdata {
        /// Where it begins.
        offset: usize,
    },
    /// A comment; it could hide an element from one reader and show it to another.
    #[error("a comment at offset {offset}: a manifest has none")]
    Comment {
        /// Where it begins.
        offset: usize,
    },
    /// A processing instruction, or an XML declaration that is not the first thing.
    #[error("a processing instruction at offset {offset}: a manifest has none")]
    ProcessingInstruction {
        /// Where it begins.
        offset: usize,
    },
    /// A reference to something but the five entities of XML or a printable character.
    #[error(
        "`&{name};` at offset {offset}: only the five entities of XML and printable characters can be referred to"
    )]
    Reference {
        /// Where it begins.
        offset: usize,
        /// What is referred to.
        name: String,
    },
    /// Elements within elements within elements.
    #[error("elements are nested more than {MAX_DEPTH} deep at offset {offset}")]
    TooDeep {
        /// Where the first one too deep begins.
        offset: usize,
    },
    /// The outermost element is another one.
    #[error("the document is a `{0}`, not a `manifest`")]
    WrongRoot(String),
    /// Something after the end of the manifest.
    #[error("something after the end of the manifest, at offset {offset}")]
    Trailing {
        /// Where it begins.
        offset: usize,
    },
    /// The document ends within an element.
    #[error("the manifest ends within `{element}`: it was cut short")]
    Unclosed {
        /// The innermost element that is open.
        element: &'static str,
    },
    /// A second one of an element that there is one of. For `machine_configuration` and `image` this holds for the
    /// whole document: which one was signed, and which one is believed, must not be a question.
    #[error("a second `{element}` at offset {offset}")]
    Repeated {
        /// The element.
        element: &'static str,
        /// Where the second one begins.
        offset: usize,
    },
    /// `machine_configuration` or `image` elsewhere than directly in the manifest.
    #[error("`{element}` within another element, at offset {offset}")]
    Misplaced {
        /// The element.
        element: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// An element within one that holds a text.
    #[error("an element within `{element}`, which holds a text")]
    Nested {
        /// The element that holds a text.
        element: &'static str,
    },
    /// Text within an element that holds elements.
    #[error("text within `{element}`, which holds elements")]
    StrayText {
        /// The element that holds elements.
        element: &'static str,
    },
    /// An element is not there, or there is nothing in it.
    #[error("no `{element}`")]
    Missing {
        /// The element.
        element: &'static str,
    },
    /// An attribute is not there.
    #[error("`{element}` has no attribute `{attribute}`")]
    MissingAttribute {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// Another algorithm than SHA-1 for a digest, or than AES-128-CBC for a key.
    #[error("`{element}` has the algorithm `{found}`: only `{expected}` is known")]
    Algorithm {
        /// The element.
        element: &'static str,
        /// The algorithm that the format has.
        expected: &'static str,
        /// The one that is there.
        found: String,
    },
    /// A text that is not hexadecimal, or not of the right length.
    #[error("`{element}` is not the hexadecimal text that it should be")]
    Hex {
        /// The element.
        element: &'static str,
        /// What is wrong.
        #[source]
        source: HexError,
    },
    /// Not a decimal number, or not one of the range.
    #[error("`{element}` is `{found}`: a number from 0 to {max} belongs there")]
    Number {
        /// The element, and the attribute where it is one.
        element: &'static str,
        /// The largest number.
        max: u64,
        /// What is there.
        found: String,
    },
    /// A control character in a text.
    #[error("a control character in `{element}`")]
    ControlInText {
        /// The element.
        element: &'static str,
    },
    /// A version that is not known.
    #[error("a manifest of version `{0}`: known are 3, 2007-08-29 and 2007-10-10")]
    UnknownVersion(String),
    /// A `machine_configuration` in version 3, which does not sign it.
    #[error("a `machine_configuration` in a manifest of version 3, where nothing signs it")]
    MachineConfigurationInV3,
    /// Not `machine`, `kernel` or `ramdisk`.
    #[error("`image/type` is `{0}`: known are machine, kernel and ramdisk")]
    UnknownType(String),
    /// The bundle's name is not a bare file name.
    #[error("`image/name` cannot be a file name")]
    ImageName {
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// There are no parts.
    #[error("the manifest lists no parts")]
    NoParts,
    /// There are more or fewer parts than `count` says.
    #[error("the manifest lists {found} parts and says that there are {count}")]
    PartCount {
        /// What `count` says.
        count: u64,
        /// How many there are.
        found: usize,
    },
    /// The indices are not 0, 1, 2… each once.
    #[error("part {missing} is not listed, part {found} is in its place or there twice")]
    PartIndex {
        /// The first index that no part has.
        missing: u64,
        /// The index that is found where it would be.
        found: u64,
    },
    /// The name of a part is not a bare file name.
    #[error("the name of part {index} cannot be that of a file beside the manifest")]
    PartName {
        /// The index of the part.
        index: u64,
        /// What is wrong with it.
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
