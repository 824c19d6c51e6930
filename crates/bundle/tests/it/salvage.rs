//! A damaged bundle gives what it still holds, and says truly what that is.

use std::io::Write;
use std::ops::Range;

use crate::memory::{contents, data, keys, noise, packing, sparse, unpacking, untouched};
use baler_bundle::{Error, Event, Level, MemoryParts, Salvage, pack, salvage};
use baler_image::{Memory, MemorySink};
use baler_manifest::{Contents, Part, Sha1Digest};
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

const MIB: u64 = 1 << 20;

fn quiet(_: Event) {}

/// A bundle whose parts have a length of the test's own.
#[derive(Clone)]
struct Bundle {
    image: Vec<u8>,
    contents: Contents,
    parts: MemoryParts,
}

impl Bundle {
    fn new(image: &Memory, part_len: usize) -> Bundle {
        let keys = keys();
        let mut parts = MemoryParts::default();
        let options = packing(&keys, Level::FAST, 2);
        let packed = pack(&mut image.clone(), &options, &mut parts, &quiet).expect("packs");
        let ciphertext = parts.0.values().flatten().copied().collect::<Vec<_>>();
        Bundle::cut(image, contents(&packed), &ciphertext, part_len)
    }

    fn cut(image: &Memory, mut contents: Contents, bytes: &[u8], part_len: usize) -> Bundle {
        let mut parts = MemoryParts::default();
        contents.parts.clear();
        contents.bundled_size = bytes.len() as u64;
        for (index, part) in bytes.chunks(part_len).enumerate() {
            let filename = format!("image.part.{index:05}");
            let digest = Sha1Digest::new(Sha1::digest(part).into());
            parts.0.insert(filename.clone(), part.to_vec());
            contents.parts.push(Part { filename, digest });
        }
        Bundle { image: image.bytes().to_vec(), contents, parts }
    }

    /// Another tool's: the same archive in a stream that `compress` makes.
    fn foreign(image: &Memory, part_len: usize, compress: impl Fn(&[u8]) -> Vec<u8>) -> Bundle {
        let own = Bundle::new(image, part_len);
        let ciphertext: Vec<_> = own.parts.0.values().flatten().copied().collect();
        let mut archive = Vec::new();
        let stream = crate::memory::decrypt(&keys(), &ciphertext);
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*stream), &mut archive)
            .unwrap();
        let ciphertext = crate::memory::encrypt(&keys(), &compress(&archive));
        Bundle::cut(image, own.contents, &ciphertext, part_len)
    }

    fn part(&mut self, index: usize) -> &mut Vec<u8> {
        self.parts.0.get_mut(&self.contents.parts[index].filename).expect("a part")
    }

    fn lose(&mut self, index: usize) {
        self.parts.0.remove(&self.contents.parts[index].filename).expect("a part");
    }

    fn flip(&mut self, index: usize, at: usize) {
        self.part(index)[at] ^= 0x10;
    }

    /// Salvages, and holds the result against the image.
    fn open(&self) -> Result<Salvage, Error> {
        let (keys, mut written) = (keys(), untouched());
        let sink = Box::new(MemorySink::new(&mut written));
        let result = salvage(&self.contents, &unpacking(&keys, 2), &self.parts, sink, &quiet);
        assert!(result.is_ok() || written == untouched(), "{result:?}");
        let (found, written) = (result?, written.into_bytes());
        let mut wrong = written.clone();
        for range in found.lost.iter().chain(&found.suspect) {
            let range = range.start as usize..range.end as usize;
            assert!(!range.is_empty(), "{found:?}");
            wrong[range.clone()].copy_from_slice(&self.image[range]);
        }
        assert_eq!(wrong.len(), self.image.len());
        let differs = std::iter::zip(&wrong, &self.image).position(|(is, was)| is != was);
        assert_eq!(differs, None, "all but what is lost or suspect is right: {found:?}");
        for range in &found.lost {
            let bytes = &written[range.start as usize..range.end as usize];
            assert!(bytes.iter().all(|&byte| byte == 0), "what is lost is zeros");
        }
        if found.is_whole() {
            assert!(written == self.image && found.suspect.is_empty());
        }
        Ok(found)
    }
}

