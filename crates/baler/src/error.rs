//! Why a job was not done.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use baler_volume::recipe::{RecipeError, RecipeErrorKind};

use crate::advice::Advice;
use crate::kind::Kind;
use crate::stop::Stopped;

/// The result of a job.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a job was not done: what was being done, to which thing, and, as its source, why it failed.
///
/// [`kind`](Error::kind) decides what a caller does about it, [`advice`](Error::advice) is what a person may do. Both look
/// through the whole chain of sources.
#[derive(Debug)]
pub struct Error(Box<Link>);

#[derive(Debug)]
struct Link {
    /// `None`: the source speaks for itself.
    what: Option<String>,
    kind: Kind,
    advice: Option<Advice>,
    /// Said after the advice of the chain.
    last_advice: Option<Advice>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Something could not be done.
    pub fn failed(what: impl Into<String>) -> Error {
        Error::new(Kind::Failed, what)
    }

    /// The request is invalid or incomplete.
    pub fn usage(what: impl Into<String>) -> Error {
        Error::new(Kind::Usage, what)
    }

    /// A bundle is not what its manifest says.
    pub fn mismatch(what: impl Into<String>) -> Error {
        Error::new(Kind::Mismatch, what)
    }

    /// A service refused.
    pub fn refused(what: impl Into<String>) -> Error {
        Error::new(Kind::Refused, what)
    }

    fn new(kind: Kind, what: impl Into<String>) -> Error {
        Error(Box::new(Link {
            what: Some(what.into()),
            kind,
            advice: None,
            last_advice: None,
            source: None,
        }))
    }

    /// The same with something to do next.
    pub fn advise(mut self, advice: impl Into<Advice>) -> Error {
        self.0.advice = Some(advice.into());
        self
    }

    /// The same with something to do in the end, when the reason has been dealt with: it does not take the place of what
    /// the reason advises.
    pub fn finally(mut self, advice: impl Into<Advice>) -> Error {
        self.0.last_advice = Some(advice.into());
        self
    }

    /// The same because of something else.
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    fn transparent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let source = Some(source.into());
        let (kind, advice, last_advice) = (Kind::Failed, None, None);
        Error(Box::new(Link { what: None, kind, advice, last_advice, source }))
    }

    /// The sort of the failure: that of the outermost link of the chain that knows one.
    pub fn kind(&self) -> Kind {
        if self.find::<Stopped>().is_some() {
            return Kind::Interrupted;
        }
        self.links().map(kind_of).find(|kind| *kind != Kind::Failed).unwrap_or(Kind::Failed)
    }

    /// What to do next: the advice of the outermost link of the chain that has one, and what is to be done in the end.
    pub fn advice(&self) -> Vec<Advice> {
        let last = self.links().filter_map(|link| link.downcast_ref::<Error>());
        let last = last.filter_map(|Error(link)| link.last_advice.clone());
        self.links().find_map(advice_of).into_iter().chain(last).collect()
    }

    /// Whether S3, or the way to it, is at fault.
    pub fn is_of_storage(&self) -> bool {
        #[cfg(feature = "aws")]
        let is_of_s3 = self
            .find::<baler_store::Error>()
            .is_some_and(|error| error.kind != baler_store::Kind::Local);
        #[cfg(not(feature = "aws"))]
        let is_of_s3 = false;
        let is_refusal = |link: &Error| link.0.kind == Kind::Refused;
        is_of_s3 || self.links().filter_map(|link| link.downcast_ref()).any(is_refusal)
    }

    /// The first link of the chain that is of a type.
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        self.links().find_map(|link| link.downcast_ref())
    }

    /// This error and its sources, also those that hide from [`StdError::source`]: what an I/O error was made of, and
    /// what another error speaks for.
    fn links(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(Some(self as &(dyn StdError + 'static)), |link| inner(*link))
    }
}

fn inner<'a>(link: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(Error(link)) = link.downcast_ref::<Error>() {
        return link.source.as_deref().map(|source| source as &(dyn StdError + 'static));
    }
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => link.source(),
    }
}

fn kind_of(link: &(dyn StdError + 'static)) -> Kind {
    if let Some(Error(link)) = link.downcast_ref::<Error>() {
        return link.kind;
    }
    #[cfg(feature = "aws")]
    if let Some(kind) = crate::service::kind_of(link) {
        return kind;
    }
    match link.downcast_ref::<RecipeError>().map(RecipeError::kind) {
        Some(RecipeErrorKind::Usage) => Kind::Usage,
        _ => Kind::Failed,
    }
}

fn advice_of(link: &(dyn StdError + 'static)) -> Option<Advice> {
    if let Some(Error(link)) = link.downcast_ref::<Error>() {
        return link.advice.clone();
    }
    #[cfg(feature = "aws")]
    if let Some(advice) = crate::service::advice_of(link) {
        return Some(advice);
    }
    Advice::of(link)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.what, &self.0.source) {
            (Some(what), _) => f.write_str(what),
            (None, Some(source)) => source.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        if self.0.what.is_some() { Some(source) } else { source.source() }
    }
}

impl From<String> for Error {
    fn from(what: String) -> Error {
        Error::failed(what)
    }
}

impl From<&str> for Error {
    fn from(what: &str) -> Error {
        Error::failed(what)
    }
}

/// Errors of the libraries below, which speak for themselves.
macro_rules! speak_for_themselves {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(source: $error) -> Error {
                Error::transparent(source)
            }
        })*
    };
}

