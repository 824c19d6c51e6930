//! The public keys that EC2 opens bundles with, built in.

use crate::{Advice, PublicKey};

/// One of EC2's public keys ([format](crate::format#ec2s-public-keys)).
///
/// They were distributed in certificates that have long expired; the keys are still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ec2Key {
    /// The key of every commercial region.
    Commercial,
    /// The key of AWS GovCloud (US-West).
    GovCloud,
    /// The key of China (Beijing).
    China,
}

/// An error of finding the key of a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The text is not the name of a region; the text, cut short and escaped.
    #[error("`{0}` is not the name of a region: one looks like `eu-west-1`")]
    Malformed(String),
    /// The region is in a partition whose key is not published.
    #[error("which public key EC2 has in `{region}` ({place}) is not documented")]
    NoKnownKey {
        /// The region.
        region: String,
        /// The partition that the region belongs to, in words.
        place: &'static str,
    },
}

impl RegionError {
    /// Returns what the user can do about it, if there is something to do.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Malformed(_) => None,
            Self::NoKnownKey { region, .. } => {
                Some(Advice::GiveEc2Certificate { region: region.clone() })
            }
        }
    }
}

impl Ec2Key {
    /// The built-in keys.
    pub const ALL: [Self; 3] = [Self::Commercial, Self::GovCloud, Self::China];

    /// Returns the key that EC2 has in a region.
    ///
    /// The form of the name decides, not a list of regions, so that new commercial regions work. A region that is not
    /// commercial and has no documented key is refused: with a wrong key the bundle registers and never boots.
    ///
    /// ```
    /// use baler_manifest::Ec2Key;
    ///
    /// assert_eq!(Ec2Key::for_region("mx-central-1"), Ok(Ec2Key::Commercial));
    /// assert!(Ec2Key::for_region("us-gov-east-1").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`RegionError::Malformed`] if `region` does not have the form of a region's name,
    /// [`RegionError::NoKnownKey`] if it has and the key of its partition is not documented.
    pub fn for_region(region: &str) -> Result<Self, RegionError> {
        let parts: Vec<&str> = region.split('-').collect();
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let number = |part: &str| {
            matches!(part.len(), 1..=2) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let well_formed = match parts.split_last() {
            Some((last, words)) => {
                number(last)
                    && (2..=3).contains(&words.len())
                    && words.iter().all(|part| word(part))
            }
            None => false,
        };
        if !well_formed || !(2..=4).contains(&parts[0].len()) {
            return Err(RegionError::Malformed(
                region.chars().take(40).flat_map(char::escape_debug).collect(),
            ));
        }
        let place = match parts.as_slice() {
            ["us", "gov", "west", "1"] => return Ok(Self::GovCloud),
            ["cn", "north", "1"] => return Ok(Self::China),
            ["us", "gov", ..] => "AWS GovCloud",
            ["cn", ..] => "China",
            [_, partition, _, _] if partition.starts_with("iso") => "an isolated AWS partition",
            ["eusc", ..] => "the AWS European Sovereign Cloud",
            [area, _, _] if area.len() == 2 => return Ok(Self::Commercial),
            _ => "an unknown partition",
        };
        Err(RegionError::NoKnownKey { region: region.to_owned(), place })
    }

    /// Returns the name of the key in messages and reports: `commercial`, `govcloud` or `china`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commercial => "commercial",
            Self::GovCloud => "govcloud",
            Self::China => "china",
        }
    }

    /// Returns the public key itself.
    pub fn public_key(self) -> PublicKey {
        let modulus: &[u8] = match self {
            Self::Commercial => &COMMERCIAL,
            Self::GovCloud => &GOVCLOUD,
            Self::China => &CHINA,
        };
        PublicKey::from_modulus(modulus).expect("the built-in moduli are valid: a test reads each")
    }
}

