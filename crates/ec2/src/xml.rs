//! EC2's answers as a tree of elements. Nothing else here has ever heard of XML.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// EC2's own answers have eight levels; whoever sends more is not EC2.
const DEEPEST: usize = 32;

/// An element of an answer: its name, its text, its children.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a whole answer, or nothing if it is not XML, is cut off, or is too deep.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut reader = Reader::from_str(text);
        // The first one holds the root.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let name = std::str::from_utf8(tag.local_name().into_inner().as_ref())
                        .ok()?
                        .to_owned();
                    open.push(Self { name, ..Self::default() });
                    if open.len() > DEEPEST {
                        return None;
                    }
                }
                Event::Empty(tag) => {
                    let name = std::str::from_utf8(tag.local_name().into_inner().as_ref())
                        .ok()?
                        .to_owned();
                    open.last_mut()?.children.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let mut done = open.pop()?;
                    done.text = done.text.trim().to_owned();
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let open = open.last_mut()?;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => open.text.push(character),
                        None => open.text.push_str(resolve_xml_entity(&reference.xml10_content())?),
                    }
                }
                Event::Eof => break,
                Event::DocType(_) => return None,
                _ => {}
            }
        }
        match (open.pop(), open.pop()) {
            (Some(mut holder), None) if holder.children.len() == 1 => holder.children.pop(),
            _ => None,
        }
    }

    /// The name, without its prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The same, as a string of its own.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// Whether the child of this name says `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The items of the list of this name.
    pub(crate) fn items(&self, list: &str) -> impl Iterator<Item = &Self> {
        let children = self.child(list).map(|list| list.children.as_slice()).unwrap_or_default();
        children.iter().filter(|child| child.name == "item")
    }

    /// The first element of this name in the whole tree, in the order of the text.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// The text of the first element of this name in the whole tree, unless it is empty.
    pub(crate) fn find_text(&self, name: &str) -> Option<String> {
        self.find(name).map(|found| found.text.clone()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_items() {
        let answer = Element::parse(
            b"<?xml version=\"1.0\"?>\n<R xmlns=\"http://ec2\"><set>\n <item><a>1 &amp; 2&#33;</a><b/></item>\
              <item><a><![CDATA[<x>]]></a><f>true</f></item></set></R>",
        )
        .expect("an answer");
        let items: Vec<_> = answer.items("set").collect();
        assert_eq!(answer.name(), "R");
        assert_eq!(items[0].text("a"), Some("1 & 2!"));
        assert_eq!(items[0].text("b"), None);
        assert_eq!(items[1].text("a"), Some("<x>"));
        assert!(items[1].flag("f") && !items[0].flag("f"));
        assert_eq!(answer.items("none").count(), 0);
        assert_eq!(answer.find_text("f").as_deref(), Some("true"));
    }

    #[test]
    fn what_is_no_answer() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        for text in [
            "",
            "  ",
            "<a><b></b>",
            "<a></b>",
            "<a/><b/>",
            "plain",
            "<!DOCTYPE html><html></html>",
            &deep,
            "<a>&nbsp;</a>",
            "</a>",
        ] {
            assert!(Element::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_none());
    }
}
