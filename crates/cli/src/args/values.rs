//! Values: sizes, levels, paths, places, numbers of threads.

#[cfg(feature = "aws")]
use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use baler::Place;
use baler_bundle::Level;
use bytesize::ByteSize;
use clap::builder::{OsStringValueParser, TypedValueParser};

/// `10GiB` or `512MB`, or a bare number of MiB as the classic tools take it; never a bare `G`, which means one thing to
/// some tools and another to others.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wanted =
        || "a size has a unit, `10GiB`, `512MB`, `1000000B`, or is a number of MiB".to_owned();
    let size = match text.parse::<u64>() {
        Ok(mebibytes) => mebibytes.saturating_mul(1 << 20),
        Err(_) if !text.trim_end().ends_with('B') => return Err(wanted()),
        Err(_) => ByteSize::from_str(text).map_err(|_| wanted())?.as_u64(),
    };
    if size <= MAX_SIZE { Ok(size) } else { Err("the size is too large".to_owned()) }
}

/// The largest length of a file, and in a manifest.
const MAX_SIZE: u64 = i64::MAX as u64;

/// A path, or nothing: clap's own parser takes a variable that is set to nothing for a mistake.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// `fast`, `default`, `best`, or a number.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    match text {
        "fast" => Ok(Level::FAST),
        "default" => Ok(Level::DEFAULT),
        "best" => Ok(Level::BEST),
        number => number.parse().ok().and_then(Level::new).ok_or_else(|| {
            "a level is `fast`, `default`, `best`, or a number from 1 to 12".to_owned()
        }),
    }
}

/// The number of threads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Jobs {
    /// The number of worker threads [default: the number of cores, but at most 24]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl Jobs {
    pub(crate) fn count(&self) -> usize {
        self.jobs.map_or_else(baler::default_jobs, usize::from)
    }
}

/// A bundle that exists, named by its manifest.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BundleArg {
    /// The bundle: its manifest, `DIR/NAME.manifest.xml` or `s3://BUCKET/PREFIX/NAME.manifest.xml`; the parts are beside it
    #[arg(value_name = "BUNDLE", value_parser = place())]
    pub(crate) manifest: Place,
}

/// Reads a place.
pub(crate) fn place() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(|text| Place::parse(&text))
}

/// Reads `s3://…` alone.
#[cfg(feature = "aws")]
pub(crate) fn location(text: &str) -> Result<baler_store::Location, String> {
    match Place::parse(OsStr::new(text))? {
        Place::S3(location) => Ok(location),
        _ => Err("a place in S3 begins with `s3://`".to_owned()),
    }
}

/// A region's name, or the older name of one.
pub(crate) fn region(text: &str) -> Result<String, String> {
    match text {
        "US" => Ok("us-east-1".to_owned()),
        "EU" => Ok("eu-west-1".to_owned()),
        #[cfg(feature = "aws")]
        name => name
            .parse::<baler_aws::Region>()
            .map(|name| name.to_string())
            .map_err(|error| error.to_string()),
        #[cfg(not(feature = "aws"))]
        name => baler_manifest::Ec2Key::for_region(name)
            .map(|_| name.to_owned())
            .map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_mebibytes() {
        for (text, bytes) in [
            ("10GiB", Some(10 << 30)),
            ("10 GiB", Some(10 << 30)),
            ("1.5GiB", Some(3 << 29)),
            ("512MB", Some(512_000_000)),
            ("7B", Some(7)),
            ("10240", Some(10 << 30)),
            ("10G", None),
            ("16EiB", None),
            ("10 ", None),
            ("", None),
            ("GiB", None),
            ("-1GiB", None),
            ("10Gibibytes", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text:?}");
        }
    }

    #[test]
    fn levels_have_names_and_numbers() {
        assert_eq!(level("fast"), Ok(Level::FAST));
        assert_eq!(level("6"), Ok(Level::DEFAULT));
        assert_eq!(level("12"), Ok(Level::BEST));
        for text in ["0", "13", "-1", "faster", "", "6.0"] {
            assert!(level(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn old_names_of_regions_are_known() {
        for (text, name) in
            [("US", "us-east-1"), ("EU", "eu-west-1"), ("ap-southeast-2", "ap-southeast-2")]
        {
            assert_eq!(region(text).as_deref(), Ok(name));
        }
        for text in ["", "us_east_1", "useast1", "us-east-1a", "x"] {
            assert!(region(text).is_err(), "{text:?}");
        }
    }
}
