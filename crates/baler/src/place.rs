//! Where bundles are: a directory of this machine, or S3.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "aws")]
use baler_store::Location;

/// A place as people write it: a path, or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or directory of this machine.
    Path(PathBuf),
    /// A bucket, or keys in it.
    #[cfg(feature = "aws")]
    S3(Location),
}

impl Place {
    /// Reads a place: whatever begins with `s3://` is in S3, anything else is a path.
    ///
    /// # Errors
    /// The rule that a place in S3 breaks, as text.
    pub fn parse(text: &OsStr) -> Result<Place, String> {
        let is_s3 =
            |text: &&str| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("s3://"));
        match text.to_str().filter(is_s3) {
            #[cfg(feature = "aws")]
            Some(text) => {
                let parsed = format!("s3://{}", &text[5..]).parse::<Location>();
                parsed.map(Place::S3).map_err(|rule| rule.to_string())
            }
            #[cfg(not(feature = "aws"))]
            Some(_) => {
                Err("this baler was built without the feature `aws`, and cannot reach S3"
                    .to_owned())
            }
            None => Ok(Place::Path(text.into())),
        }
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Place::Path(path) => Some(path),
            #[cfg(feature = "aws")]
            Place::S3(_) => None,
        }
    }

    /// The place above, and the name in it; bytes of a file's name that are not UTF-8 are replaced.
    pub fn split(&self) -> Option<(Place, String)> {
        match self {
            Place::Path(path) => {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some((Place::Path(directory_of(path).to_owned()), name))
            }
            #[cfg(feature = "aws")]
            Place::S3(location) => {
                let (above, name) = location.split();
                (!name.is_empty()).then(|| (Place::S3(above), name.to_owned()))
            }
        }
    }

    /// The place of that name in this one.
    pub fn join(&self, name: &str) -> Place {
        match self {
            Place::Path(path) => Place::Path(path.join(name)),
            #[cfg(feature = "aws")]
            Place::S3(location) => Place::S3(location.join(name)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(path) => path.display().fmt(f),
            #[cfg(feature = "aws")]
            Place::S3(location) => location.fmt(f),
        }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Place {
        Place::Path(path)
    }
}

#[cfg(feature = "aws")]
impl From<Location> for Place {
    fn from(location: Location) -> Place {
        Place::S3(location)
    }
}

/// The directory that a file is in, or would be in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, feature = "aws"))]
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
