//! The parameters of the query API.

use std::collections::BTreeMap;

use super::refusal::{Refusal, refuse};
use crate::id;

/// Names and values, in the order of the names.
pub(crate) type Table = BTreeMap<String, String>;

/// The parameters of a call.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body.
    pub(crate) fn read(text: &[u8]) -> Self {
        Self(id::pairs(&String::from_utf8_lossy(text)))
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        let missing =
            || refuse("MissingParameter", format!("The request must contain the parameter {name}"));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    /// Tells if a parameter is `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The values of `name.1`, `name.2` and so on, in their order.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.groups(name).into_iter().filter_map(|mut group| group.remove("")).collect()
    }

    /// The parameters below `name.1.`, `name.2.` and so on, in their order.
    pub(crate) fn groups(&self, name: &str) -> Vec<Table> {
        let mut groups: BTreeMap<u32, Table> = BTreeMap::new();
        for (found, value) in &self.0 {
            let Some(rest) = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            let (number, rest) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                groups.entry(number).or_default().insert(rest.to_owned(), value.clone());
            }
        }
        groups.into_values().collect()
    }

    /// Refuses every parameter that is not one of these; a name that ends in a dot stands for a list.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        let known = |found: &str| {
            matches!(found, "Action" | "Version" | "DryRun")
                || names.iter().any(|name| {
                    if name.ends_with('.') { found.starts_with(name) } else { found == *name }
                })
        };
        match self.0.iter().find(|(found, _)| !known(found)) {
            Some((found, _)) => {
                Err(refuse("UnknownParameter", format!("The parameter {found} is not recognized")))
            }
            None => Ok(()),
        }
    }
}

/// Tells if a text fits a pattern with `*` and `?`, as filters have them.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = rest.as_str();
            text.char_indices().map(|(at, _)| &text[at..]).chain([""]).any(|text| fits(rest, text))
        }
        Some(c) => {
            let mut chars = text.chars();
            chars.next().is_some_and(|found| c == '?' || c == found)
                && fits(rest.as_str(), chars.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let form = Form::read(b"Action=X&A.10=j&A.2=b&B.1.C=c&B.1.D.E=d");
        assert_eq!(form.list("A"), ["b", "j"]);
        assert_eq!(form.groups("B")[0]["D.E"], "d");
        assert!(form.only(&["A.", "B."]).is_ok());
        assert_eq!(form.only(&["A."]).unwrap_err().code, "UnknownParameter");
        assert_eq!(form.need("Name").unwrap_err().code, "MissingParameter");
    }

    #[test]
    fn patterns_have_stars() {
        assert!(fits("b*/c?", "bucket/cd") && fits("*", "") && fits("", ""));
        assert!(!fits("a", "ab") && !fits("a?", "a"));
    }
}
