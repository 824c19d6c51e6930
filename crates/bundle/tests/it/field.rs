//! What the field holds, and what strangers send: streams of other tools, and bundles that are wrong behind right
//! digests.

use std::io::Write;

use crate::memory::{
    data, decrypt, encrypt, encrypt_blocks, keys, noise, packing, template, unpack_with,
};
use baler_bundle::{Error, Level, MemoryParts, pack};
use baler_image::Memory;
use baler_manifest::{Contents, Part, Sha1Digest};
use flate2::{Compress, Compression, Crc, FlushCompress, GzBuilder, write::GzEncoder};
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

fn sha1(bytes: &[u8]) -> Sha1Digest {
    Sha1Digest::new(Sha1::digest(bytes).into())
}

/// An archive of one plain member.
fn archive(image: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[0] = b'i';
    header[124..136].copy_from_slice(format!("{:011o}\0", image.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar  \0");
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(image);
    header.resize((header.len().next_multiple_of(512) + 1024).next_multiple_of(10_240), 0);
    header
}

/// A bundle whose parts and digests are right, of `image_len` bytes, with that ciphertext.
fn bundle(
    image_len: u64,
    archive: &[u8],
    ciphertext: &[u8],
    part_len: usize,
) -> (Contents, MemoryParts) {
    let mut contents = template();
    let mut parts = MemoryParts::default();
    (contents.size, contents.digest) = (image_len, sha1(archive));
    contents.bundled_size = ciphertext.len() as u64;
    for (index, part) in ciphertext.chunks(part_len).enumerate() {
        let filename = format!("i.part.{index:05}");
        contents.parts.push(Part { filename: filename.clone(), digest: sha1(part) });
        parts.0.insert(filename, part.to_vec());
    }
    (contents, parts)
}

fn open((contents, parts): &(Contents, MemoryParts), jobs: usize) -> Result<Vec<u8>, Error> {
    unpack_with(contents, parts, jobs)
}

/// A stream becomes the image, whatever the number of threads and the parts' length.
#[track_caller]
fn check(image: &[u8], archive: &[u8], stream: &[u8]) {
    for (jobs, part_len) in [(1, 10 << 20), (3, 100_003), (2, 1 << 20)] {
        let bundle = bundle(image.len() as u64, archive, &encrypt(&keys(), stream), part_len);
        let out = open(&bundle, jobs).expect("opens");
        assert!(out == image, "the same bytes come out");
    }
}

/// A stream is refused, whatever the number of threads, and why.
#[track_caller]
fn refused(image: &[u8], archive: &[u8], stream: &[u8], why: &str) {
    for jobs in [1, 3] {
        let bundle = bundle(image.len() as u64, archive, &encrypt(&keys(), stream), 65_537);
        let text = open(&bundle, jobs).expect_err("refused").to_string();
        assert!(text.contains(why), "`{text}` is not `{why}`");
    }
}

fn gzip(archive: &[u8], level: u32) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
    gzip.write_all(archive).unwrap();
    gzip.finish().unwrap()
}

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Flushed every so many bytes, as parallel compressors do; blocks refer to those before unless `flush` is `Full`.
fn flushed(archive: &[u8], every: usize, flush: FlushCompress) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let mut deflate = Compress::new(Compression::new(6), false);
    let mut blocks = archive.chunks(every).peekable();
    while let Some(block) = blocks.next() {
        let flush = if blocks.peek().is_some() { flush } else { FlushCompress::Finish };
        let mut some = Vec::with_capacity(2 * block.len() + 1000);
        deflate.compress_vec(block, &mut some, flush).unwrap();
        out.extend(some);
    }
    out.extend(trailer(archive));
    out
}

fn trailer(archive: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(archive);
    [crc.sum().to_le_bytes(), (archive.len() as u32).to_le_bytes()].concat()
}

/// Everything in stored blocks of at most `most` bytes.
fn stored(archive: &[u8], most: usize) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let mut blocks = archive.chunks(most).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        let len = block.len() as u16;
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out.extend(trailer(archive));
    out
}

