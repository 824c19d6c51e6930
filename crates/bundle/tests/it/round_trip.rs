//! What goes in comes out, whatever its length, its holes and the number of threads; and nothing else does.

use crate::memory::{contents, data, keys, packing, sparse, unpack_with, unpacking};
use baler_bundle::{Error, Event, Level, MemoryParts, Packed, pack, verify};
use baler_image::Memory;
use baler_manifest::Contents;
use proptest::prelude::*;

fn quiet(_: Event) {}

fn bundle(image: &Memory, level: Level, jobs: usize) -> (Packed, MemoryParts) {
    let mut parts = MemoryParts::default();
    let packed = pack(&mut image.clone(), &packing(&keys(), level, jobs), &mut parts, &quiet);
    (packed.expect("packs"), parts)
}

/// Packs and unpacks with several numbers of threads.
fn check(image: &Memory) {
    let (packed, parts) = bundle(image, Level::FAST, 1);
    let same = bundle(image, Level::FAST, 3);
    assert_eq!(
        (&packed, &parts),
        (&same.0, &same.1),
        "the bytes do not depend on the number of threads"
    );
    let contents = contents(&packed);
    for jobs in [1, 3] {
        let out = unpack_with(&contents, &parts, jobs).expect("unpacks");
        assert!(out == image.bytes(), "the same bytes come out");
    }
    let keys = keys();
    let options = unpacking(&keys, 2);
    assert!(verify(&contents, Some(&options), 2, &parts, &quiet).image.expect("looked at").is_ok());
    assert!(verify(&contents, None, 2, &parts, &quiet).is_good());
}

#[test]
fn lengths_around_every_boundary() {
    for boundary in [512, 10_240, 64 << 10, 1 << 20] {
        for len in [boundary - 1, boundary, boundary + 1] {
            check(&Memory::dense(data(len as u64, len)));
            check(&sparse(data(len as u64, len)));
            let mut tail = data(len as u64, len);
            tail.resize(len + 300_000, 0);
            check(&sparse(tail));
        }
    }
    check(&Memory::dense(vec![7]));
    check(&sparse(vec![0; 5_000_000]));
    check(&Memory::dense(vec![0; 5_000_000]));
}

#[test]
fn noise_around_the_end_of_a_part() {
    // Noise is stored: the ciphertext is a little longer than the image, so that the cut falls near its end.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(11 << 20)
    .collect();
    for len in [(10 << 20) - 3_000, (10 << 20) - 1, 10 << 20, (10 << 20) + 1] {
        check(&Memory::dense(noise[..len].to_vec()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_pattern_of_holes(
        seed: u64,
        runs in proptest::collection::vec((1usize..40, 0usize..40), 1..120),
        odd in 0usize..4096,
    ) {
        let mut bytes = Vec::new();
        for (index, (some, none)) in runs.iter().enumerate() {
            bytes.extend(data(seed ^ index as u64, some * 4096).iter().map(|byte| byte | 1));
            bytes.resize(bytes.len() + none * 4096, 0);
        }
        bytes.extend(data(seed, odd));
        check(&sparse(bytes));
    }

    #[test]
    fn a_flipped_bit_is_never_an_image(seed: u64, len in 1usize..400_000, at: usize, bit in 0u8..8) {
        let (packed, mut parts) = bundle(&sparse(data(seed, len)), Level::FAST, 2);
        let part = parts.0.values_mut().next().unwrap();
        let at = at % part.len();
        part[at] ^= 1 << bit;
        let refused = unpack_with(&contents(&packed), &parts, 2);
        let named = matches!(refused, Err(Error::PartDigest { index: 0, .. }));
        prop_assert!(named, "{refused:?}");
    }
}

#[test]
fn every_bad_part_is_named() {
    let mut noise = data(3, 45 << 20);
    noise
        .iter_mut()
        .enumerate()
        .for_each(|(index, byte)| *byte ^= ((index * index) >> 7) as u8 ^ (index >> 3) as u8);
    let (packed, mut parts) = bundle(&Memory::dense(noise), Level::FAST, 2);
    assert!(parts.0.len() >= 3, "{} parts", parts.0.len());
    let names: Vec<_> = parts.0.keys().cloned().collect();
    parts.0.get_mut(&names[0]).unwrap()[17] ^= 1;
    parts.0.remove(&names[2]);
    let keys = keys();
    let options = unpacking(&keys, 2);
    for options in [None, Some(&options)] {
        let found = verify(&contents(&packed), options, 2, &parts, &quiet);
        let text: Vec<_> = found.parts.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 2, "{text:?}");
        assert!(text[0].starts_with(&format!("part 0 (`{}`): SHA-1 is ", names[0])), "{text:?}");
        assert_eq!(text[1], format!("reading part 2 (`{}`)", names[2]));
        assert!(found.image.is_none() && !found.is_good());
    }
}

#[test]
fn what_was_signed_decides() {
    let (packed, parts) = bundle(&sparse(data(5, 300_000)), Level::DEFAULT, 1);
    let good = contents(&packed);
    let with = |change: &dyn Fn(&mut Contents)| {
        let mut changed = good.clone();
        change(&mut changed);
        unpack_with(&changed, &parts, 1).expect_err("refused").to_string()
    };
    let text = with(&|contents| contents.size -= 1);
    assert_eq!(
        text,
        "reading the archive in the parts: the image has 300000 bytes, the manifest says 299999"
    );
    let text = with(&|contents| contents.bundled_size += 1);
    assert!(text.starts_with("the parts have "), "{text}");
    let text = with(&|contents| contents.digest = contents.parts[0].digest);
    assert!(text.starts_with("the image's SHA-1 is "), "{text}");
}
