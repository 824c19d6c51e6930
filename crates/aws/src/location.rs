//! `s3://bucket/key`: names of buckets and keys, checked when they are parsed.

use std::fmt;
use std::str::FromStr;

use crate::names::NameError;

/// The longest key, in bytes.
const MAX_KEY: usize = 1024;

/// A place in S3: a bucket, and a key or the beginning of keys in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The key, or the part of keys before the last `/`; empty for the whole bucket.
    pub key: String,
}

/// A text that is no place in S3, or no bucket's name: the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LocationError(String);

impl From<LocationError> for String {
    fn from(error: LocationError) -> String {
        error.0
    }
}

impl Location {
    /// The place of these names, which are not checked.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Location {
        Location { bucket: bucket.into(), key: key.into() }
    }

    /// Reads the location of a manifest as EC2 takes it: `bucket/key`. An `s3://` before it is accepted and dropped.
    ///
    /// # Errors
    /// A text without a bucket or a key, with another scheme, an empty part of the path or a control character.
    pub fn of_manifest(text: &str) -> Result<Location, NameError> {
        let error = |rule: &str| NameError::new("a manifest's location", text, rule);
        let path = text.strip_prefix("s3://").unwrap_or(text);
        if path.contains("://") {
            return Err(error("it is `bucket/key`, without a scheme and a host"));
        }
        let parts = path.split_once('/').filter(|(b, k)| !b.is_empty() && !k.is_empty());
        let Some((bucket, key)) = parts else { return Err(error("it is `bucket/key`")) };
        // EC2 answers to an empty part of the path as to a manifest that it may not read.
        if key.split('/').any(str::is_empty) {
            let parts: Vec<_> = key.split('/').filter(|part| !part.is_empty()).collect();
            let near = format!("{bucket}/{}", parts.join("/"));
            return Err(error("EC2 finds no manifest behind a double slash").suggest(near));
        }
        if path.chars().any(char::is_control) {
            return Err(error("it has a control character"));
        }
        Ok(Location { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The place of that name below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Location {
        let key =
            if self.key.is_empty() { name.to_owned() } else { format!("{}/{name}", self.key) };
        Location { bucket: self.bucket.clone(), key }
    }

    /// The place above, and the name in it.
    pub fn split(&self) -> (Location, &str) {
        let (above, name) = self.key.rsplit_once('/').unwrap_or(("", &self.key));
        (Location { bucket: self.bucket.clone(), key: above.to_owned() }, name)
    }

    /// `bucket/key`, as EC2 takes it.
    pub fn path(&self) -> String {
        format!("{}/{}", self.bucket, self.key)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.key.is_empty() {
            write!(f, "/{}", self.key)?;
        }
        Ok(())
    }
}

impl FromStr for Location {
    type Err = LocationError;

    /// Takes `s3://bucket`, `s3://bucket/prefix` and `s3://bucket/prefix/`.
    fn from_str(text: &str) -> Result<Location, LocationError> {
        let rest = text
            .strip_prefix("s3://")
            .ok_or_else(|| LocationError("a place in S3 begins with `s3://`".to_owned()))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        check_old_name(bucket).map_err(LocationError)?;
        let key = key.strip_suffix('/').unwrap_or(key);
        check_key(key).map_err(LocationError)?;
        Ok(Location { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

fn check_key(key: &str) -> Result<(), String> {
    if key.len() > MAX_KEY {
        return Err(format!("a key has at most {MAX_KEY} bytes, and this one {}", key.len()));
    }
    if key.split('/').any(|piece| piece.is_empty()) && !key.is_empty() {
        return Err(
            "there is an empty name between two `/`, which EC2 does not read a manifest behind"
                .to_owned(),
        );
    }
    if key.split('/').any(|piece| piece == "." || piece == "..") {
        return Err("`.` and `..` are no names in S3: clients take them away".to_owned());
    }
    if key.chars().any(char::is_control) {
        return Err("a key has no control characters".to_owned());
    }
    Ok(())
}

/// Whether a bucket may have that name: since 2018 by the rules below, before that by those of `us-east-1`, which had
/// few, and whose buckets still hold bundles.
fn check_old_name(name: &str) -> Result<(), String> {
    let is_old = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    match name.len() {
        0 => Err("the bucket's name is missing: `s3://BUCKET/PREFIX`".to_owned()),
        1..3 => Err(format!(
            "a bucket's name has at least 3 characters, and `{name}` has {}",
            name.len()
        )),
        256.. => Err(format!("no bucket's name has {} characters", name.len())),
        _ if !name.bytes().all(is_old) => Err(format!(
            "a bucket's name has letters, digits, `.`, `-` and, in old ones, `_`: `{}` has others",
            name.escape_debug()
        )),
        _ => Ok(()),
    }
}

/// Whether a new bucket can have that name.
///
/// # Errors
/// The rule that it breaks.
pub fn check_new_name(name: &str) -> Result<(), LocationError> {
    check_old_name(name).map_err(LocationError)?;
    let is_edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    let rule = if name.len() > 63 {
        "has at most 63 characters"
    } else if bytes.iter().any(|c| c.is_ascii_uppercase() || *c == b'_') {
        "has lower-case letters, digits, `.` and `-`"
    } else if !bytes
        .first()
        .zip(bytes.last())
        .is_some_and(|(first, last)| is_edge(*first) && is_edge(*last))
    {
        "begins and ends with a letter or a digit"
    } else if name.contains("..") {
        "has no two dots beside each other"
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "is no IPv4 address"
    } else if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|start| name.starts_with(start)) {
        "does not begin with `xn--`, `sthree-` or `amzn-s3-demo-`"
    } else if ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        "does not end with `-s3alias`, `--ol-s3`, `.mrap`, `--x-s3` or `--table-s3`"
    } else {
        return Ok(());
    };
    Err(LocationError(format!("the name of a new bucket {rule}, unlike `{name}`")))
}

/// Whether the bucket's name can be part of a host's name with a certificate of S3's; otherwise it goes into the path.
pub fn is_host(bucket: &str) -> bool {
    check_new_name(bucket).is_ok() && !bucket.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, bucket, key, shown) in [
            ("s3://abc", "abc", "", "s3://abc"),
            ("s3://abc/", "abc", "", "s3://abc"),
            ("s3://abc/a/b/", "abc", "a/b", "s3://abc/a/b"),
            (
                "s3://Old_Bucket.x/i.manifest.xml",
                "Old_Bucket.x",
                "i.manifest.xml",
                "s3://Old_Bucket.x/i.manifest.xml",
            ),
            ("s3://abc/größe x", "abc", "größe x", "s3://abc/größe x"),
        ] {
            let place: Location = text.parse().unwrap();
            assert_eq!((&*place.bucket, &*place.key, &*place.to_string()), (bucket, key, shown));
        }
        let place: Location = "s3://abc/a/b.manifest.xml".parse().unwrap();
        assert_eq!(place.path(), "abc/a/b.manifest.xml");
        let (above, name) = place.split();
        assert_eq!((above.to_string().as_str(), name), ("s3://abc/a", "b.manifest.xml"));
        assert_eq!(above.join(name), place);
    }

    #[test]
    fn places_that_cannot_be_are_refused_with_the_rule() {
        let long = format!("s3://abc/{}", "k".repeat(1025));
        for (text, rule) in [
            ("abc/x", "begins with `s3://`"),
            ("s3://", "is missing"),
            ("s3:///x", "is missing"),
            ("s3://ab/x", "at least 3"),
            ("s3://a b/x", "letters, digits"),
            ("s3://abc//x", "empty name"),
            ("s3://abc/x//", "empty name"),
            ("s3://abc/../x", "no names in S3"),
            ("s3://abc/x\ny", "control"),
            (&long, "at most 1024"),
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(rule), "{text:?}: {error}");
        }
    }

    #[test]
    fn new_buckets_have_stricter_names() {
        for name in ["abc", "a.b-c.1", "1bucket1", &"x".repeat(63)] {
            assert_eq!(check_new_name(name), Ok(()), "{name}");
        }
        for (name, rule) in [
            ("Abc", "lower-case"),
            ("a_b", "lower-case"),
            ("-abc", "begins and ends"),
            ("abc-", "begins and ends"),
            ("a..b", "two dots"),
            ("192.168.1.1", "IPv4"),
            ("xn--abc", "xn--"),
            ("abc--x-s3", "--x-s3"),
            (&"x".repeat(64), "at most 63"),
        ] {
            let error = check_new_name(name).unwrap_err().to_string();
            assert!(error.contains(rule), "{name}: {error}");
        }
        assert!(is_host("abc-d") && !is_host("a.bc") && !is_host("Abc"));
    }

    #[test]
    fn locations_of_manifests() {
        for text in ["bucket/key", "my.bucket/a/b c/image.manifest.xml"] {
            assert_eq!(Location::of_manifest(text).unwrap().path(), text);
        }
        let dropped = Location::of_manifest("s3://bucket/a/m.xml").unwrap();
        assert_eq!(dropped.path(), "bucket/a/m.xml");
        for (text, says) in [
            ("bucket", "`bucket/key`"),
            ("/bucket/key", "`bucket/key`"),
            ("bucket/", "`bucket/key`"),
            ("https://s3.amazonaws.com/bucket/key", "without a scheme"),
            ("bucket/a//m.xml", "did you mean `bucket/a/m.xml`?"),
            ("bucket//m.xml", "double slash"),
            ("bucket/a\nb", "control character"),
        ] {
            let error = Location::of_manifest(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(error.starts_with(&format!("`{text}` is not a")), "{error}");
        }
    }
}
