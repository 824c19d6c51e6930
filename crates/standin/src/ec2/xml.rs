//! XML: the form of answers, and a small reader for manifests.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// An answer while it is written.
#[derive(Debug, Default)]
pub(crate) struct Xml(pub(crate) String);

impl Xml {
    /// An element with text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!("<{name}>{}</{name}>", escape(text)));
    }

    /// An element with what `inside` writes.
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.0.push_str(&format!("<{name}>"));
        inside(self);
        self.0.push_str(&format!("</{name}>"));
    }

    /// `<return>true</return>`.
    pub(crate) fn done() -> Self {
        let mut xml = Self::default();
        xml.leaf("return", "true");
        xml
    }
}

/// An element of a manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document; `None` if it is not well formed.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::start(&start)?),
                Event::Empty(start) => {
                    let element = Self::start(&start)?;
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?;
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open
                    .last_mut()?
                    .text
                    .push_str(text.xml_content(quick_xml::XmlVersion::Implicit1_0).as_ref()),
                Event::GeneralRef(reference) => {
                    let name: &str = &reference;
                    let text = match reference.resolve_char_ref().ok()? {
                        Some(c) => c.to_string(),
                        None => {
                            quick_xml::escape::unescape(&format!("&{name};")).ok()?.into_owned()
                        }
                    };
                    open.last_mut()?.text.push_str(&text);
                }
                // No manifest has these.
                Event::DocType(_) | Event::CData(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        let mut document = open.pop().filter(|_| open.is_empty())?;
        let root = document.children.pop()?;
        document.children.is_empty().then_some(root)
    }

    fn start(start: &quick_xml::events::BytesStart<'_>) -> Option<Self> {
        let mut attributes = BTreeMap::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let name = attribute.key.as_ref().to_owned();
            attributes.insert(
                name,
                attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned(),
            );
        }
        let name = start.name().as_ref().to_owned();
        Some(Self { name, attributes, ..Self::default() })
    }

    /// The element at a path of names.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| {
            element.children.iter().find(|child| child.name == name)
        })
    }

    /// The text of the element at a path, without white space around it.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        self.find(path).map(|element| element.text.trim())
    }

    /// The children with a name.
    pub(crate) fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read() {
        let root = Element::read(
            "<?xml version='1.0'?>\n<a b='1'> <c>x &amp; &#65;</c><c/><d><e>2</e></d></a>\n",
        )
        .unwrap();
        assert_eq!(root.attributes["b"], "1");
        assert_eq!(root.text_at("c"), Some("x & A"));
        assert_eq!(root.text_at("d/e"), Some("2"));
        assert_eq!(root.each("c").count(), 2);
        for broken in ["", "<a>", "<a></b>", "<a/><b/>", "text", "<!DOCTYPE a><a/>", "<a>&x;</a>"] {
            assert_eq!(Element::read(broken), None, "{broken}");
        }
    }

    #[test]
    fn answers_are_escaped() {
        let mut xml = Xml::default();
        xml.within("a", |xml| xml.leaf("b", "<&"));
        assert_eq!(xml.0, "<a><b>&lt;&amp;</b></a>");
    }
}
