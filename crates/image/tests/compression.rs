//! Compressed images: told by their magic, decompressed to their end, refused when cut or damaged.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{self, Cursor, Read, Write};

use baler_image::{Compression, Image, Measured, StreamImage, measure};
use proptest::prelude::*;

const ALL: [Compression; 4] =
    [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

/// One member, stream or frame.
fn compress(compression: Compression, data: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(vec![], bzip2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(vec![], options).unwrap();
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        other => panic!("no encoder for {other}"),
    }
}

fn decompress(compression: Compression, compressed: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut data = vec![];
    compression.decoder(Cursor::new(compressed))?.read_to_end(&mut data)?;
    Ok(data)
}

/// Bytes that compress somewhat and hold runs of zeros.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|at| if at % 7 < 3 { 0 } else { (at * at % 253) as u8 }).collect()
}

#[test]
fn each_format_is_told_by_its_magic() {
    for compression in ALL {
        for data in [&b""[..], b"data"] {
            let compressed = compress(compression, data);
            let first = &compressed[..compressed.len().min(Compression::MAGIC_LEN)];
            assert_eq!(Compression::detect(first), Some(compression), "{compression}");
        }
    }
    let check = |bytes: &[u8], expected| assert_eq!(Compression::detect(bytes), expected);
    check(b"", None);
    check(b"\x1f\x8b", None);
    check(b"\x1f\x9d\x90", None);
    check(b"BZh91AY&S", None);
    check(b"BZh01AY&SY", None);
    check(b"\x50\x2a\x4d\x18", Some(Compression::Zstd));
    check(b"\x5f\x2a\x4d\x18", Some(Compression::Zstd));
    check(b"\x60\x2a\x4d\x18", None);
    check(b"\xeb\x63\x90\0\0\0\0\0\0\0", None);
    check(&[0; 10], None);
}

#[test]
fn each_format_is_named_after_its_program() {
    assert_eq!(ALL.map(|c| c.to_string()), ["gzip", "bzip2", "xz", "zstd"]);
}

#[test]
fn members_that_follow_one_another_are_one_stream() {
    let (first, second) = (sample(300_000), sample(5));
    for compression in ALL {
        let mut compressed = compress(compression, &first);
        compressed.extend(compress(compression, b""));
        compressed.extend(compress(compression, &second));
        let data = decompress(compression, compressed).unwrap();
        assert!(data == [&first[..], &second].concat(), "{compression}");
    }
    // pzstd begins with a skippable frame that holds the length of the next.
    let mut compressed = b"\x50\x2a\x4d\x18\x04\0\0\0abcd".to_vec();
    compressed.extend(compress(Compression::Zstd, &second));
    assert_eq!(decompress(Compression::Zstd, compressed).unwrap(), second);
}

#[test]
fn a_stream_that_is_cut_anywhere_is_an_error() {
    let data = sample(3000);
    for compression in ALL {
        let compressed = compress(compression, &data);
        for len in 1..compressed.len() {
            let error = decompress(compression, compressed[..len].to_vec()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{compression} {len}: {error}");
            let message = format!("cannot decompress the {compression} stream");
            assert_eq!(error.to_string(), message);
        }
        // In the second member too.
        let mut twice = compressed.repeat(2);
        twice.pop();
        assert!(decompress(compression, twice).is_err(), "{compression}");
    }
}

#[test]
fn a_stream_with_something_else_behind_it_is_an_error() {
    for compression in ALL {
        let mut compressed = compress(compression, b"data");
        compressed.extend(b"something else");
        assert!(decompress(compression, compressed).is_err(), "{compression}");
    }
}

#[test]
fn a_decoder_that_has_failed_fails_always() {
    for compression in ALL {
        let mut compressed = compress(compression, b"data");
        compressed.pop();
        let mut decoder = compression.decoder(Cursor::new(compressed)).unwrap();
        io::copy(&mut decoder, &mut io::sink()).unwrap_err();
        let error = decoder.read(&mut [0]).unwrap_err();
        assert_eq!(error.to_string(), format!("the {compression} stream has failed before"));
    }
}

#[test]
fn a_stream_that_wants_too_much_memory_is_refused() {
    // Not single-segment: a frame of unknown length states its window.
    let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(b"data").unwrap();
    let zstd = encoder.finish().unwrap();
    let mut options = lzma_rust2::XzOptions::with_preset(0);
    options.lzma_options.dict_size = 256 << 20;
    let mut encoder = lzma_rust2::XzWriter::new(vec![], options).unwrap();
    encoder.write_all(b"data").unwrap();
    let xz = encoder.finish().unwrap();
    for (compression, compressed) in [(Compression::Zstd, zstd), (Compression::Xz, xz)] {
        let error = decompress(compression, compressed).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(
            error.to_string(),
            format!(
                "the {compression} stream needs more memory than the 128.0 MiB (134217728 bytes) allowed"
            )
        );
    }
}

#[test]
fn a_compressed_image_is_measured_and_then_read() {
    let mut data = vec![0; 500_000];
    data[200_000..300_000].copy_from_slice(&sample(100_000));
    for compression in ALL {
        let compressed = compress(compression, &data);
        let decoder = || compression.decoder(Cursor::new(compressed.clone())).unwrap();
        let Measured { len, extents, .. } = measure(decoder(), &mut |_| Ok(())).unwrap();
        assert_eq!(len, 500_000);
        let mut image = StreamImage::new(decoder(), len, Some(extents.clone()));
        let mut read = vec![0; data.len()];
        for extent in extents {
            let range = extent.offset as usize..extent.end() as usize;
            image.read_at(&mut read[range], extent.offset).unwrap();
        }
        assert!(read == data, "{compression}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damage_is_an_error_or_changes_nothing(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let data = sample(2000);
        for compression in ALL {
            let mut compressed = compress(compression, &data);
            let at = at.index(compressed.len());
            compressed[at] ^= 1 << bit;
            // Some bits mean nothing, such as the time in a gzip header.
            if let Ok(read) = decompress(compression, compressed) {
                prop_assert!(read == data, "{compression} byte {at} bit {bit}");
            }
        }
    }
}
