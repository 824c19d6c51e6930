//! Any bytes as the archive of a bundle in which all else is right. The first three bytes are the size that the manifest gives.
#![no_main]

use std::io::Write;

use baler_fuzz::Bundle;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[a, b, c], archive)) = bytes.split_first_chunk() else { return };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(archive).expect("memory does not fail");
    let mut stream = gzip.finish().expect("memory does not fail");
    let padding = 16 - stream.len() % 16;
    stream.resize(stream.len() + padding, padding as u8);

    let size = u64::from(u32::from_le_bytes([a, b, c, 0]));
    if let Ok(runs) = Bundle::new(size, archive, stream).open() {
        let data: usize = runs.iter().map(|(_, run)| run.len()).sum();
        assert!(data <= archive.len(), "an image has no more data than its archive");
    }
});