speak_for_themselves!(
    io::Error,
    baler_bundle::Error,
    baler_image::Error,
    baler_manifest::KeyError,
    baler_manifest::ParseError,
    baler_manifest::RegionError,
    baler_manifest::WriteError,
    RecipeError,
);

#[cfg(feature = "aws")]
speak_for_themselves!(
    baler_store::Error,
    baler_ec2::Error,
    baler_ec2::MetadataError,
    baler_aws::NameError,
    baler_aws::AccountError,
    baler_aws::SetupError,
);

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// With an error, or the text of one, around the one that there is.
    fn context(self, what: impl Into<Error>) -> Result<T>;

    /// The same, made only where it is needed.
    fn with_context<E: Into<Error>>(self, what: impl FnOnce() -> E) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<Error>) -> Result<T> {
        self.map_err(|source| what.into().because(source))
    }

    fn with_context<C: Into<Error>>(self, what: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|source| what().into().because(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::chain;

    #[test]
    fn each_link_is_said_once() {
        let inner = io::Error::other("disk full");
        let error = Err::<(), Error>(inner.into()).context("writing `x`").unwrap_err();
        assert_eq!(chain(&error), "writing `x`: disk full");
        assert_eq!(chain(&Error::from(io::Error::other("alone"))), "alone");
    }

    #[test]
    fn kind_and_advice_are_those_of_the_outermost_link_that_has_one() {
        let inner = Error::mismatch("a digest is wrong").advise(Advice::Verify);
        let wrapped = io::Error::other(inner);
        let error = Err::<(), _>(wrapped).context("reading").unwrap_err();
        assert_eq!(error.kind(), Kind::Mismatch);
        assert_eq!(error.advice(), [Advice::Verify]);
        let outer = Err::<(), _>(error)
            .context(Error::usage("the key is missing").advise(Advice::GiveKey))
            .unwrap_err();
        let outer = outer.finally(Advice::CopyToS3);
        assert_eq!(outer.kind(), Kind::Usage);
        assert_eq!(outer.advice(), [Advice::GiveKey, Advice::CopyToS3]);
    }

    #[test]
    fn a_stop_is_an_interruption_wherever_it_is_in_the_chain() {
        let stop = crate::Stop::new();
        stop.request();
        let error = stop.check().context(Error::mismatch("reading")).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        let walking = RecipeError::Stopped(stop.check().unwrap_err());
        assert_eq!(Error::from(walking).kind(), Kind::Interrupted);
        // The caller's function for events may fail for other reasons.
        let printing = RecipeError::Stopped(io::ErrorKind::BrokenPipe.into());
        assert_eq!(Error::from(printing).kind(), Kind::Failed);
    }
}
