//! Objects in S3.

mod bucket;
mod error;
mod trial;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, MetadataDirective, ObjectCannedAcl};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use base64ct::{Base64, Encoding as _};
use bytes::{Bytes, BytesMut};

pub use bucket::{Bucket, BucketTrouble};
use error::{causes, failed};
pub use trial::{Need, Outcome, Trial};

use crate::location::is_host;
use crate::{Acl, Entry, Error, Kind, Location, Meta, Put, Sha1Bytes, Source, Store, sha1_of};

/// How slow a connection may be, beyond the time without any progress that is given.
const SLOWEST: u64 = 64 << 10;

/// Gets credentials and all else again, where the old ones are refused.
pub type Renew = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = SdkConfig> + Send>> + Send + Sync>;

/// How S3 is reached.
#[derive(Clone)]
pub struct Connection {
    config: SdkConfig,
    renew: Renew,
    stall: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, endpoint) = (self.config.region(), self.config.endpoint_url());
        f.debug_struct("Connection")
            .field("region", &region)
            .field("endpoint", &endpoint)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// With the credentials, region, endpoint and HTTP client of `config`. A transfer in which nothing moves for `stall`
    /// has failed.
    pub fn new(config: SdkConfig, renew: Renew, stall: Duration) -> Connection {
        Connection { config, renew, stall }
    }

    /// The region that was asked for.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// Sends a request, and gives it as long as so many bytes may take.
    async fn send<T, E>(
        &self,
        operation: &'static str,
        on: &str,
        len: usize,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let most = self.stall + Duration::from_secs(len as u64 / SLOWEST);
        match tokio::time::timeout(most, request).await {
            Ok(answer) => answer.map_err(|error| failed(operation, on, error)),
            Err(_) => {
                let reason = format!("there is no answer after {} s", most.as_secs());
                Err(Error::new(operation, on, Kind::Unreachable, reason))
            }
        }
    }

    fn client(&self, config: &SdkConfig, bucket: &str, region: &str) -> Client {
        let mut builder = aws_sdk_s3::config::Builder::from(config);
        builder = builder
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(self.stall).build(),
            )
            .force_path_style(config.endpoint_url().is_some() || !is_host(bucket));
        Client::from_conf(builder.build())
    }
}

/// A bucket, or the keys in it that begin with a prefix and a `/`.
pub struct S3 {
    connection: Connection,
    place: Location,
    region: String,
    client: RwLock<Client>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({}, {})", self.place, self.region)
    }
}

impl S3 {
    /// The objects at `place`, whose bucket is in `region`.
    pub fn new(connection: Connection, place: Location, region: String) -> S3 {
        let client = RwLock::new(connection.client(&connection.config, &place.bucket, &region));
        S3 { connection, place, region, client }
    }

