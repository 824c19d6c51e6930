//! The objects of a bucket.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, MetadataDirective, ObjectCannedAcl, Permission, Type,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use baler_aws::{Location, Region, causes};
use base64ct::{Base64, Encoding as _};
use bytes::{Bytes, BytesMut};

use super::connection::{Connection, S3Client};
use crate::error::{Error, Kind};
use crate::object::{Acl, CopySource, ListedObject, Meta, Put, Sha1Bytes, sha1_of};
use crate::store::Store;

/// The account by which S3 names EC2 in the ACLs of AWS's first partition (`docs/format.md`, "In S3").
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// A bucket, or the keys in it that begin with a prefix and a `/`.
pub struct S3 {
    connection: Connection,
    place: Location,
    region: String,
    client: S3Client,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({}, {})", self.place, self.region)
    }
}

impl S3 {
    /// The objects at `place`, whose bucket is in `region`.
    pub fn new(connection: Connection, place: Location, region: String) -> S3 {
        let client = connection.client(&place.bucket, &region);
        S3 { connection, place, region, client }
    }

    /// The region that the bucket is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    fn key(&self, name: &str) -> String {
        self.place.join(name).key
    }

    /// Sends a request, and allows it as much time as `len` bytes may take.
    async fn send<T, E, F>(
        &self,
        operation: &'static str,
        on: &str,
        len: usize,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.connection.send(&self.client, operation, on, len, request).await
    }

    async fn try_put(&self, name: &str, data: &Bytes, put: &Put) -> Result<(), Error> {
        let on = self.address(name);
        let request = |client: Client| {
            client
                .put_object()
                .bucket(&self.place.bucket)
                .key(self.key(name))
                .body(ByteStream::from(data.clone()))
                .checksum_sha1(Base64::encode_string(&put.sha1))
                .set_acl(canned(put.acl))
                .set_if_none_match((!put.overwrite).then(|| "*".to_owned()))
                .send()
        };
        let answer = self.send("PutObject", &on, data.len(), request).await?;
        let told = Meta {
            len: data.len() as u64,
            sha1: answer.checksum_sha1().and_then(decoded),
            md5: answer.e_tag().and_then(md5_of),
        };
        if told.is(data, &put.sha1) {
            return Ok(());
        }
        if told.sha1.is_some() {
            let reason = "the service got other bytes than were sent";
            // Changed on the way, as with the service's own `BadDigest`.
            return Err(Error::new("PutObject", on, Kind::Transient(None), reason));
        }
        // A success that proves nothing: a service without digests, or a proxy's page.
        let there = self.head(name).await?;
        let is_same = there.as_ref().is_some_and(|meta| meta.is(data, &put.sha1));
        if is_same || self.reads_as(name, there, &put.sha1).await? {
            return Ok(());
        }
        let reason = "the answer was a success, but the object is not there; \
                      a proxy may have answered instead of the service";
        Err(Error::new("PutObject", on, Kind::Transient(None), reason))
    }

    async fn try_get(
        &self,
        name: &str,
        range: Option<Range<u64>>,
        most: u64,
    ) -> Result<Bytes, Error> {
        let on = self.address(name);
        let range =
            range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let request = |client: Client| {
            client
                .get_object()
                .bucket(&self.place.bucket)
                .key(self.key(name))
                .set_range(range.clone())
                .checksum_mode(ChecksumMode::Enabled)
                .send()
        };
        let mut output = self.send("GetObject", &on, 0, request).await?;
        let expected = output.content_length.and_then(|len| u64::try_from(len).ok());
        let too_large = || {
            let reason = format!("it has more than {most} bytes");
            Error::new("GetObject", on.clone(), Kind::TooLarge, reason)
        };
        if expected.is_some_and(|len| len > most) {
            return Err(too_large());
        }
        let mut data = BytesMut::with_capacity(expected.unwrap_or(0) as usize);
        let cut =
            |reason: String| Error::new("GetObject", on.clone(), Kind::Transient(None), reason);
        loop {
            let next = tokio::time::timeout(self.connection.stall(), output.body.next()).await;
            match next.map_err(|_| cut("nothing arrives any more".to_owned()))? {
                None => break,
                Some(Ok(bytes)) => data.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(cut(causes(&error))),
            }
            if data.len() as u64 > most {
                return Err(too_large());
            }
        }
        if expected.is_some_and(|len| len != data.len() as u64) {
            return Err(cut(format!("only {} bytes arrived", data.len())));
        }
        Ok(data.freeze())
    }

    async fn try_head(&self, name: &str) -> Result<Option<Meta>, Error> {
        let request = |client: Client| {
            client
                .head_object()
                .bucket(&self.place.bucket)
                .key(self.key(name))
                .checksum_mode(ChecksumMode::Enabled)
                .send()
        };
        match self.send("HeadObject", &self.address(name), 0, request).await {
            Ok(found) => Ok(Some(Meta {
                len: found.content_length.and_then(|len| len.try_into().ok()).unwrap_or(0),
                sha1: found.checksum_sha1.as_deref().and_then(decoded),
                md5: found.e_tag.as_deref().and_then(md5_of),
            })),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            // A HEAD tells no reason; the first byte does.
            Err(error) if matches!(error.status(), Some(400 | 403)) => {
                match self.try_get(name, Some(0..1), 1).await {
                    Err(reason) if reason.kind == Kind::NotFound => Ok(None),
                    Err(reason) if reason.code().is_some() => Err(reason),
                    // Whatever it was, it has passed.
                    Ok(_) => Err(Error { kind: Kind::Transient(None), ..error }),
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn try_list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        let (on, before) = (self.address(prefix), self.key("").len());
        let mut found = Vec::new();
        let (mut token, mut last) = (None::<String>, None);
        loop {
            let request = |client: Client| {
                client
                    .list_objects_v2()
                    .bucket(&self.place.bucket)
                    .prefix(self.key(prefix))
                    .set_continuation_token(token.clone())
                    .send()
            };
            let page = self.send("ListObjectsV2", &on, 0, request).await?;
            found.extend(page.contents().iter().filter_map(|object| {
                let name = object.key()?.get(before..)?.to_owned();
                Some(ListedObject { name, len: object.size()?.try_into().ok()? })
            }));
            if page.next_continuation_token.is_some() && page.next_continuation_token == last {
                let reason = "the service gives the same page again and again";
                return Err(Error::new("ListObjectsV2", on, Kind::Refused, reason));
            }
            last.clone_from(&page.next_continuation_token);
            token = page.next_continuation_token;
            if token.is_none() || page.is_truncated != Some(true) {
                return Ok(found);
            }
        }
    }

    async fn try_delete(&self, name: &str) -> Result<(), Error> {
        let request = |client: Client| {
            client.delete_object().bucket(&self.place.bucket).key(self.key(name)).send()
        };
        match self.send("DeleteObject", &self.address(name), 0, request).await {
            Err(error) if error.kind == Kind::NotFound && error.code() != Some("NoSuchBucket") => {
                Ok(())
            }
            result => result.map(|_| ()),
        }
    }

    async fn try_copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        let on = self.address(name);
        let request = |client: Client| {
            client
                .copy_object()
                .bucket(&self.place.bucket)
                .key(self.key(name))
                .copy_source(encoded(&from.path))
                .checksum_algorithm(ChecksumAlgorithm::Sha1)
                .metadata_directive(MetadataDirective::Copy)
                .set_acl(canned(put.acl))
                .send()
        };
        // The service moves the bytes, and answers when that is done.
        let done = self.send("CopyObject", &on, 64 << 20, request).await?;
        let sha1 = done.copy_object_result.and_then(|result| result.checksum_sha1);
        match sha1.as_deref().and_then(decoded) {
            Some(sha1) if sha1 != put.sha1 => {
                let reason = format!("the copy of `{}` is not what was expected", from.path);
                Err(Error::new("CopyObject", on, Kind::Mismatch, reason))
            }
            _ => Ok(()),
        }
    }

    /// Whether what is there reads as that, where the service keeps no digest of it.
    async fn reads_as(
        &self,
        name: &str,
        meta: Option<Meta>,
        sha1: &Sha1Bytes,
    ) -> Result<bool, Error> {
        match meta {
            Some(Meta { len, sha1: None, .. }) => {
                Ok(sha1_of(&self.get(name, None, len).await?) == *sha1)
            }
            _ => Ok(false),
        }
    }

    /// Sets who may read an object, where services know such a thing.
    async fn grant_if_it_can(&self, name: &str, acl: Acl) -> Result<(), Error> {
        match self.grant(name, acl).await {
            Err(Error { kind: Kind::Unsupported, .. }) => Ok(()),
            result => result,
        }
    }

    async fn try_grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        let Some(acl) = canned(acl) else { return Ok(()) };
        let request = |client: Client| {
            let request = client.put_object_acl().bucket(&self.place.bucket).key(self.key(name));
            request.acl(acl.clone()).send()
        };
        self.send("PutObjectAcl", &self.address(name), 0, request).await.map(|_| ())
    }
}

