//! Listings: keys in order, rolled up at a delimiter, a page at a time.

use std::collections::BTreeMap;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::acl;
use super::refusal::no_such_bucket;
use super::service::Service;
use super::storage::Version;
use crate::id;

/// S3 lists no more than this at a time.
const PAGE: usize = 1000;

/// A page of keys and common prefixes.
struct Page {
    keys: Vec<String>,
    prefixes: Vec<String>,
    /// The name after which the next page starts.
    next: Option<String>,
}

/// A page of `keys` behind `after`.
fn page<'a>(
    keys: impl Iterator<Item = &'a String>,
    prefix: &str,
    delimiter: &str,
    after: &str,
    limit: usize,
) -> Page {
    let mut page = Page { keys: Vec::new(), prefixes: Vec::new(), next: None };
    let mut last = String::new();
    for key in keys.filter(|key| key.starts_with(prefix)) {
        let end = key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty());
        let rolled = end.map(|end| key[..prefix.len() + end + delimiter.len()].to_owned());
        let name = rolled.as_ref().unwrap_or(key);
        if name.as_str() <= after
            || rolled.as_ref().is_some_and(|rolled| page.prefixes.last() == Some(rolled))
        {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == limit {
            page.next = (limit > 0).then_some(last);
            break;
        }
        last.clone_from(name);
        match rolled {
            Some(rolled) => page.prefixes.push(rolled),
            None => page.keys.push(key.clone()),
        }
    }
    page
}

fn limit(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.unwrap_or(1000);
    usize::try_from(asked)
        .map(|asked| asked.min(PAGE))
        .map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))
}

