//! Any bytes as the decrypted parts of a bundle, some of which are spoilt. The first byte says how many, and whether the manifest's
//! digest is that of the archive; four bytes say what is done to each.
#![no_main]

use std::io::Read;

use baler_fuzz::Bundle;
use flate2::read::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

/// Of the image that the manifest speaks of: more than two of the segments that Baler makes.
const SIZE: u64 = 2_500_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let count = usize::from(first >> 1 & 7) * 4;
    let Some((spoilt, stream)) = rest.split_at_checked(count) else { return };
    let mut archive = Vec::new();
    if first & 1 == 1 {
        // As far as it can be read: the digest of what is broken need not be right.
        let _ = MultiGzDecoder::new(stream).take(2 * SIZE).read_to_end(&mut archive);
    }
    let mut bundle = Bundle::new(SIZE, &archive, stream.to_vec());
    for spoilt in spoilt.chunks_exact(4) {
        bundle.spoil(
            spoilt[1].into(),
            u16::from_le_bytes([spoilt[2], spoilt[3]]).into(),
            spoilt[0],
        );
    }
    let Ok((found, runs)) = bundle.salvage() else { return };

    let mut lost = vec![false; SIZE as usize];
    for (ranges, is_lost) in [(&found.lost, true), (&found.suspect, false)] {
        let mut end = None;
        for range in ranges {
            assert!(range.start < range.end && range.end <= SIZE, "{range:?}");
            assert!(
                end.is_none_or(|end| end < range.start),
                "ranges ascend and do not touch: {ranges:?}"
            );
            end = Some(range.end);
            let lost = &mut lost[range.start as usize..range.end as usize];
            if is_lost {
                lost.fill(true)
            } else {
                assert!(!lost.contains(&true), "what is suspect is not lost")
            }
        }
    }
    for (at, run) in &runs {
        assert!(
            !lost[*at as usize..*at as usize + run.len()].contains(&true),
            "what is lost was not written"
        );
    }
    if found.is_whole() {
        assert!(found.suspect.is_empty());
    }
});