fn sum(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn texts(errors: &[Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// 24 MiB of which 4 are a hole; about 7 MiB of ciphertext in parts of 512 KiB.
fn mixed() -> Bundle {
    let solid = |seed| data(seed, 10 << 20).into_iter().map(|byte| byte | 1);
    let mut bytes: Vec<_> = solid(1).collect();
    bytes.resize(14 << 20, 0);
    bytes.extend(solid(2));
    Bundle::new(&sparse(bytes), 512 << 10)
}

#[test]
fn an_undamaged_bundle_is_whole() {
    for bundle in [mixed(), Bundle::new(&Memory::dense(data(3, 1000)), 100)] {
        let found = bundle.open().unwrap();
        assert!(found.is_whole(), "{found:?}");
        assert!(found.parts.is_empty() && found.stream.is_empty(), "{found:?}");
    }
}

#[test]
fn a_flipped_byte_costs_a_segment_or_two() {
    let whole = mixed();
    for at in [1, 100_000, 262_144, 400_001, (512 << 10) - 1] {
        let mut bundle = whole.clone();
        bundle.flip(5, at);
        let found = bundle.open().unwrap();
        assert_eq!(found.parts.len(), 1, "{found:?}");
        assert!(sum(&found.lost) <= 2 * MIB, "{at}: {found:?}");
        assert!(sum(&found.suspect) <= 4 * MIB, "{at}: {found:?}");
        assert!(!matches!(found.image, Some(Ok(()))) && !found.is_whole());
    }
}

#[test]
fn a_missing_part_costs_what_it_has_a_share_in() {
    let mut bundle = mixed();
    bundle.lose(6);
    let found = bundle.open().unwrap();
    assert_eq!(texts(&found.parts), ["reading part 6 (`image.part.00006`)"]);
    assert!(found.suspect.is_empty(), "{found:?}");
    assert!(sum(&found.lost) > MIB / 2 && sum(&found.lost) < 4 * MIB, "{found:?}");
}

#[test]
fn the_second_and_the_last_part_can_be_missing() {
    let whole = mixed();
    for index in [1, whole.contents.parts.len() - 1] {
        let mut bundle = whole.clone();
        bundle.lose(index);
        let found = bundle.open().unwrap();
        assert!(sum(&found.lost) < 4 * MIB, "{index}: {found:?}");
        assert!(found.suspect.is_empty(), "{found:?}");
    }
}

#[test]
fn what_is_between_two_missing_parts_of_mixed_data_cannot_be_placed() {
    let mut bundle = mixed();
    let last = bundle.contents.parts.len() - 1;
    bundle.lose(2);
    bundle.lose(last - 1);
    let found = bundle.open().unwrap();
    assert_eq!(found.lost.len(), 2, "one run on each side of the hole: {found:?}");
    assert!(found.lost[0].start > MIB / 2 && found.lost[1].end < 24 * MIB, "{found:?}");
}

#[test]
fn what_is_between_two_missing_parts_of_noise_can() {
    let mut bundle = Bundle::new(&Memory::dense(noise(9, 16 << 20)), 1 << 20);
    bundle.lose(3);
    bundle.lose(10);
    let found = bundle.open().unwrap();
    assert!(found.suspect.is_empty(), "{found:?}");
    assert_eq!(found.lost.len(), 2, "{found:?}");
    assert!(found.lost.iter().all(|range| range.end - range.start <= 2 * MIB), "{found:?}");
}

#[test]
fn two_flipped_bytes_far_apart_are_counted_out() {
    let mut bundle = mixed();
    for (part, at) in [(2, 77_777), (10, 200_000)] {
        (0..10).for_each(|index| bundle.flip(part, at + 100 * index));
    }
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) <= 4 * MIB, "{found:?}");
    assert!(sum(&found.suspect) <= 6 * MIB, "{found:?}");
}

#[test]
fn garbage_and_a_missing_part_leave_doubt() {
    let mut bundle = mixed();
    (0..10).for_each(|index| bundle.flip(2, 77_777 + 100 * index));
    bundle.lose(10);
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) <= 5 * MIB, "{found:?}");
    assert!(sum(&found.suspect) > 8 * MIB, "what is between is placed by counting: {found:?}");
}

