//! A request as EC2's Query protocol has it: an action and its parameters, as an HTML form.

use std::fmt::{Display, Write};

/// The version of EC2's interface that all of this is written for.
const VERSION: &str = "2016-11-15";

/// An action and its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) action: &'static str,
    pairs: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn new(action: &'static str) -> Self {
        Self { action, pairs: Vec::new() }
    }

    /// With a parameter.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.push(name, value);
        self
    }

    /// With a parameter if there is a value for it.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a list: `Name.1`, `Name.2` and so on.
    pub(crate) fn with_list(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        for (n, value) in (1..).zip(values) {
            self.push(format!("{name}.{n}"), value);
        }
        self
    }

    /// With the tags of the image that the request makes.
    pub(crate) fn with_tags(mut self, tags: &[(String, String)]) -> Self {
        if !tags.is_empty() {
            self.push("TagSpecification.1.ResourceType", "image");
        }
        for (n, (key, value)) in (1..).zip(tags) {
            self.push(format!("TagSpecification.1.Tag.{n}.Key"), key);
            self.push(format!("TagSpecification.1.Tag.{n}.Value"), value);
        }
        self
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, value: impl Display) {
        self.pairs.push((name.into(), value.to_string()));
    }

    /// The body of the request.
    pub(crate) fn body(&self) -> String {
        let mut body = format!("Action={}&Version={VERSION}", self.action);
        for (name, value) in &self.pairs {
            body.push('&');
            encode(name, &mut body);
            body.push('=');
            encode(value, &mut body);
        }
        body
    }
}

/// Everything but RFC 3986's unreserved characters, byte by byte; a space is a plus, as forms have it. EC2 takes `%20` too,
/// but services that put the form together again to check its signature do not.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            // Writing to a string does not fail.
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded() {
        let form = Form::new("X")
            .with("Name", "a b/c=\u{e4}~+")
            .with_some("None", None::<&str>)
            .with_some("Some", Some(""))
            .with_list("Id", ["1", "2"])
            .with_tags(&[("k".to_owned(), "&".to_owned())]);
        assert_eq!(
            form.body(),
            "Action=X&Version=2016-11-15&Name=a+b%2Fc%3D%C3%A4~%2B&Some=&Id.1=1&Id.2=2\
             &TagSpecification.1.ResourceType=image&TagSpecification.1.Tag.1.Key=k\
             &TagSpecification.1.Tag.1.Value=%26"
        );
    }
}