impl S3 {
    /// Whether an object's ACL lets EC2 read it.
    ///
    /// # Errors
    /// `Unsupported` by services without ACLs, `Denied` if the caller may not look.
    pub async fn ec2_can_read(&self, name: &str) -> Result<bool, Error> {
        let request = |client: Client| {
            client.get_object_acl().bucket(&self.place.bucket).key(self.key(name)).send()
        };
        let found = self.send("GetObjectAcl", &self.address(name), 0, request).await?;
        let owner = found.owner().and_then(|owner| owner.id());
        let reads = |permission: Option<&Permission>| {
            matches!(permission, Some(Permission::Read | Permission::FullControl))
        };
        let is_first = Region::partition(&self.region) == "aws";
        Ok(found.grants().iter().filter(|grant| reads(grant.permission())).any(|grant| {
            let Some(grantee) = grant.grantee() else { return false };
            let public = ["/AllUsers", "/AuthenticatedUsers"];
            match grantee.r#type() {
                Type::Group => {
                    public.iter().any(|end| grantee.uri().is_some_and(|uri| uri.ends_with(end)))
                }
                // EC2's account in other partitions is not documented.
                _ if is_first => grantee.id() == Some(EC2),
                _ => grantee.id().is_some() && grantee.id() != owner,
            }
        }))
    }
}