/// The modulus for the commercial regions, big-endian.
#[rustfmt::skip]
const COMMERCIAL: [u8; 128] = [
    0xbc, 0xbf, 0xf5, 0xf9, 0xcd, 0x9b, 0xfc, 0x08, 0x05, 0x5f, 0x36, 0x6b, 0xc1, 0x33, 0x46, 0xeb,
    0xfd, 0x15, 0x1c, 0x7f, 0x5c, 0x14, 0xf3, 0x10, 0xb9, 0x77, 0x6a, 0x2d, 0x15, 0x04, 0x2c, 0x40,
    0xa0, 0x77, 0xaa, 0x25, 0xa8, 0x8f, 0x7a, 0x07, 0x78, 0xe5, 0xac, 0x90, 0xe9, 0x53, 0x3c, 0x55,
    0x59, 0xf0, 0xdf, 0xbf, 0x84, 0x46, 0x8c, 0x8f, 0x23, 0x94, 0x92, 0x0d, 0xbe, 0x83, 0xa5, 0xc4,
    0x6a, 0x00, 0x90, 0xb4, 0x50, 0x84, 0x07, 0x35, 0x15, 0xa0, 0xc8, 0xe2, 0x40, 0x80, 0x4f, 0x89,
    0x68, 0xf9, 0x09, 0x69, 0x05, 0xb6, 0x56, 0xaf, 0xdb, 0x3b, 0x77, 0xdc, 0xb6, 0x74, 0x12, 0xb4,
    0xcd, 0x0f, 0x8c, 0x65, 0x8f, 0xb1, 0x50, 0x16, 0xa6, 0xda, 0xca, 0xd1, 0xd4, 0xf7, 0x1b, 0x90,
    0x70, 0x53, 0xb6, 0xa7, 0x5d, 0x9b, 0x74, 0x84, 0xe2, 0x06, 0xce, 0x4a, 0xc2, 0x88, 0xbd, 0x6d,
];

/// The modulus for us-gov-west-1, big-endian.
#[rustfmt::skip]
const GOVCLOUD: [u8; 128] = [
    0xdb, 0x21, 0x2a, 0x78, 0x70, 0x0d, 0x46, 0x76, 0xff, 0xa5, 0x49, 0xc1, 0x54, 0xec, 0x5c, 0xc5,
    0x08, 0xd4, 0x21, 0x9d, 0xe6, 0xba, 0x52, 0xa5, 0x22, 0xd4, 0x08, 0x71, 0xae, 0xa8, 0x82, 0x3e,
    0x04, 0x35, 0x2f, 0x9e, 0x9f, 0xec, 0x3f, 0x17, 0x75, 0xbb, 0xaf, 0x88, 0xd5, 0x0a, 0xdb, 0x69,
    0xa0, 0x40, 0x3a, 0x6e, 0xbe, 0x7a, 0xf3, 0x3b, 0xec, 0xce, 0xef, 0x34, 0x95, 0xd8, 0xdf, 0xe2,
    0x56, 0xd3, 0x45, 0x4e, 0xb3, 0xd3, 0x60, 0x3c, 0x45, 0xc1, 0x9a, 0x7e, 0x94, 0x57, 0x84, 0x75,
    0x3f, 0xb0, 0xe5, 0x8c, 0xab, 0xab, 0x58, 0x69, 0x91, 0xa7, 0xc1, 0x63, 0xd7, 0x25, 0x54, 0xe2,
    0xc4, 0xa0, 0x66, 0xaa, 0xaf, 0xef, 0x84, 0xb2, 0x84, 0x3d, 0x19, 0xe0, 0x04, 0x9c, 0xcd, 0x57,
    0x0e, 0x89, 0x36, 0x48, 0x09, 0xeb, 0x90, 0xa0, 0x9c, 0x26, 0x79, 0x9f, 0x05, 0xdb, 0x4a, 0x0b,
];