impl Service {
    pub(super) fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let after = match &input.continuation_token {
            Some(token) => {
                let key = id::unhex(token).and_then(|bytes| String::from_utf8(bytes).ok());
                key.ok_or_else(|| {
                    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
                })?
            }
            None => input.start_after.clone().unwrap_or_default(),
        };
        let limit = limit(input.max_keys)?;
        let buckets = self.world.storage.buckets();
        let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
        let current =
            |versions: &Vec<Version>| versions.last().is_some_and(|version| !version.marker);
        let keys =
            bucket.objects.iter().filter(|(_, versions)| current(versions)).map(|(key, _)| key);
        let (prefix, delimiter) =
            (input.prefix.clone().unwrap_or_default(), input.delimiter.clone().unwrap_or_default());
        let page = page(keys, &prefix, &delimiter, &after, limit);
        let url = input.encoding_type.as_ref().is_some_and(|encoding| encoding.as_str() == "url");
        let name = |name: &String| if url { escape(name) } else { name.clone() };
        let object = |key: &String| {
            let version = bucket.current(key)?;
            Some(Object {
                checksum_algorithm: Some(algorithms(version)),
                checksum_type: Some("FULL_OBJECT".to_owned().into()),
                e_tag: Some(ETag::Strong(version.etag.clone())),
                key: Some(name(key)),
                last_modified: Some(id::timestamp(version.modified)),
                owner: input.fetch_owner.filter(|fetch| *fetch).map(|_| acl::owner(&self.owner)),
                size: i64::try_from(version.size).ok(),
                storage_class: Some("STANDARD".to_owned().into()),
                ..Object::default()
            })
        };
        Ok(ListObjectsV2Output {
            key_count: i32::try_from(page.keys.len() + page.prefixes.len()).ok(),
            contents: Some(page.keys.iter().filter_map(object).collect()),
            common_prefixes: Some(
                page.prefixes
                    .iter()
                    .map(|prefix| CommonPrefix { prefix: Some(name(prefix)) })
                    .collect(),
            ),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| id::hex(next.as_bytes())),
            name: Some(input.bucket),
            prefix: Some(name(&prefix)),
            delimiter: input.delimiter.as_ref().map(name),
            max_keys: i32::try_from(limit).ok(),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            start_after: input.start_after.as_ref().map(name),
            request_charged: None,
        })
    }

    /// The listing as it was before version 2, for old programs.
    pub(super) fn list_old(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let marker = input.marker.clone();
        let new = self.list(input.into())?;
        let contents = new.contents.unwrap_or_default();
        let prefixes = new.common_prefixes.unwrap_or_default();
        let keys = contents.last().and_then(|object| object.key.clone());
        let rolled = prefixes.last().and_then(|prefix| prefix.prefix.clone());
        let truncated = new.is_truncated.unwrap_or_default();
        Ok(ListObjectsOutput {
            next_marker: keys.max(rolled).filter(|_| truncated),
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            is_truncated: new.is_truncated,
            marker: Some(marker.unwrap_or_default()),
            name: new.name,
            prefix: new.prefix,
            delimiter: new.delimiter,
            encoding_type: new.encoding_type,
            max_keys: new.max_keys,
            ..ListObjectsOutput::default()
        })
    }

    /// The first thousand keys with all their versions, the newest first.
    pub(super) fn versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let limit = limit(input.max_keys)?;
        let buckets = self.world.storage.buckets();
        let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.key_marker.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let page = page(bucket.objects.keys(), &prefix, &delimiter, &after, limit);
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for key in &page.keys {
            for (place, version) in bucket.objects[key].iter().rev().enumerate() {
                let (is_latest, last_modified) =
                    (Some(place == 0), Some(id::timestamp(version.modified)));
                let (key, version_id) = (Some(key.clone()), Some(version.id.clone()));
                let owner = Some(acl::owner(&self.owner));
                if version.marker {
                    markers.push(DeleteMarkerEntry {
                        is_latest,
                        key,
                        last_modified,
                        owner,
                        version_id,
                    });
                } else {
                    versions.push(ObjectVersion {
                        e_tag: Some(ETag::Strong(version.etag.clone())),
                        size: i64::try_from(version.size).ok(),
                        storage_class: Some("STANDARD".to_owned().into()),
                        is_latest,
                        key,
                        last_modified,
                        owner,
                        version_id,
                        ..ObjectVersion::default()
                    });
                }
            }
        }
        Ok(ListObjectVersionsOutput {
            common_prefixes: Some(
                page.prefixes
                    .iter()
                    .map(|prefix| CommonPrefix { prefix: Some(prefix.clone()) })
                    .collect(),
            ),
            delete_markers: Some(markers),
            versions: Some(versions),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next,
            delimiter: input.delimiter,
            key_marker: input.key_marker,
            max_keys: i32::try_from(limit).ok(),
            name: Some(input.bucket),
            prefix: input.prefix,
            ..ListObjectVersionsOutput::default()
        })
    }
}

fn algorithms(version: &Version) -> ChecksumAlgorithmList {
    let names: BTreeMap<_, _> = version.checksums.iter().collect();
    names.into_keys().map(|name| name.to_ascii_uppercase().into()).collect()
}

/// A key as `encoding-type=url` has it.
fn escape(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte))
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let keys: Vec<String> = ["a", "b/1", "b/2", "c", "d/1"].map(str::to_owned).into();
        let mut after = String::new();
        let mut seen = Vec::new();
        loop {
            let page = page(keys.iter(), "", "/", &after, 1);
            seen.extend(page.keys.into_iter().chain(page.prefixes));
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(seen, ["a", "b/", "c", "d/"]);
        assert_eq!(page(keys.iter(), "b/", "/", "", 10).keys, ["b/1", "b/2"]);
        assert_eq!(page(keys.iter(), "", "", "b/1", 10).keys, ["b/2", "c", "d/1"]);
        let none = page(keys.iter(), "", "", "", 0);
        assert!(none.keys.is_empty() && none.next.is_none());
    }

    #[test]
    fn keys_are_escaped() {
        assert_eq!(escape("a b/ü"), "a%20b/%C3%BC");
    }
}