/// An image in which markers lie about.
fn marked(len: usize) -> Vec<u8> {
    let mut image = noise(1, len);
    for at in (0..len - 8).step_by(9_001).chain([0, 65_531, 65_535, len - 8]) {
        image[at..at + 4].copy_from_slice(&[0, 0, 0xff, 0xff]);
    }
    image
}

#[test]
fn streams_of_every_kind() {
    for image in
        [data(1, 3_500_000), vec![0; 2_600_000], marked(2_300_000), data(2, 100), Vec::new()]
    {
        let archive = archive(&image);
        for level in [0, 1, 6, 9] {
            check(&image, &archive, &gzip(&archive, level));
        }
        for every in [100_000, 128 << 10, 1 << 20, 1_000_003] {
            check(&image, &archive, &flushed(&archive, every, FlushCompress::Sync));
            check(&image, &archive, &flushed(&archive, every, FlushCompress::Full));
        }
        for most in [65_535, 60_000, 65_528] {
            check(&image, &archive, &stored(&archive, most));
        }
    }
}

#[test]
fn a_dictionary_that_reaches_across_markers() {
    // The same 20,000 bytes of noise again and again: nothing but references, over every marker.
    let image = noise(3, 20_000).repeat(150);
    let archive = archive(&image);
    for every in [30_000, 128 << 10, 1 << 20] {
        let stream = flushed(&archive, every, FlushCompress::Sync);
        assert!(stream.len() < image.len() / 10);
        check(&image, &archive, &stream);
    }
}

#[test]
fn several_members() {
    let image = data(4, 2_500_000);
    let archive = archive(&image);
    for len in [1, 700_001, 1 << 20] {
        let first = &archive[..len];
        let rest = archive[len..].chunks(1 << 20).flat_map(|some| gzip(some, 6));
        let stream: Vec<_> = gzip(first, 6).into_iter().chain(rest).collect();
        check(&image, &archive, &stream);
    }
    let stream =
        [gzip(b"", 6), flushed(&archive, 1 << 20, FlushCompress::Full), gzip(b"", 1)].concat();
    check(&image, &archive, &stream);
}

#[test]
fn headers_with_everything_in_them() {
    let image = data(5, 300_000);
    let archive = archive(&image);
    let named = || GzBuilder::new().filename("image.tar").comment("a comment").mtime(1_000_000_000);
    for builder in [named(), named().extra(noise(6, 700)), GzBuilder::new().extra(Vec::new())] {
        let mut gzip = builder.write(Vec::new(), Compression::new(6));
        gzip.write_all(&archive).unwrap();
        check(&image, &archive, &gzip.finish().unwrap());
    }
    let plain = gzip(&archive, 6);
    // A header's checksum, which nobody checks, and a mark for text.
    let mut summed = plain.clone();
    summed[3] = 2;
    summed.splice(10..10, [1, 2]);
    check(&image, &archive, &summed);
    let mut text = plain.clone();
    text[3] = 1;
    check(&image, &archive, &text);
    let why = "at byte 3 of the gzip stream: this is not a gzip header";
    for flags in [0x20, 0x40, 0x80] {
        let mut reserved = plain.clone();
        reserved[3] = flags;
        refused(&image, &archive, &reserved, why);
    }
    for at in 0..3 {
        let mut other = plain.clone();
        other[at] ^= 1;
        refused(&image, &archive, &other, "this is not a gzip header");
    }
    let mut endless = plain.clone();
    endless[3] = 8;
    endless.splice(10..10, vec![b'n'; 100_000]);
    refused(&image, &archive, &endless, "this is not a gzip header");
}

