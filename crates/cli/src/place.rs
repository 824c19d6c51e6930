//! Where bundles are: a directory of this machine, or S3. What is typed is told apart by how it begins.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::exit::Trouble;
use baler_store::Location;
use clap::builder::{OsStringValueParser, TypedValueParser};

/// A place as it was typed: a path, or `s3://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Path(PathBuf),
    S3(Location),
}

impl Place {
    fn parse(text: &OsStr) -> Result<Place, String> {
        match text
            .to_str()
            .filter(|text| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("s3://")))
        {
            Some(text) => format!("s3://{}", &text[5..]).parse().map(Place::S3),
            None => Ok(Place::Path(text.into())),
        }
    }

    /// The path, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Place::Path(path) => Some(path),
            Place::S3(_) => None,
        }
    }

    /// The place above, and the name in it; what of a file's name is no text is replaced.
    pub(crate) fn split(&self) -> Option<(Place, String)> {
        match self {
            Place::Path(path) => {
                let name = path.file_name()?.to_string_lossy().into_owned();
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                Some((Place::Path(above.unwrap_or(Path::new(".")).to_owned()), name))
            }
            Place::S3(location) => {
                let (above, name) = location.split();
                (!name.is_empty()).then(|| (Place::S3(above), name.to_owned()))
            }
        }
    }

    /// Refuses a manifest where a place for bundles is meant.
    pub(crate) fn check_not_manifest(&self) -> anyhow::Result<()> {
        let is_manifest = match self {
            Place::S3(location) => location.key.ends_with(".manifest.xml"),
            Place::Path(path) => {
                path.as_os_str().as_encoded_bytes().ends_with(b".manifest.xml") && !path.is_dir()
            }
        };
        match self.split().filter(|_| is_manifest) {
            Some((above, _)) => {
                Err(Trouble::usage(format!("`{self}` names a manifest, not a place for bundles"))
                    .hint(format!("name the place that it is in: `{above}`"))
                    .into())
            }
            None => Ok(()),
        }
    }

    /// What has that name there.
    pub(crate) fn join(&self, name: &str) -> Place {
        match self {
            Place::Path(path) => Place::Path(path.join(name)),
            Place::S3(location) => Place::S3(location.join(name)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(path) => path.display().fmt(f),
            Place::S3(location) => location.fmt(f),
        }
    }
}

/// Reads a place from the command line.
pub(crate) fn place() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(|text| Place::parse(&text))
}

/// Reads `s3://…` alone.
pub(crate) fn location(text: &str) -> Result<Location, String> {
    match Place::parse(OsStr::new(text))? {
        Place::S3(location) => Ok(location),
        Place::Path(_) => Err("it is a place in S3, and begins with `s3://`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_by_how_they_begin() {
        let place = |text: &str| Place::parse(OsStr::new(text));
        assert_eq!(place("S3://abc/x/").unwrap().to_string(), "s3://abc/x");
        for path in ["abc/s3://", "./s3://abc", "s3:/abc", "s3", ""] {
            assert_eq!(place(path), Ok(Place::Path(path.into())));
        }
        assert!(place("s3://").is_err() && place("s3://a//b").is_err());
        for (text, above, name) in [
            ("s3://abc/x/i.manifest.xml", "s3://abc/x", "i.manifest.xml"),
            ("s3://abc/i.manifest.xml", "s3://abc", "i.manifest.xml"),
            ("i.manifest.xml", ".", "i.manifest.xml"),
            ("/d/i.manifest.xml", "/d", "i.manifest.xml"),
        ] {
            let (found, file) = place(text).unwrap().split().unwrap();
            assert_eq!((found.to_string().as_str(), file.as_str()), (above, name));
        }
        assert_eq!(place("s3://abc").unwrap().split(), None);
    }
}
