//! Images to bundle, and whether two of them are the same.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use baler_image::{FileImage, Image};

/// Bytes that do not compress, the same ones for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Writes an image of `len` bytes with data at some offsets and holes between them.
pub fn write(path: &Path, len: u64, data: &[(u64, &[u8])]) {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_len(len).expect("a length");
    for (offset, bytes) in data {
        file.write_all_at(bytes, *offset).expect("room for the image");
    }
}

/// How many bytes a file takes on the disk.
pub fn stored(path: &Path) -> u64 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).blocks() * 512
}

/// Insists on two images being the same, byte for byte. What is a hole in both is not read.
#[track_caller]
pub fn assert_same(one: &Path, other: &Path) {
    let open = |path| FileImage::open(path).unwrap_or_else(|error| panic!("{error}"));
    let (mut one, mut other) = (open(one), open(other));
    assert_eq!(one.len(), other.len(), "the images' lengths");
    let mut extents = [one.extents(), other.extents()].concat();
    extents.sort_by_key(|extent| extent.offset);
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for extent in extents {
        let mut at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(1 << 20) as usize;
            one.read_at(&mut a[..len], at).expect("one image");
            other.read_at(&mut b[..len], at).expect("the other image");
            assert!(a[..len] == b[..len], "the images differ in the {len} bytes from {at}");
            at += len as u64;
        }
    }
}