#[test]
fn a_truncated_last_part_costs_the_end() {
    let mut bundle = mixed();
    let last = bundle.contents.parts.len() - 1;
    let len = bundle.part(last).len();
    bundle.part(last).truncate(len / 2);
    let found = bundle.open().unwrap();
    assert_eq!(found.lost.len(), 1, "{found:?}");
    assert_eq!(found.lost[0].end, 24 * MIB);
    assert!(sum(&found.lost) < 2 * MIB, "{found:?}");
}

#[test]
fn a_truncated_part_is_as_if_its_rest_were_missing() {
    let mut bundle = mixed();
    bundle.part(4).truncate(300_001);
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) < 3 * MIB, "{found:?}");
}

#[test]
fn a_part_that_is_too_long_is_cut() {
    let mut bundle = mixed();
    bundle.part(4).extend([7; 1000]);
    let found = bundle.open().unwrap();
    assert!(found.is_whole() && found.parts.len() == 1, "its first bytes were right: {found:?}");
}

#[test]
fn without_the_first_part_there_is_nothing() {
    let mut bundle = mixed();
    bundle.lose(0);
    let error = bundle.open().unwrap_err();
    assert!(matches!(error, Error::Nothing(_)), "{error:?}");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "reading part 0 (`image.part.00000`)");
}

#[test]
fn a_first_part_that_is_damaged_behind_the_header_is_enough() {
    let mut bundle = mixed();
    bundle.flip(0, 200_000);
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) <= MIB, "{found:?}");
    assert!(sum(&found.suspect) <= 2 * MIB, "{found:?}");
}

#[test]
fn a_part_with_other_bytes_of_the_same_length() {
    let mut bundle = mixed();
    *bundle.part(7) = noise(4, 512 << 10);
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) <= 4 * MIB, "{found:?}");
}

#[test]
fn a_wrong_part_digest_over_right_bytes_is_whole() {
    let mut bundle = mixed();
    bundle.contents.parts[3].digest = bundle.contents.parts[4].digest;
    let found = bundle.open().unwrap();
    assert!(found.is_whole() && found.parts.len() == 1, "{found:?}");
    let mut bundle = mixed();
    bundle.contents.digest = bundle.contents.parts[4].digest;
    let found = bundle.open().unwrap();
    assert!(!found.is_whole() && found.parts.is_empty() && found.lost.is_empty(), "{found:?}");
    assert!(matches!(found.image, Some(Err(Error::ImageDigest { .. }))), "{found:?}");
}

#[test]
fn another_length_than_was_signed_is_an_error() {
    let mut bundle = mixed();
    bundle.lose(5);
    bundle.contents.size += 1;
    let error = bundle.open().unwrap_err();
    assert!(error.to_string().ends_with("the manifest says 25165825"), "{error}");
}

fn gzip(archive: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(archive).unwrap();
    gzip.finish().unwrap()
}

/// As pigz does: flushed every 128 KiB, the blocks refer to those before unless they are `independent`.
fn flushed(archive: &[u8], every: usize, independent: bool) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let mut deflate = flate2::Compress::new(flate2::Compression::new(6), false);
    let flush = if independent { flate2::FlushCompress::Full } else { flate2::FlushCompress::Sync };
    let mut blocks = archive.chunks(every).peekable();
    while let Some(block) = blocks.next() {
        let flush = if blocks.peek().is_some() { flush } else { flate2::FlushCompress::Finish };
        let mut some = Vec::with_capacity(2 * block.len() + 1000);
        deflate.compress_vec(block, &mut some, flush).unwrap();
        out.extend(some);
    }
    let mut crc = flate2::Crc::new();
    crc.update(archive);
    out.extend(crc.sum().to_le_bytes());
    out.extend((archive.len() as u32).to_le_bytes());
    out
}

