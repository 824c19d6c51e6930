//! The hash of a name in a directory's index.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/directory.rst` and `fs/ext4/ext4.h` for the versions; MD4 is
//! RFC 1320, cut to half its steps, and TEA is Wheeler and Needham's.

/// Hash of the indexes of directories, as the superblock numbers them; names are read as signed bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashVersion {
    /// The first one, weak.
    Legacy = 0,
    /// The usual one.
    #[default]
    HalfMd4 = 1,
    /// A block cipher used as a hash.
    Tea = 2,
}

impl HashVersion {
    /// The version that a superblock's `s_def_hash_version` names.
    pub fn from_superblock(number: u8) -> Option<HashVersion> {
        [HashVersion::Legacy, HashVersion::HalfMd4, HashVersion::Tea]
            .into_iter()
            .find(|version| *version as u8 == number)
    }
}

/// A name's place in an index: the hash, its lowest bit clear, and what decides between equal ones.
pub(crate) fn hash(version: HashVersion, seed: [u8; 16], name: &[u8]) -> (u32, u32) {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    if seed != [0; 16] {
        for (word, bytes) in state.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
    let (major, minor) = match version {
        HashVersion::Legacy => (legacy(name), 0),
        HashVersion::HalfMd4 => {
            chunks(name, |words| half_md4(&mut state, &words));
            (state[1], state[2])
        }
        HashVersion::Tea => {
            chunks(name, |words| tea(&mut state, &words));
            (state[0], state[1])
        }
    };
    // The end of a directory has the greatest hash for itself.
    let major = major & !1;
    (if major == 0xffff_fffe { 0xffff_fffc } else { major }, minor)
}

/// Calls `mix` with the name `N` words at a time; the last is filled up with the length of what is left.
fn chunks<const N: usize>(name: &[u8], mut mix: impl FnMut([u32; N])) {
    let mut rest = name;
    loop {
        let pad = {
            let len = rest.len() as u32;
            let pad = len | (len << 8);
            pad | (pad << 16)
        };
        let mut words = [pad; N];
        let taken = rest.len().min(N * 4);
        for (word, bytes) in words.iter_mut().zip(rest[..taken].chunks(4)) {
            *word = bytes
                .iter()
                .fold(pad, |word, &byte| (byte as i8 as i32 as u32).wrapping_add(word << 8));
        }
        mix(words);
        rest = &rest[taken..];
        if rest.is_empty() {
            return;
        }
    }
}

fn legacy(name: &[u8]) -> u32 {
    let (mut hash, mut before) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
    for &byte in name {
        let mixed = before.wrapping_add(hash ^ (byte as i8 as i32).wrapping_mul(7_152_373) as u32);
        let mixed = if mixed & 0x8000_0000 != 0 { mixed.wrapping_sub(0x7fff_ffff) } else { mixed };
        (before, hash) = (hash, mixed);
    }
    hash << 1
}

fn tea(state: &mut [u32; 4], key: &[u32; 4]) {
    let [mut left, mut right, ..] = *state;
    let mut sum = 0_u32;
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9e37_79b9);
        let mix = |half: u32, a: u32, b: u32| {
            (half << 4).wrapping_add(a) ^ half.wrapping_add(sum) ^ (half >> 5).wrapping_add(b)
        };
        left = left.wrapping_add(mix(right, key[0], key[1]));
        right = right.wrapping_add(mix(left, key[2], key[3]));
    }
    state[0] = state[0].wrapping_add(left);
    state[1] = state[1].wrapping_add(right);
}

/// Three rounds of eight steps over eight words, where MD4 has sixteen over sixteen.
fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    const ORDER: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFTS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const ADDED: [u32; 3] = [0, 0x5a82_7999, 0x6ed9_eba1];
    let mut now = *state;
    for round in 0..3 {
        for (step, &word) in ORDER[round].iter().enumerate() {
            let [a, b, c, d] = now;
            let mixed = match round {
                0 => d ^ (b & (c ^ d)),
                1 => (b & c).wrapping_add((b ^ c) & d),
                _ => b ^ c ^ d,
            };
            let sum = a.wrapping_add(mixed).wrapping_add(words[word]).wrapping_add(ADDED[round]);
            now = [d, sum.rotate_left(SHIFTS[round][step % 4]), b, c];
        }
    }
    for (word, mixed) in state.iter_mut().zip(now) {
        *word = word.wrapping_add(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `debugfs -R "dx_hash -h VERSION -s SEED NAME"` prints them.
    #[test]
    fn hashes_are_those_of_e2fsprogs() {
        let seed = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes();
        let known: &[(HashVersion, &[u8], u32, u32)] = &[
            (HashVersion::Legacy, b"a", 0xe74b53e2, 0x0),
            (HashVersion::Legacy, b"hello", 0x32252546, 0x0),
            (HashVersion::Legacy, b"a_name_of_more_than_thirty_two_bytes_in_all", 0xc0b98826, 0x0),
            (HashVersion::Legacy, b"\xe4\xf6\xfc", 0x4a584932, 0x0),
            (HashVersion::Legacy, b"lost+found", 0x5e2aba24, 0x0),
            (HashVersion::Legacy, b"0123456789abcdef0123456789abcdef", 0x6d4a15ee, 0x0),
            (HashVersion::HalfMd4, b"a", 0x35dc0cc4, 0x3f1dacef),
            (HashVersion::HalfMd4, b"hello", 0xa26e4a80, 0x97e5b7f7),
            (
                HashVersion::HalfMd4,
                b"a_name_of_more_than_thirty_two_bytes_in_all",
                0x8d525a60,
                0xe90cd1b7,
            ),
            (HashVersion::HalfMd4, b"\xe4\xf6\xfc", 0x489fddb8, 0xba124651),
            (HashVersion::HalfMd4, b"lost+found", 0x663bdc72, 0x562ef5d8),
            (HashVersion::HalfMd4, b"0123456789abcdef0123456789abcdef", 0x992c74da, 0xb847327d),
            (HashVersion::Tea, b"a", 0x6d0ea4c0, 0xc18922df),
            (HashVersion::Tea, b"hello", 0x6f5bb1a8, 0x231917c2),
            (
                HashVersion::Tea,
                b"a_name_of_more_than_thirty_two_bytes_in_all",
                0xac74cdc,
                0x2b9f0c8c,
            ),
            (HashVersion::Tea, b"\xe4\xf6\xfc", 0xc3b20c5e, 0x811b2934),
            (HashVersion::Tea, b"lost+found", 0x2dbf9e80, 0xbfebee4f),
            (HashVersion::Tea, b"0123456789abcdef0123456789abcdef", 0xcbe95e3c, 0x17627589),
        ];
        for &(version, name, major, minor) in known {
            assert_eq!(hash(version, seed, name), (major, minor), "{version:?} {name:?}");
        }
    }
}
