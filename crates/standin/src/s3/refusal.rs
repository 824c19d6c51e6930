//! Refusals of S3.

use std::io;

use s3s::{S3Error, S3ErrorCode, s3_error};

/// An error with a code that `s3s` may not know.
pub(crate) fn refused(status: u16, code: &str, message: &'static str) -> S3Error {
    let code = code.parse().unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message);
    if let Ok(status) = http::StatusCode::from_u16(status) {
        error.set_status_code(status);
    }
    error
}

/// A failure of the stand-in itself.
pub(crate) fn internal(error: io::Error) -> S3Error {
    S3Error::internal_error(error)
}

pub(crate) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(crate) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "The specified upload does not exist.")
}
