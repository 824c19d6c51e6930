//! The image as the only member of a tar archive.
//!
//! An image without a hole is a plain member (type `0`). One with holes is an old GNU sparse member (type `S`), as the
//! classic tools' `tar -S` writes: a map of the data, then the data alone. `docs/format.md`, "The archive", has every
//! field.

use std::io::{self, Write};

use baler_image::Extent;

/// The length of the archive is a multiple of this, in bytes.
pub(crate) const RECORD: u64 = 10_240;
/// Headers and data fill blocks of this length, in bytes.
pub(crate) const BLOCK: usize = 512;
/// (offset, length) pairs that fit into the header itself, and into each block that continues it.
pub(crate) const MAP_IN_HEADER: usize = 4;
pub(crate) const MAP_IN_EXTENSION: usize = 21;
/// The most bytes of a bundle's name: the length of the name field. A longer name would need a second header, which not
/// every reader knows.
pub const MAX_NAME_LEN: usize = 100;

/// The archive's member.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    /// The image's length, holes included.
    pub(crate) len: u64,
    pub(crate) extents: &'a [Extent],
}

impl Member<'_> {
    fn is_sparse(&self) -> bool {
        self.stored_len() != self.len
    }

    fn stored_len(&self) -> u64 {
        self.extents.iter().map(|extent| extent.len).sum()
    }

    /// Makes the map: the extents, and the end of the image if it ends in a hole.
    fn map(&self) -> Vec<Extent> {
        let mut map = self.extents.to_vec();
        if map.last().map_or(0, Extent::end) != self.len {
            map.push(Extent { offset: self.len, len: 0 });
        }
        map
    }

    fn header_len(&self) -> u64 {
        let more =
            if self.is_sparse() { self.map().len().saturating_sub(MAP_IN_HEADER) } else { 0 };
        (BLOCK + more.div_ceil(MAP_IN_EXTENSION) * BLOCK) as u64
    }

    /// Returns the length of the whole archive.
    pub(crate) fn archive_len(&self) -> u64 {
        let end = self.header_len() + self.stored_len().next_multiple_of(BLOCK as u64);
        (end + 2 * BLOCK as u64).next_multiple_of(RECORD)
    }

    fn header(&self) -> io::Result<Vec<u8>> {
        if self.name.is_empty() || self.name.len() > MAX_NAME_LEN {
            return Err(invalid(format!(
                "a member's name has 1 to {MAX_NAME_LEN} bytes, not {}",
                self.name.len()
            )));
        }
        let mut header = vec![0; BLOCK];
        header[..self.name.len()].copy_from_slice(self.name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        number(&mut header[124..136], self.stored_len());
        number(&mut header[136..148], self.mtime);
        header[156] = if self.is_sparse() { b'S' } else { b'0' };
        header[257..265].copy_from_slice(b"ustar  \0");
        header[265..269].copy_from_slice(b"root");
        header[297..301].copy_from_slice(b"root");
        let mut more: &[Extent] = &[];
        let map = self.map();
        if self.is_sparse() {
            let (first, rest) = map.split_at(map.len().min(MAP_IN_HEADER));
            pairs(&mut header[386..482], first);
            header[482] = u8::from(!rest.is_empty());
            number(&mut header[483..495], self.len);
            more = rest;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        while !more.is_empty() {
            let (now, rest) = more.split_at(more.len().min(MAP_IN_EXTENSION));
            let mut block = [0; BLOCK];
            pairs(&mut block[..504], now);
            block[504] = u8::from(!rest.is_empty());
            header.extend_from_slice(&block);
            more = rest;
        }
        Ok(header)
    }
}

fn pairs(field: &mut [u8], extents: &[Extent]) {
    for (pair, extent) in field.chunks_exact_mut(24).zip(extents) {
        let (offset, len) = pair.split_at_mut(12);
        number(offset, extent.offset);
        number(len, extent.len);
    }
}

/// Writes a number: octal with a NUL at its end, or base-256 with the first bit set if it is too large for that.
fn number(field: &mut [u8], value: u64) {
    if value < 1 << 33 {
        field.copy_from_slice(format!("{value:011o}\0").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&value.to_be_bytes());
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Frames the data of an image, the bytes of its extents one after another, and writes the archive to `W`.
pub(crate) struct Tar<W> {
    inner: W,
    /// The bytes of the extents that were not written yet.
    left: u64,
    padding: usize,
}

impl<W: Write> Tar<W> {
    /// Writes the member's header and map.
    pub(crate) fn new(member: &Member<'_>, mut inner: W) -> io::Result<Tar<W>> {
        // There is no padding between two extents, and readers copy whole blocks: only the last length may be odd.
        let mut end = 0;
        for (index, extent) in member.extents.iter().enumerate() {
            let odd = extent.len % BLOCK as u64 != 0 && index + 1 != member.extents.len();
            if extent.offset < end || extent.len == 0 || extent.end() > member.len || odd {
                return Err(invalid(format!(
                    "extent {index} at {} does not fit the image",
                    extent.offset
                )));
            }
            end = extent.end();
        }
        let header = member.header()?;
        inner.write_all(&header)?;
        let left = member.stored_len();
        let written = member.header_len() + left;
        Ok(Tar { inner, left, padding: (member.archive_len() - written) as usize })
    }

    /// Ends the archive and returns the next stage; fails unless all extents were written.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.left > 0 {
            return Err(invalid(format!(
                "the image ended {} bytes before its last extent did",
                self.left
            )));
        }
        self.inner.write_all(&vec![0; self.padding])?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Tar<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() as u64 > self.left {
            return Err(invalid(format!(
                "the image continues {} bytes after its last extent",
                data.len() as u64 - self.left
            )));
        }
        let taken = self.inner.write(data)?;
        self.left -= taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
