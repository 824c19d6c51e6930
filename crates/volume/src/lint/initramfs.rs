//! Modules of an initial file system.
//!
//! It is one or more cpio archives one behind the other, of which the last may be compressed (the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use baler_image::Compression;

/// The bytes of an entry before its name.
const HEADER: usize = 110;
/// Longer names are none.
const MAX_NAME: usize = 4096;

/// The names of the modules in it, `_` for `-`; `None` if it cannot be read.
pub(super) fn modules(initramfs: Vec<u8>) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut rest = &*initramfs;
    let mut archives = scan(&mut rest, &mut found).ok()?;
    if !rest.is_empty() {
        let compression = Compression::detect(rest)?;
        let start = initramfs.len() - rest.len();
        let mut compressed = Cursor::new(initramfs);
        compressed.set_position(start as u64);
        let mut reader = BufReader::new(compression.decoder(compressed).ok()?);
        archives += scan(&mut reader, &mut found).ok()?;
    }
    (archives > 0).then_some(found)
}

/// The name of a module, from that of its file.
pub(super) fn module_name(path: &[u8]) -> Option<String> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let end = memchr::memmem::find(name, b".ko")?;
    Some(String::from_utf8_lossy(&name[..end]).replace('-', "_"))
}

/// Reads archives until there is something else; returns how many there were.
fn scan(reader: &mut dyn BufRead, found: &mut BTreeSet<String>) -> io::Result<usize> {
    let mut archives = 0;
    loop {
        let zeros = reader.fill_buf()?.iter().take_while(|&&byte| byte == 0).count();
        if zeros > 0 {
            reader.consume(zeros);
            continue;
        }
        match reader.fill_buf()?.first() {
            Some(b'0') => archive(reader, found)?,
            _ => return Ok(archives),
        }
        archives += 1;
    }
}

fn archive(reader: &mut dyn BufRead, found: &mut BTreeSet<String>) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER];
        reader.read_exact(&mut header)?;
        // 13 numbers of 8 hexadecimal digits.
        let number = |index: usize| {
            let digits = str::from_utf8(&header[6 + 8 * index..][..8]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let is_header = matches!(&header[..6], b"070701" | b"070702");
        let (Some(size), Some(name_len @ 1..=MAX_NAME), true) = (number(6), number(11), is_header)
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // Header and name together fill words, and so does the data.
        let mut name = vec![0; (HEADER + name_len).next_multiple_of(4) - HEADER];
        reader.read_exact(&mut name)?;
        let name = &name[..name_len - 1];
        if name == b"TRAILER!!!" {
            return Ok(());
        }
        found.extend(module_name(name));
        let size = (size as u64).next_multiple_of(4);
        if io::copy(&mut reader.take(size), &mut io::sink())? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