#[test]
fn other_tools_streams_are_read_up_to_the_damage() {
    let image = sparse(data(5, 9 << 20));
    type Compress = fn(&[u8]) -> Vec<u8>;
    let streams: [(&str, Compress); 6] = [
        ("gzip", gzip),
        ("pigz", |archive| flushed(archive, 128 << 10, false)),
        ("pigz -i", |archive| flushed(archive, 128 << 10, true)),
        ("pigz -b 1024", |archive| flushed(archive, 1 << 20, false)),
        ("pigz -b 512 -i", |archive| flushed(archive, 512 << 10, true)),
        ("members", |archive| archive.chunks(1 << 20).flat_map(gzip).collect()),
    ];
    for (name, compress) in streams {
        let whole = Bundle::foreign(&image, 256 << 10, compress);
        let found = whole.open().unwrap();
        assert!(found.is_whole() && found.stream.is_empty(), "{name}: {found:?}");
        let count = whole.contents.parts.len();
        type Spoil<'a> = &'a dyn Fn(&mut Bundle);
        let spoil: [(&str, Spoil<'_>); 4] = [
            ("a byte", &|bundle| bundle.flip(count / 2, 777)),
            ("a part", &|bundle| bundle.lose(count / 2)),
            ("two parts", &|bundle| {
                bundle.lose(count / 2);
                bundle.lose(count - 2);
            }),
            ("the end", &|bundle| bundle.part(count - 1).truncate(5)),
        ];
        for (what, spoil) in spoil {
            let mut bundle = whole.clone();
            spoil(&mut bundle);
            let found = bundle.open().unwrap_or_else(|error| panic!("{name}, {what}: {error:?}"));
            let right = (9 << 20) - sum(&found.lost) - sum(&found.suspect);
            assert!(right > 4 << 20, "{name}, {what}: {found:?}");
            assert!(!found.is_whole(), "{name}, {what}: {found:?}");
        }
        for index in 0..3 {
            let mut bundle = whole.clone();
            bundle.flip(index, 200_000);
            bundle.open().unwrap_or_else(|error| panic!("{name}, {index}: {error:?}"));
        }
    }
}

#[test]
fn parts_of_unequal_lengths_have_their_places_too() {
    let whole = mixed();
    let ciphertext: Vec<_> = whole.parts.0.values().flatten().copied().collect();
    let mut bundle = whole.clone();
    (bundle.parts, bundle.contents.parts) = Default::default();
    let mut rest = &ciphertext[..];
    for index in 0.. {
        let (part, after) = rest.split_at(rest.len().min(300_000 + index * 7_001));
        let filename = format!("image.part.{index:05}");
        bundle.parts.0.insert(filename.clone(), part.to_vec());
        let digest = Sha1Digest::new(Sha1::digest(part).into());
        bundle.contents.parts.push(Part { filename, digest });
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    assert!(bundle.open().unwrap().is_whole());
    bundle.lose(7);
    let found = bundle.open().unwrap();
    assert!(sum(&found.lost) < 3 * MIB, "{found:?}");
    bundle.lose(4);
    let found = bundle.open().unwrap();
    assert!(found.lost[0].start > MIB && found.lost.last().unwrap().end < 23 * MIB, "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_neither_lost_nor_suspect_is_right(
        seed: u64,
        kinds in proptest::collection::vec((0u8..4, 1usize..1_200_000), 1..10),
        part_len in 5_000usize..700_000,
        damage in proptest::collection::vec((0u8..4, any::<usize>(), any::<usize>()), 0..6),
    ) {
        let mut bytes = Vec::new();
        for (index, (kind, len)) in kinds.iter().enumerate() {
            let seed = seed.wrapping_add(index as u64);
            match kind {
                0 => bytes.resize(bytes.len() + len, 0),
                1 => bytes.extend(noise(seed, *len)),
                2 => bytes.extend(data(seed, *len)),
                // What looks like markers, in what cannot be compressed.
                _ => noise(seed, *len).chunks(5_000).for_each(|some| {
                    bytes.extend(some);
                    bytes.extend([0, 0, 0xff, 0xff]);
                }),
            }
        }
        let mut bundle = Bundle::new(&sparse(bytes), part_len);
        let count = bundle.contents.parts.len();
        for (kind, index, at) in damage {
            // The first part is needed by all.
            let index = index % count;
            let filename = bundle.contents.parts[index].filename.clone();
            let Some(part) = bundle.parts.0.get_mut(&filename) else { continue };
            let at = at % part.len().max(1);
            match kind {
                0 if index > 0 => drop(bundle.parts.0.remove(&filename)),
                1 => part.truncate(at),
                2 => part[at..].iter_mut().take(4096).for_each(|byte| *byte ^= 0x55),
                _ => part.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1),
            }
        }
        match bundle.open() {
            Ok(_) | Err(Error::Nothing(_)) => {}
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }
}