/// The modulus for cn-north-1, big-endian.
#[rustfmt::skip]
const CHINA: [u8; 256] = [
    0xeb, 0x4d, 0x55, 0x13, 0xd6, 0xa7, 0x52, 0x79, 0x0c, 0xe7, 0x07, 0xa0, 0x4c, 0x71, 0x14, 0xa8,
    0xd9, 0x13, 0xed, 0xfc, 0x1a, 0x28, 0xaa, 0x13, 0x33, 0xea, 0x15, 0xea, 0x7d, 0x21, 0xe4, 0x3e,
    0x0b, 0x17, 0xfa, 0x98, 0xec, 0x8b, 0x92, 0xed, 0x89, 0x71, 0x3f, 0x7d, 0x3c, 0x3f, 0x4d, 0x32,
    0x13, 0xa2, 0x27, 0xe1, 0x91, 0xc7, 0xbd, 0xcd, 0x44, 0xfd, 0x7d, 0x5e, 0xb3, 0x7e, 0xad, 0xee,
    0x88, 0xdd, 0x97, 0x1f, 0x0f, 0x83, 0x48, 0xf3, 0x14, 0xb8, 0xab, 0xdb, 0xb0, 0x56, 0x4a, 0x5f,
    0x9d, 0x75, 0x91, 0x89, 0x2e, 0x5d, 0x2e, 0xf0, 0x51, 0x73, 0x25, 0x43, 0xe6, 0xa9, 0xe8, 0x90,
    0x65, 0x6d, 0xe6, 0x2a, 0x8b, 0x0e, 0xa8, 0x0a, 0x23, 0xfc, 0x2e, 0x61, 0xb2, 0xf5, 0xe7, 0x4a,
    0x62, 0xc6, 0xc5, 0xde, 0xb5, 0xf5, 0xe1, 0xb3, 0xdb, 0xe2, 0x9e, 0x97, 0x7f, 0x0b, 0x3e, 0x1c,
    0x33, 0x03, 0xc3, 0xd9, 0x78, 0xd8, 0x62, 0x97, 0xf7, 0x8a, 0xe7, 0x7a, 0x28, 0xfe, 0x1e, 0xdd,
    0x66, 0xf4, 0x54, 0xb4, 0x7d, 0xbe, 0xcd, 0xb6, 0x17, 0xc6, 0xae, 0x50, 0xda, 0xdb, 0x11, 0x37,
    0x51, 0x1f, 0xe1, 0x06, 0x8d, 0x78, 0xa1, 0xd2, 0x76, 0xea, 0x68, 0xf1, 0xe1, 0x4d, 0x52, 0x79,
    0x92, 0x81, 0xe1, 0x18, 0xcf, 0x54, 0x42, 0xff, 0x64, 0x03, 0x9f, 0xa3, 0x0a, 0xee, 0xe5, 0xe2,
    0x8c, 0xe7, 0xed, 0xe0, 0x6e, 0xa2, 0x10, 0xee, 0x1c, 0xf8, 0xf7, 0x91, 0xc0, 0xbc, 0x81, 0x5b,
    0xc6, 0x0c, 0x95, 0xad, 0x92, 0x26, 0x4d, 0x67, 0xe3, 0x3e, 0x20, 0x99, 0x22, 0x76, 0xd6, 0xe0,
    0x99, 0xd0, 0x1b, 0xf4, 0x03, 0x68, 0xff, 0xdd, 0xff, 0x89, 0x9a, 0x03, 0x68, 0xe1, 0x02, 0xc8,
    0x02, 0x5f, 0xd4, 0x05, 0x60, 0x53, 0x4f, 0xe7, 0x92, 0x00, 0x56, 0x30, 0x2d, 0x50, 0xe5, 0xaf,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_have_their_fingerprints() {
        for (key, bits, fingerprint) in [
            (
                Ec2Key::Commercial,
                1024,
                "0522abd3c9496f96757dda137452fa67043135c383092af18e99d8049823def3",
            ),
            (
                Ec2Key::GovCloud,
                1024,
                "d55c5f07be82afbb670ee1117df638a1033cb4320647397cfe9d6dcb510cae8c",
            ),
            (
                Ec2Key::China,
                2048,
                "c31b05cbeb98310529f0aa0cf087d14430a8342033e31efdba07f467ad0823d6",
            ),
        ] {
            let public = key.public_key();
            assert_eq!(public.bits(), bits);
            assert_eq!(public.fingerprint().to_string(), fingerprint, "{}", key.name());
        }
        assert_eq!(Ec2Key::ALL.map(|key| key.public_key().bits()), [1024, 1024, 2048]);
    }

    #[test]
    fn regions() {
        for (region, expected) in [
            ("us-east-1", Some(Ec2Key::Commercial)),
            ("eu-west-1", Some(Ec2Key::Commercial)),
            ("ap-southeast-2", Some(Ec2Key::Commercial)),
            ("mx-central-1", Some(Ec2Key::Commercial)),
            ("xy-northwest-12", Some(Ec2Key::Commercial)),
            ("us-gov-west-1", Some(Ec2Key::GovCloud)),
            ("cn-north-1", Some(Ec2Key::China)),
            ("us-gov-east-1", None),
            ("us-gov-west-2", None),
            ("cn-northwest-1", None),
            ("cn-north-2", None),
            ("us-iso-east-1", None),
            ("us-isob-east-1", None),
            ("us-isof-south-1", None),
            ("eu-isoe-west-1", None),
            ("eusc-de-east-1", None),
            ("us-new-east-1", None),
        ] {
            match (Ec2Key::for_region(region), expected) {
                (Ok(key), Some(expected)) => assert_eq!(key, expected, "{region}"),
                (Err(error @ RegionError::NoKnownKey { .. }), None) => {
                    assert!(error.to_string().contains(region), "{error}");
                    let region = region.to_owned();
                    assert_eq!(error.advice(), Some(Advice::GiveEc2Certificate { region }));
                }
                (other, _) => panic!("{region}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_a_region() {
        for region in [
            "",
            "EU",
            "US",
            "eu-west",
            "eu-west-1a",
            "EU-WEST-1",
            "eu--1",
            "-eu-west-1",
            "eu-west-1-",
            "eu-west-123",
            "eu_west_1",
            "a-b-c-d-1",
            "eu-west-1\u{1b}[2J",
            "europe-west-1",
            "eu-wést-1",
        ] {
            let error = Ec2Key::for_region(region).unwrap_err();
            assert!(matches!(error, RegionError::Malformed(_)), "{region}: {error}");
            assert_eq!(error.advice(), None);
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }
}
