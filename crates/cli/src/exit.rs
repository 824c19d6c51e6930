//! How a run ends: the one place where an error is put into words.

use std::fmt;

use crate::codes::Exit;
use crate::report::Words;

/// What only the command line can get wrong: a link of an error's chain that says how the run ends, and what to do next.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: String,
    exit: Exit,
    hint: Option<String>,
}

impl Trouble {
    /// Something could not be done.
    pub(crate) fn failed(what: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), exit: Exit::Failed, hint: None }
    }

    /// The command line is invalid.
    pub(crate) fn usage(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Usage, ..Trouble::failed(what) }
    }

    /// A bundle is not what its manifest says.
    pub(crate) fn mismatch(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Mismatch, ..Trouble::failed(what) }
    }

    /// The service refused.
    #[cfg(feature = "aws")]
    pub(crate) fn refused(what: impl Into<String>) -> Trouble {
        Trouble { exit: Exit::Refused, ..Trouble::failed(what) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Trouble {
        Trouble { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}

/// An error in words.
pub(crate) struct Told {
    /// The whole chain in one line.
    pub(crate) message: String,
    /// Hints: what to do next.
    pub(crate) hints: Vec<String>,
    pub(crate) exit: Exit,
}

/// Words an error; `words` says what each advice is called for what was typed.
pub(crate) fn told(error: &anyhow::Error, words: &Words) -> Told {
    let links: Vec<_> = error.chain().map(ToString::to_string).collect();
    let message = links.join(": ");
    let library = of_library(error);
    let trouble = error.downcast_ref::<Trouble>();
    let hints = match trouble.and_then(|trouble| trouble.hint.clone()) {
        Some(hint) => vec![hint],
        None => library
            .map(|error| error.advice().iter().filter_map(|advice| words(advice)).collect())
            .unwrap_or_default(),
    };
    let exit = match (trouble, library) {
        (Some(Trouble { exit, .. }), _) if *exit != Exit::Failed => *exit,
        (_, Some(error)) => error.kind().into(),
        (Some(trouble), None) => trouble.exit,
        (None, None) => Exit::Failed,
    };
    Told { message, hints, exit }
}

/// The library's error in a chain.
pub(crate) fn of_library(error: &anyhow::Error) -> Option<&baler::Error> {
    error.chain().find_map(|link| link.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use anyhow::Context;
    use baler::Advice;

    #[test]
    fn a_chain_is_told_once_with_its_hint_last() {
        let words: Words = Arc::new(|advice: &Advice| Some(format!("{advice:?}")));
        let inner = baler::Error::mismatch("a digest is wrong").advise(Advice::Verify);
        let error = Err::<(), _>(inner).context("reading `k.pem`").unwrap_err();
        let found = told(&error, &words);
        assert_eq!(found.message, "reading `k.pem`: a digest is wrong");
        assert_eq!((found.hints, found.exit), (vec!["Verify".to_owned()], Exit::Mismatch));
        let error = error.context(Trouble::usage("no").hint("type something else"));
        let found = told(&error, &words);
        assert_eq!(found.hints, ["type something else"]);
        assert_eq!(found.exit, Exit::Usage);
    }
}
