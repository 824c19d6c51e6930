//! Texts that keep a rule: accounts and regions.
//!
//! Each type is made by parsing only, so a value of it keeps the rule. The error tells the rule, and where a text that
//! keeps it is near, suggests that.

use std::fmt;
use std::str::FromStr;

/// A text that is not what it should be: tells the rule, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}{}", .suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
#[non_exhaustive]
pub struct NameError {
    /// The kind of text that was expected, with its article: `a region`.
    pub what: &'static str,
    /// The text that was given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: String,
    /// A text that keeps the rule and is near, if there is one.
    pub suggestion: Option<String>,
}

impl NameError {
    /// An error without a suggestion.
    pub fn new(what: &'static str, text: &str, rule: impl Into<String>) -> Self {
        Self { what, text: text.to_owned(), rule: rule.into(), suggestion: None }
    }

    /// The same with a suggestion, unless that is empty or the text itself.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into()).filter(|s| *s != self.text && !s.is_empty());
        self
    }
}

/// Declares a text that keeps a rule: `$check` takes the text that was typed and returns the text that is kept.
#[doc(hidden)]
#[macro_export]
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::NameError;

            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::NameError> {
                let check: fn(&str) -> ::std::result::Result<String, $crate::NameError> = $check;
                check(text).map(Self)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text! {
    /// An account: 12 digits. Dashes, as in `1234-5678-9012`, are accepted and dropped.
    AccountId, account
}

/// The name of a region, by its shape: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
///
/// There is no list of regions, so that new ones work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that a region belongs to (`aws`, `aws-cn`, …), by the shape of its name.
    ///
    /// Takes any text, since services report names that no rule here knows.
    pub fn partition(name: &str) -> &'static str {
        match name.split('-').next().unwrap_or_default() {
            "cn" => "aws-cn",
            "eusc" => "aws-eusc",
            "us" if name.starts_with("us-gov-") => "aws-us-gov",
            "us" if name.starts_with("us-iso") => "aws-iso",
            _ => "aws",
        }
    }
}

impl FromStr for Region {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_region(text) {
            return Ok(Self(text.to_owned()));
        }
        let error =
            NameError::new("a region", text, "it looks like `us-east-1` or `us-gov-west-1`");
        // A zone is a region and a letter; upper case and underscores come from other tools' settings.
        let near = text.trim().to_ascii_lowercase().replace('_', "-");
        let near = near.trim_end_matches(|c: char| c.is_ascii_lowercase());
        Err(if is_region(near) { error.suggest(near) } else { error })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two or three words of lower-case letters and a number from 1 to 99.
fn is_region(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<_> = text.split('-').collect();
    let Some((number, words)) = words.split_last() else { return false };
    (2..=3).contains(&words.len())
        && words.iter().all(|word| is_word(word))
        && matches!(number.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
}

fn account(text: &str) -> Result<String, NameError> {
    let error = || NameError::new("an account", text, "it is 12 digits, or 1234-5678-9012");
    let digits = match text.split('-').collect::<Vec<_>>()[..] {
        [digits] => digits.to_owned(),
        [a, b, c] if a.len() == 4 && b.len() == 4 => [a, b, c].concat(),
        _ => return Err(error()),
    };
    if digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(digits)
    } else {
        Err(error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad<T: FromStr<Err = NameError> + fmt::Debug>(cases: &[(&str, &str)]) {
        for (case, says) in cases {
            let error = case.parse::<T>().expect_err(case).to_string();
            assert!(error.contains(says), "{error}");
            assert!(error.starts_with(&format!("`{case}` is not a")), "{error}");
        }
    }

    #[test]
    fn accounts() {
        for text in ["123456789012", "1234-5678-9012"] {
            assert_eq!(text.parse::<AccountId>().expect(text).as_str(), "123456789012");
        }
        bad::<AccountId>(&[
            ("12345678901", "12 digits"),
            ("12-345678-9012", "12 digits"),
            ("self", "12 digits"),
            ("1234-5678-901x", "12 digits"),
        ]);
    }

    #[test]
    fn regions_by_their_shape() {
        for (name, partition) in [
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-isob-east-1", "aws-iso"),
            ("ap-southeast-12", "aws"),
            ("mx-central-1", "aws"),
        ] {
            assert_eq!(name.parse::<Region>().expect(name).as_str(), name);
            assert_eq!(Region::partition(name), partition);
        }
        bad::<Region>(&[
            ("us-east-1a", "did you mean `us-east-1`?"),
            ("US-EAST-1", "did you mean `us-east-1`?"),
            ("eu_west_1", "did you mean `eu-west-1`?"),
            ("EU", "`us-east-1`"),
            ("", "`us-east-1`"),
            ("us-east-1.example.org", "`us-east-1`"),
            ("us-east-0", "`us-east-1`"),
            ("us-east-1/x", "`us-east-1`"),
        ]);
    }
}