#[async_trait]
impl Store for S3 {
    fn address(&self, name: &str) -> String {
        self.place.join(name).to_string()
    }

    fn source(&self, name: &str) -> CopySource {
        let endpoint = self.connection.endpoint();
        let service = endpoint.unwrap_or_else(|| Region::partition(&self.region));
        CopySource { service: format!("s3 {service}"), path: self.place.join(name).path() }
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        match self.try_put(name, &data, put).await {
            // It may be our own: the answer to an earlier attempt was lost.
            Err(error) if error.kind == Kind::Exists => {
                let meta = self.head(name).await?;
                let is_same = meta.as_ref().is_some_and(|meta| meta.is(&data, &put.sha1));
                if is_same || self.reads_as(name, meta, &put.sha1).await? {
                    return self.grant_if_it_can(name, put.acl).await;
                }
                Err(Error { reason: "another object has that name".to_owned(), ..error })
            }
            result => result,
        }
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        self.try_get(name, range, most).await
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        self.try_head(name).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        self.try_list(prefix).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        self.try_delete(name).await
    }

    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        if from.service != self.source(name).service {
            let reason = format!("`{}` is kept by another service", from.path);
            return Err(Error::new("CopyObject", self.address(name), Kind::Unsupported, reason));
        }
        // CopyObject cannot be told not to overwrite.
        if !put.overwrite
            && let Some(meta) = self.head(name).await?
        {
            let is_same = meta.sha1 == Some(put.sha1);
            if is_same || self.reads_as(name, Some(meta), &put.sha1).await? {
                return self.grant_if_it_can(name, put.acl).await;
            }
            let reason = "another object has that name";
            return Err(Error::new("CopyObject", self.address(name), Kind::Exists, reason));
        }
        self.try_copy(from, name, put).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        self.try_grant(name, acl).await
    }
}

fn canned(acl: Acl) -> Option<ObjectCannedAcl> {
    (acl != Acl::Unsaid).then(|| ObjectCannedAcl::from(acl.name()))
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    Base64::decode(text, &mut bytes).ok().filter(|bytes| bytes.len() == N)?;
    Some(bytes)
}

/// An entity tag that is an MD5, as it is for what was put in one piece and is not encrypted with a key of its own.
fn md5_of(tag: &str) -> Option<[u8; 16]> {
    let text = tag.trim_matches('"');
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Percent-encoded for a header, the slashes not.
fn encoded(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if is_plain(byte) {
            text.push(byte.into());
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}
