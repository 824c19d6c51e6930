//! EC2's answers before the SDK reads them: whether they are whole, and the reasons in those that refuse.
//!
//! The SDK's reader takes a list that is cut in the middle for one that ends there. That would be a shorter list of
//! images, or a registration without an identifier, and no error; so each answer is read once as XML first.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

/// The longest answer that is read. A page of a thousand images has about 2 MiB.
const LONGEST: usize = 32 << 20;

/// The deepest answer that is read. EC2's own have eight levels.
const DEEPEST: usize = 32;

const AGENT: &str = concat!("baler/", env!("CARGO_PKG_VERSION"));

/// A success whose body is not the whole answer to that request.
#[derive(Debug)]
pub(crate) struct NotWhole {
    pub(crate) status: u16,
}

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is cut off, or is not XML")
    }
}

impl std::error::Error for NotWhole {}

/// The same client, which names this program, reads answers whole, and fails for a success that is not.
#[derive(Debug)]
pub(crate) struct Whole<T>(pub(crate) T);

impl HttpClient for Whole<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Whole(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Whole<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        // Not among what is signed.
        let agent = request.headers().get("user-agent").unwrap_or_default().to_owned();
        let agent = request.headers_mut().try_insert("user-agent", format!("{AGENT} {agent}"));
        // A name of plain characters is a header.
        drop(agent);
        let wanted = request.body().bytes().and_then(response_of);
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer: HttpResponse = answer.await?;
            let body = Limited::new(answer.take_body(), LONGEST).collect().await;
            let body = body.map_err(ConnectorError::io)?.to_bytes();
            let root = Texts::of(&body).map(|texts| texts.root);
            if answer.status().is_success() && (root.is_none() || root != wanted) {
                let status = answer.status().as_u16();
                return Err(ConnectorError::other(NotWhole { status }.into(), None));
            }
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        })
    }
}

/// The root of the answer to a request: a proxy's page is XML too, and of some actions the SDK reads no answer.
fn response_of(form: &[u8]) -> Option<String> {
    let mut fields = std::str::from_utf8(form).ok()?.split('&');
    let action = fields.find_map(|field| field.strip_prefix("Action="))?;
    Some(format!("{action}Response"))
}

/// The texts of an XML document by the names of their elements, in the document's order. Empty ones are left out.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    root: String,
    texts: Vec<(String, String)>,
}

impl Texts {
    /// Reads a whole document, or nothing if it is not XML, is cut off, or is too deep.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(bytes).ok()?);
        let (mut texts, mut open) = (Vec::new(), Vec::<(String, String)>::new());
        let mut root = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let name = name_of(&tag)?;
                    if open.is_empty() {
                        only(&mut root, name.clone())?;
                    }
                    open.push((name, String::new()));
                    if open.len() > DEEPEST {
                        return None;
                    }
                }
                Event::Empty(tag) if open.is_empty() => only(&mut root, name_of(&tag)?)?,
                Event::End(_) => {
                    let (name, text) = open.pop()?;
                    let text = text.trim();
                    if !text.is_empty() {
                        texts.push((name, text.to_owned()));
                    }
                }
                Event::Text(text) => append(&mut open, &text.xml10_content())?,
                Event::CData(text) => append(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(character) => open.last_mut()?.1.push(character),
                    None => append(&mut open, resolve_xml_entity(&reference.xml10_content())?)?,
                },
                Event::Eof => break,
                Event::DocType(_) => return None,
                _ => {}
            }
        }
        let root = root.filter(|_| open.is_empty())?;
        Some(Self { root, texts })
    }

    /// The text of the first element of one of these names.
    pub(crate) fn get(&self, names: &[&str]) -> Option<String> {
        let found = self.texts.iter().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, text)| text.clone())
    }
}

/// Takes a document's root; there is no second one.
fn only(root: &mut Option<String>, name: String) -> Option<()> {
    root.replace(name).is_none().then_some(())
}

fn name_of(tag: &BytesStart) -> Option<String> {
    let name = tag.local_name().into_inner();
    Some(std::str::from_utf8(name.as_ref()).ok()?.to_owned())
}

/// Adds a text to the innermost element. Outside of the root there is only white space.
fn append(open: &mut [(String, String)], text: &str) -> Option<()> {
    match open.last_mut() {
        Some((_, whole)) => whole.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_an_answer() {
        let answer = Texts::of(
            b"<?xml version=\"1.0\"?>\n<R xmlns=\"http://ec2\"><set>\n <item><a>1 &amp; 2&#33;</a><b/></item>\
              <item><c><![CDATA[<x>]]></c><f>true</f></item></set></R>\n",
        )
        .expect("an answer");
        assert_eq!(answer.get(&["a"]).as_deref(), Some("1 & 2!"));
        assert_eq!(answer.get(&["none", "c"]).as_deref(), Some("<x>"));
        assert_eq!(answer.get(&["b"]), None);
        assert_eq!(answer.root, "R");
        assert_eq!(Texts::of(b"<a/>").map(|answer| answer.root).as_deref(), Some("a"));
        let form = b"Version=2016-11-15&Action=DescribeImages&ImageId.1=x";
        assert_eq!(response_of(form).as_deref(), Some("DescribeImagesResponse"));
        assert_eq!(response_of(b"x=Action"), None);
    }

    #[test]
    fn documents_that_are_not_whole() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        for text in [
            "",
            "  ",
            "<a><b></b>",
            "<a></b>",
            "<a/><b/>",
            "plain",
            "<a/>plain",
            "<!DOCTYPE html><html></html>",
            &deep,
            "<a>&nbsp;</a>",
            "</a>",
        ] {
            assert!(Texts::of(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Texts::of(b"<a>\xff</a>").is_none());
    }
}
