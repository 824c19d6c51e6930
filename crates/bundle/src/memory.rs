//! A bundle's parts in memory.

use std::collections::BTreeMap;
use std::io;

use crate::parts::{MAX_PART_LEN, PartSink, PartSource, SealedPart};

/// The parts of a bundle in memory, by file name: for tests and examples, and for bundles that are small.
///
/// The map is public, so that a test can look into parts, damage them and remove them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryParts(pub BTreeMap<String, Vec<u8>>);

impl PartSink for MemoryParts {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        if self.0.contains_key(&part.filename) {
            let message = format!("`{}` exists", part.filename);
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        self.0.insert(part.filename, part.data);
        Ok(())
    }
}

impl PartSource for MemoryParts {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        match self.0.get(filename) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(data) if data.len() > MAX_PART_LEN => Err(io::ErrorKind::FileTooLarge.into()),
            Some(data) => Ok(data.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_once_and_found_by_its_name() {
        let part = || SealedPart::new("i.part.0", [7; 20].into(), b"data".to_vec());
        let mut parts = MemoryParts::default();
        parts.put(part()).unwrap();
        assert_eq!(parts.put(part()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(parts.get("i.part.0").unwrap(), b"data");
        assert_eq!(parts.get("i.part.1").unwrap_err().kind(), io::ErrorKind::NotFound);
        parts.0.insert("long".to_owned(), vec![0; MAX_PART_LEN + 1]);
        assert_eq!(parts.get("long").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
