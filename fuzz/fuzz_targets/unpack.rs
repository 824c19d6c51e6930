//! Any bytes as the decrypted parts of a bundle: padding and gzip stream. The first bit of the first byte says whether the manifest's
//! digest is that of the archive, so that what is behind the digest is reached too.
#![no_main]

use std::io::Read;

use baler_fuzz::Bundle;
use flate2::read::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

/// Of the image that the manifest speaks of, and a bound for what is inflated here.
const SIZE: u64 = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, stream)) = bytes.split_first() else { return };
    let mut archive = Vec::new();
    if first & 1 == 1 {
        // As far as it can be read: the digest of what is broken need not be right.
        let _ = MultiGzDecoder::new(stream).take(10 * SIZE).read_to_end(&mut archive);
    }
    let _ = Bundle::new(SIZE, &archive, stream.to_vec()).open();
});
