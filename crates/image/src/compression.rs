use std::{
    fmt,
    io::{self, BufReader, Read},
};

use crate::{error::failed, size::Size};

/// The most memory, in bytes, that a stream may make its decoder reserve for its window or dictionary: 128 MiB.
///
/// The stream chooses the size, and may come from a stranger. zstd(1) accepts windows up to this size by default;
/// `xz -9` uses 64 MiB. bzip2 and gzip never need more than 4 MiB.
const MEMORY_LIMIT: u64 = 1 << ZSTD_WINDOW_LOG_MAX;
/// `ZSTD_WINDOWLOG_LIMIT_DEFAULT` of zstd.h.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A format of compressed image files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// gzip, RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz; not the older `.lzma`, which has no magic.
    Xz,
    /// Zstandard, RFC 8878; not the formats before version 0.8.
    Zstd,
}

impl Compression {
    /// The number of first bytes that [`detect`](Self::detect) needs.
    pub const MAGIC_LEN: usize = 10;

    /// Recognises the format by the magic bytes at the start of the file; `None` if it is another one or none.
    ///
    /// Pass [`MAGIC_LEN`](Self::MAGIC_LEN) bytes, or the whole file if it is shorter. A disk is never mistaken for one
    /// of these: it begins with a jump, or with zeros.
    pub fn detect(first_bytes: &[u8]) -> Option<Compression> {
        match first_bytes {
            // The third byte is the method; 8, deflate, is the only one.
            [0x1f, 0x8b, 0x08, ..] => Some(Compression::Gzip),
            // The level, then the magic of a block (the digits of pi) or, without blocks, of the end (of its root).
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
                Some(Compression::Bzip2)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Some(Compression::Xz),
            // A frame, or one of the 16 kinds of skippable frames, with which pzstd begins.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            _ => None,
        }
    }

    /// Returns a reader of the decompressed data, to the end of the last member, stream or frame.
    ///
    /// A read fails with kind `UnexpectedEof` if the input is cut short, with kind `OutOfMemory` if it needs a window
    /// or a dictionary of more than 128 MiB, and with another kind if it is damaged or followed by something else.
    /// After an error every read fails. The checksums of the format are verified.
    ///
    /// # Errors
    ///
    /// Of the decoder, if it cannot be set up. `reader` is not read before the first read of the result.
    pub fn decoder(self, reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        // The xz decoder reads single bytes; the others require a buffer.
        let reader = BufReader::with_capacity(128 * 1024, reader);
        let inner: Box<dyn Read + Send> = match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
            Compression::Xz => {
                let limit_kib = (MEMORY_LIMIT / 1024) as u32;
                Box::new(lzma_rust2::XzReader::new_mem_limit(reader, true, limit_kib))
            }
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(reader)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(Decoder { compression: self, inner: Some(inner) }))
    }
}

impl fmt::Display for Compression {
    /// The name of its program: `gzip`, `bzip2`, `xz`, `zstd`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        })
    }
}

/// Names the format in errors, and never reads again from a decoder that failed, because its state is unknown.
struct Decoder {
    compression: Compression,
    inner: Option<Box<dyn Read + Send>>,
}

impl Decoder {
    fn explain(&self, error: io::Error) -> io::Error {
        let format = self.compression;
        let too_large = match format {
            Compression::Xz => error.kind() == io::ErrorKind::OutOfMemory,
            // The library reports each error as its text alone.
            Compression::Zstd => error.to_string() == "Frame requires too much memory for decoding",
            Compression::Gzip | Compression::Bzip2 => false,
        };
        if too_large {
            let limit = Size(MEMORY_LIMIT);
            let message = format!("the {format} stream needs more memory than the {limit} allowed");
            return io::Error::new(io::ErrorKind::OutOfMemory, message);
        }
        failed(format!("cannot decompress the {format} stream"), error)
    }
}

impl Read for Decoder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(inner) = &mut self.inner else {
            let message = format!("the {} stream has failed before", self.compression);
            return Err(io::Error::other(message));
        };
        match inner.read(buf) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.inner = None;
                Err(self.explain(error))
            }
            result => result,
        }
    }
}