#[test]
fn ends_that_are_wrong() {
    let image = data(7, 2_300_000);
    let archive = archive(&image);
    for stream in [gzip(&archive, 6), flushed(&archive, 1 << 20, FlushCompress::Full)] {
        let end = stream.len();
        let with = |at: usize| {
            let mut stream = stream.clone();
            stream[end - at] ^= 4;
            stream
        };
        refused(&image, &archive, &with(8), "its CRC-32 is not what its end says");
        refused(&image, &archive, &with(5), "its CRC-32 is not what its end says");
        refused(&image, &archive, &with(4), "its length is not what its end says");
        refused(&image, &archive, &with(1), "its length is not what its end says");
        for garbage in [&b"\0"[..], b"garbage", &[0; 512]] {
            let why = "there is something after its end";
            refused(&image, &archive, &[&stream, garbage].concat(), why);
        }
        refused(&image, &archive, &[&stream, &b"\x1f\x8b"[..]].concat(), "it ends in the middle");
        refused(
            &image,
            &archive,
            &[&stream, &b"\x1f\x8c"[..]].concat(),
            "this is not a gzip header",
        );
    }
    refused(&image, &archive, b"", "it ends in the middle");
}

#[test]
fn streams_cut_anywhere() {
    let image = data(8, 2_300_000);
    let archive = archive(&image);
    for stream in [
        gzip(&archive, 6),
        flushed(&archive, 128 << 10, FlushCompress::Sync),
        flushed(&archive, 1 << 20, FlushCompress::Full),
        stored(&archive, 65_535),
    ] {
        let len = stream.len();
        let cuts = (0..len).step_by(len / 19).chain([1, 9, 10, 11, len - 9, len - 8, len - 1]);
        for cut in cuts {
            refused(&image, &archive, &stream[..cut], "it ends in the middle");
        }
    }
}

#[test]
fn a_bomb_stops_where_the_image_ends() {
    // 10 GiB of zeros in 10 MiB: the manifest speaks of 1 MiB.
    let image = vec![0; 1 << 20];
    let archive = archive(&image);
    let mut deflate = Compress::new(Compression::new(9), false);
    let mut mib = Vec::with_capacity(4096);
    deflate.compress_vec(&image, &mut mib, FlushCompress::Full).unwrap();
    let mut head = Vec::with_capacity(100_000);
    Compress::new(Compression::new(9), false)
        .compress_vec(&archive, &mut head, FlushCompress::Full)
        .unwrap();
    let stream = [&HEADER[..], &head, &mib.repeat(10 << 10)].concat();
    let start = std::time::Instant::now();
    refused(&image, &archive, &stream, "too many zeros follow the image");
    // Without markers as well.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(&archive).unwrap();
    (0..400).for_each(|_| gzip.write_all(&image).unwrap());
    refused(&image, &archive, &gzip.finish().unwrap(), "too many zeros follow the image");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn ciphertexts_that_end_wrong() {
    let image = data(9, 100_000);
    let archive = archive(&image);
    let stream = gzip(&archive, 6);
    let padded = |padding: &[u8]| {
        let mut bytes = stream.clone();
        bytes.resize(bytes.len().next_multiple_of(16) - 16, 0);
        bytes.extend(padding);
        encrypt_blocks(&keys(), bytes)
    };
    let with = |ciphertext: &[u8], why: &str| {
        let bundle = bundle(image.len() as u64, &archive, ciphertext, 7_777);
        let text = open(&bundle, 2).expect_err("refused").to_string();
        assert!(text.contains(why), "{text}");
    };
    let why = "the padding at their end is wrong";
    with(&padded(&[0; 16]), why);
    with(&padded(&[17; 16]), why);
    with(&padded(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3]), why);
    with(&padded(&[255; 16]), why);
    let whole = encrypt(&keys(), &stream);
    for len in [whole.len() - 1, whole.len() - 15, 15, 1] {
        with(&whole[..len], "not a multiple of the cipher's block, 16 bytes");
    }
    with(&encrypt(&keys(), b""), "it ends in the middle");

    let mut other = bundle(image.len() as u64, &archive, &whole, 7_777);
    for size in [whole.len() as u64 - 1, whole.len() as u64 + 1, 0, u64::MAX] {
        other.0.bundled_size = size;
        let error = open(&other, 2).expect_err("refused");
        assert!(
            matches!(error, Error::BundledSize { expected, .. } if expected == size),
            "{error:?}"
        );
    }
}

