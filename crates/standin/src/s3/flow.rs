//! Bytes on their way: into a file, with the checks of an upload, and out of it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};

use super::checksum::Hasher;
use super::refusal::{internal, refused};
use super::service::Service;
use super::upload::Received;

impl Service {
    /// Takes a body in; it is kept only if it is what the headers and trailers promise.
    pub(super) async fn receive(
        &self,
        headers: &HeaderMap,
        body: Option<StreamingBlob>,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<Received> {
        let mut hasher = Hasher::new(headers)?;
        let mut file = self.world.storage.upload().map_err(internal)?;
        let mut size = 0;
        if let Some(mut body) = body {
            while let Some(bytes) = body.next().await {
                let bytes = bytes.map_err(|error| broken(&*error))?;
                hasher.update(&bytes);
                // Into the page cache: a thread of its own for it would cost more than it takes.
                file.write_all(&bytes).map_err(internal)?;
                size += bytes.len() as u64;
            }
        }
        Ok(Received { file, size, digests: hasher.finish(trailers)? })
    }
}

/// The bytes of a file, a quarter of a megabyte at a time.
pub(super) struct Chunks {
    file: File,
    left: u64,
}

impl Chunks {
    /// So many bytes from a place on.
    pub(super) fn new(mut file: File, start: u64, left: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, left })
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.left.min(256 * 1024);
        if length == 0 {
            return None;
        }
        let mut buffer = vec![0; usize::try_from(length).ok()?];
        self.left -= length;
        Some(self.file.read_exact(&mut buffer).map(|()| Bytes::from(buffer)))
    }
}

/// The refusal of a body that cannot be read; the cause is recognised by the words of the library that reads it.
fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let message =
            "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return refused(400, "XAmzContentSHA256Mismatch", message);
    }
    if text.contains("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch, "The signature of a chunk does not match");
    }
    s3_error!(
        IncompleteBody,
        "The request body ended before the number of bytes that was announced"
    )
}