    /// The region that the bucket is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    fn current(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn key(&self, name: &str) -> String {
        self.place.join(name).key
    }

    /// Calls; and once more with new credentials, if these have expired.
    async fn call<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match call(self.current()).await {
            Err(Error { kind: Kind::Expired, .. }) => {}
            result => return result,
        }
        let config = (self.connection.renew)().await;
        let client = self.connection.client(&config, &self.place.bucket, &self.region);
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client.clone();
        call(client).await
    }

    async fn try_put(
        &self,
        client: Client,
        name: &str,
        data: Bytes,
        put: &Put,
    ) -> Result<(), Error> {
        let (on, len) = (self.address(name), data.len());
        let request = client
            .put_object()
            .bucket(&self.place.bucket)
            .key(self.key(name))
            .body(ByteStream::from(data))
            .checksum_sha1(Base64::encode_string(&put.sha1))
            .set_acl(canned(put.acl))
            .set_if_none_match((!put.overwrite).then(|| "*".to_owned()));
        self.connection.send("PutObject", &on, len, request.send()).await.map(|_| ())
    }

    async fn try_get(
        &self,
        client: Client,
        name: &str,
        range: Option<Range<u64>>,
        most: u64,
    ) -> Result<Bytes, Error> {
        let on = self.address(name);
        let range =
            range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let request = client
            .get_object()
            .bucket(&self.place.bucket)
            .key(self.key(name))
            .set_range(range)
            .checksum_mode(ChecksumMode::Enabled);
        let mut output = self.connection.send("GetObject", &on, 0, request.send()).await?;
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
            let next = tokio::time::timeout(self.connection.stall, output.body.next()).await;
            match next.map_err(|_| cut("nothing arrives any more".to_owned()))? {
                None => break,
                Some(Ok(bytes)) => data.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(cut(causes(&error))),
            }
            if data.len() as u64 > most {
                return Err(too_large());
            }
        }
        match expected.is_some_and(|len| len != data.len() as u64) {
            true => Err(cut(format!("only {} bytes arrived", data.len()))),
            false => Ok(data.freeze()),
        }
    }

    async fn try_head(&self, client: Client, name: &str) -> Result<Option<Meta>, Error> {
        let on = self.address(name);
        let request = client
            .head_object()
            .bucket(&self.place.bucket)
            .key(self.key(name))
            .checksum_mode(ChecksumMode::Enabled);
        match self.connection.send("HeadObject", &on, 0, request.send()).await {
            Ok(found) => Ok(Some(Meta {
                len: found.content_length.and_then(|len| len.try_into().ok()).unwrap_or(0),
                sha1: found.checksum_sha1.as_deref().and_then(decoded),
                md5: found.e_tag.as_deref().and_then(md5_of),
            })),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            // A HEAD tells no reason; the first byte does.
            Err(error) if matches!(error.status(), Some(400 | 403)) => {
                match self.try_get(client, name, Some(0..1), 1).await {
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

    async fn try_list(&self, client: Client, prefix: &str) -> Result<Vec<Entry>, Error> {
        let (on, before) = (self.address(prefix), self.key("").len());
        let mut found = Vec::new();
        let (mut token, mut last) = (None, None);
        loop {
            let request = client
                .list_objects_v2()
                .bucket(&self.place.bucket)
                .prefix(self.key(prefix))
                .set_continuation_token(token);
            let page = self.connection.send("ListObjectsV2", &on, 0, request.send()).await?;
            found.extend(page.contents().iter().filter_map(|object| {
                let name = object.key()?.get(before..)?.to_owned();
                Some(Entry { name, len: object.size()?.try_into().ok()? })
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

    async fn try_delete(&self, client: Client, name: &str) -> Result<(), Error> {
        let on = self.address(name);
        let request = client.delete_object().bucket(&self.place.bucket).key(self.key(name));
        match self.connection.send("DeleteObject", &on, 0, request.send()).await {
            Err(error) if error.kind == Kind::NotFound && error.code() != Some("NoSuchBucket") => {
                Ok(())
            }
            result => result.map(|_| ()),
        }
    }

    async fn try_copy(
        &self,
        client: Client,
        from: &Source,
        name: &str,
        put: &Put,
    ) -> Result<(), Error> {
        let on = self.address(name);
        let request = client
            .copy_object()
            .bucket(&self.place.bucket)
            .key(self.key(name))
            .copy_source(encoded(&from.path))
            .checksum_algorithm(ChecksumAlgorithm::Sha1)
            .metadata_directive(MetadataDirective::Copy)
            .set_acl(canned(put.acl));
        // The service moves the bytes, and answers when it has.
        let done = self.connection.send("CopyObject", &on, 64 << 20, request.send()).await?;
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

    async fn try_grant(&self, client: Client, name: &str, acl: Acl) -> Result<(), Error> {
        let Some(acl) = canned(acl) else { return Ok(()) };
        let on = self.address(name);
        let request =
            client.put_object_acl().bucket(&self.place.bucket).key(self.key(name)).acl(acl);
        self.connection.send("PutObjectAcl", &on, 0, request.send()).await.map(|_| ())
    }
}

#[async_trait]
impl Store for S3 {
    fn address(&self, name: &str) -> String {
        self.place.join(name).to_string()
    }

    fn source(&self, name: &str) -> Source {
        let endpoint = self.connection.config.endpoint_url();
        let service = endpoint.map_or_else(|| partition(&self.region).to_owned(), str::to_owned);
        Source { service: format!("s3 {service}"), path: self.place.join(name).path() }
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        match self.call(|client| self.try_put(client, name, data.clone(), put)).await {
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
        self.call(|client| self.try_get(client, name, range.clone(), most)).await
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        self.call(|client| self.try_head(client, name)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.call(|client| self.try_list(client, prefix)).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        self.call(|client| self.try_delete(client, name)).await
    }

    async fn copy(&self, from: &Source, name: &str, put: &Put) -> Result<(), Error> {
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
        self.call(|client| self.try_copy(client, from, name, put)).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        self.call(|client| self.try_grant(client, name, acl)).await
    }
}

/// The partition that a region belongs to, by the shape of its name.
pub fn partition(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "cn" => "aws-cn",
        "eusc" => "aws-eusc",
        "us" if region.starts_with("us-gov-") => "aws-us-gov",
        "us" if region.starts_with("us-iso") => "aws-iso",
        _ => "aws",
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
        match is_plain(byte) {
            true => text.push(byte.into()),
            false => text += &format!("%{byte:02X}"),
        }
    }
    text
}
