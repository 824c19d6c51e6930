//! Names in a directory.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

/// The names in a directory, in order.
#[derive(Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where a name is in `bytes`, with its NUL.
    entries: Vec<(usize, usize, FileType)>,
}

impl Names {
    /// Reads a directory, with a buffer that has room for at least one entry.
    pub(super) fn of(directory: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Names, Errno> {
        let mut names = Names::default();
        buffer.clear();
        let mut listing = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.add(entry.file_name(), entry.file_type());
            }
        }
        names.sort();
        Ok(names)
    }

    fn add(&mut self, name: &CStr, kind: FileType) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.entries.push((start, self.bytes.len(), kind));
    }

    /// Brings them in order. A directory that is written to while it is read may give a name twice.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        let name = |&(start, end, _): &(usize, usize, FileType)| &bytes[start..end];
        self.entries.sort_unstable_by_key(name);
        self.entries.dedup_by(|one, other| name(one) == name(other));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, FileType)> {
        self.entries.iter().filter_map(|&(start, end, kind)| {
            Some((CStr::from_bytes_with_nul(&self.bytes[start..end]).ok()?, kind))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_is_there_once() {
        let mut names = Names::default();
        for name in [c"b", c"a", c"b", c"ab"] {
            names.add(name, FileType::RegularFile);
        }
        names.sort();
        assert_eq!(names.iter().map(|(name, _)| name).collect::<Vec<_>>(), [c"a", c"ab", c"b"]);
    }
}