#[test]
fn parts_of_any_length_and_none() {
    let image = data(10, 50_000);
    let archive = archive(&image);
    let ciphertext = encrypt(&keys(), &gzip(&archive, 6));
    for part_len in [1, 15, 16, 17, 1000, 1 << 20] {
        let bundle = bundle(image.len() as u64, &archive, &ciphertext, part_len);
        assert!(open(&bundle, 2).unwrap() == image);
    }
    let mut with_empty = bundle(image.len() as u64, &archive, &ciphertext, 10_000);
    let empty = Part { filename: "empty".into(), digest: sha1(b"") };
    with_empty.1.0.insert("empty".into(), Vec::new());
    for at in [0, 2, with_empty.0.parts.len()] {
        let mut with_empty = with_empty.clone();
        with_empty.0.parts.insert(at, empty.clone());
        let out = open(&with_empty, 2);
        // The last part must have the padding.
        let refused = matches!(out, Err(Error::Cipher(_)));
        assert!(if at > 2 { refused } else { out.unwrap() == image }, "empty part {at}");
    }
    let mut none = with_empty;
    none.0.parts.clear();
    let error = open(&none, 2).expect_err("no parts");
    assert!(matches!(error, Error::BundledSize { actual: 0, .. }), "{error:?}");
}

#[test]
fn markers_and_what_looks_like_them_around_every_boundary() {
    // Baler's own segments end behind each MiB of archive: there the image has markers that are data.
    let mut image = noise(12, (3 << 20) + 100);
    for boundary in [1 << 20, 2 << 20, 3 << 20] {
        for at in [-9i64, -4, -1, 0, 1, 7] {
            let at = (boundary - 512 + at * 5) as usize;
            image[at..at + 4].copy_from_slice(&[0, 0, 0xff, 0xff]);
        }
    }
    for level in [1, 6].map(|level| Level::new(level).unwrap()) {
        let mut parts = MemoryParts::default();
        let (mut source, keys) = (Memory::dense(image.clone()), keys());
        let packed = pack(&mut source, &packing(&keys, level, 2), &mut parts, &|_| {});
        let packed = packed.expect("packs");
        let ciphertext: Vec<u8> = parts.0.values().flatten().copied().collect();
        let stream = decrypt(&keys, &ciphertext);
        let markers =
            stream.windows(4).enumerate().filter(|(_, bytes)| *bytes == [0, 0, 0xff, 0xff]);
        for (marker, _) in markers.collect::<Vec<_>>() {
            for part_len in [marker - 1, marker, marker + 2, marker + 4, marker + 5] {
                let (mut contents, parts) = bundle(packed.size, &[], &ciphertext, part_len);
                contents.digest = packed.digest;
                assert!(open(&(contents.clone(), parts.clone()), 1).expect("opens") == image);
                assert!(open(&(contents, parts), 4).expect("opens") == image);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn other_tools_streams_cut_into_any_parts(
        seed: u64,
        len in 0usize..3_000_000,
        every in 1_000usize..2_000_000,
        part_len in 30_000usize..1_000_000,
        kind in 0u8..4,
        jobs in 1usize..4,
    ) {
        let image = if seed & 1 == 0 { data(seed, len) } else { marked(len + 100_000) };
        let archive = archive(&image);
        let stream = match kind {
            0 => gzip(&archive, 1),
            1 => flushed(&archive, every, FlushCompress::Sync),
            2 => flushed(&archive, every, FlushCompress::Full),
            _ => stored(&archive, every % 65_000 + 500),
        };
        let bundle = bundle(image.len() as u64, &archive, &encrypt(&keys(), &stream), part_len);
        let out = open(&bundle, jobs);
        prop_assert!(out.as_deref().is_ok_and(|out| out == image), "{:?}", out.map(|out| out.len()));
    }
}
