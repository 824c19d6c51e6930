//! Advice about errors, as values.

use std::borrow::Cow;

/// Advice for the user who met an error.
///
/// An error gives it separately from its message, with a method `advice`, because only the program around this library
/// knows what its options are called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Give EC2's certificate for a region: its public key is not built in.
    GiveEc2Certificate {
        /// The region, `us-gov-east-1` for example.
        region: String,
    },
    /// A sentence that names no option of any program of ours and reads the same everywhere: lower case, no full stop.
    Say(Cow<'static, str>),
}

impl Advice {
    /// A fixed sentence.
    pub(crate) fn say(sentence: &'static str) -> Advice {
        Advice::Say(Cow::Borrowed(sentence))
    }
}
