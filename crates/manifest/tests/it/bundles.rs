//! The bundles of the classic tools, read.

use baler_manifest::{
    BlockDeviceMapping, Bundler, ImageType, Manifest, OpenedAs, Signature, SignatureCheck, Version,
    open,
};
use getrandom::SysRng;
use proptest::prelude::*;

use super::{BUNDLES, Bundle, DENSE, EUCA, MANY_HOLES, MAPPING, V3, V20070829, private, public};

#[test]
fn every_signature_is_valid_for_its_signer_and_for_nobody_else() {
    for bundle in &BUNDLES {
        let manifest = bundle.parsed();
        assert_eq!(
            manifest.check_signature(&bundle.certificate()),
            SignatureCheck::Valid,
            "{}",
            bundle.manifest
        );
        for other in [
            "ec2-cert.pem",
            if bundle.user == "user" { "user1024-cert.pem" } else { "user-cert.pem" },
        ] {
            assert_eq!(
                manifest.check_signature(&public(other)),
                SignatureCheck::Mismatch,
                "{}",
                bundle.manifest
            );
        }
    }
}

#[test]
fn both_copies_of_the_secrets_are_the_same() {
    let ec2 = private("ec2-key.pkcs8.der");
    for bundle in &BUNDLES {
        let manifest = bundle.parsed();
        let as_user = open(manifest.contents(), &bundle.key(), &mut SysRng).unwrap();
        assert_eq!(as_user.opened_as, OpenedAs::User, "{}", bundle.manifest);
        let as_ec2 = open(manifest.contents(), &ec2, &mut SysRng).unwrap();
        assert_eq!(as_ec2.opened_as, OpenedAs::Ec2, "{}", bundle.manifest);
        assert_eq!((as_ec2.key, as_ec2.iv), (as_user.key, as_user.iv), "{}", bundle.manifest);
    }
}

#[test]
fn versions_and_what_they_leave_out() {
    for (bundle, version, architecture, signed) in [
        (&DENSE, Version::V20071010, "x86_64", 2),
        (&MANY_HOLES, Version::V20071010, "i386", 2),
        (&V20070829, Version::V20070829, "i386", 2),
        (&V3, Version::V3, "i386", 1),
        (&EUCA, Version::V20071010, "x86_64", 2),
    ] {
        let manifest = bundle.parsed();
        assert_eq!(manifest.version(), version);
        assert_eq!(manifest.contents().architecture, architecture);
        assert_eq!(manifest.contents().image_type, ImageType::Machine);
        assert_eq!(manifest.text().as_bytes(), bundle.bytes());
        let signed_runs: Vec<_> = manifest.signed().collect();
        assert_eq!(signed_runs.len(), signed);
        assert!(
            signed_runs[signed - 1].starts_with(b"<image>")
                && signed_runs[signed - 1].ends_with(b"</image>")
        );
        if signed == 2 {
            assert!(signed_runs[0].starts_with(b"<machine_configuration>"));
            assert!(signed_runs[0].ends_with(b"</machine_configuration>"));
        }
        assert!(
            matches!(manifest.signature(), Signature::Rsa(bytes) if bytes.len() * 8 == bundle.key().bits())
        );
    }
}

#[test]
fn every_value_is_found() {
    let manifest = MAPPING.parsed();
    let contents = manifest.contents();
    let mapping = |name: &str, device: &str| BlockDeviceMapping {
        virtual_name: name.to_owned(),
        device: device.to_owned(),
    };
    assert_eq!(
        contents.bundler,
        Bundler { name: "ec2-ami-tools".into(), version: "1.5".into(), release: "3".into() }
    );
    assert_eq!(
        contents.mappings,
        [
            mapping("ami", "sda1"),
            mapping("ephemeral0", "sda2"),
            mapping("root", "/dev/sda1"),
            mapping("swap", "sda3")
        ]
    );
    assert_eq!(contents.kernel_id.as_deref(), Some("aki-9800e5f1"));
    assert_eq!(contents.ramdisk_id.as_deref(), Some("ari-a51cf9cc"));
    assert_eq!(contents.product_codes, ["774F4FF8"]);
    assert_eq!((contents.name.as_str(), contents.account.as_str()), ("mapped", "123456789012"));
    assert_eq!((contents.size, contents.bundled_size), (600_000, 202_720));
    assert_eq!(contents.digest.to_string(), "d8637217e07899dd8ff96eb215bf34a920a96419");
    assert_eq!(contents.parts.len(), 1);
    assert_eq!(contents.parts[0].filename, "mapped.part.0");
    assert_eq!(contents.parts[0].digest.to_string(), "9df1a1feb494658dd0578f54e792d19b7c3ef4c9");

    let manifest = EUCA.parsed();
    assert_eq!(manifest.contents().product_codes, ["ABCD1234"]);
    assert_eq!(manifest.contents().kernel_id.as_deref(), Some("aki-919dcaf8"));
    assert_eq!(manifest.contents().ramdisk_id, None);
}

/// Flipping a bit within the signed bytes, or in the signature, must not leave a valid manifest.
fn stays_valid(bundle: &Bundle, at: usize, bit: u8) -> bool {
    let mut bytes = bundle.bytes();
    bytes[at] ^= 1 << bit;
    match Manifest::parse(&bytes) {
        Ok(manifest) => manifest.check_signature(&bundle.certificate()) == SignatureCheck::Valid,
        Err(_) => false,
    }
}

/// Where the signed bytes of a bundle are.
fn signed_offsets(bundle: &Bundle) -> Vec<usize> {
    let manifest = bundle.parsed();
    let start = manifest.text().as_ptr() as usize;
    manifest
        .signed()
        .flat_map(|run| {
            let from = run.as_ptr() as usize - start;
            from..from + run.len()
        })
        .collect()
}

#[test]
fn no_changed_byte_of_the_signed_ones_stays_valid() {
    for bundle in [&V3, &MANY_HOLES] {
        for at in signed_offsets(bundle) {
            assert!(!stays_valid(bundle, at, (at % 8) as u8), "{}: byte {at}", bundle.manifest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_bit_of_any_signed_byte_stays_valid(
        bundle in 0..BUNDLES.len(), at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let bundle = &BUNDLES[bundle];
        let offsets = signed_offsets(bundle);
        let at = offsets[at.index(offsets.len())];
        prop_assert!(!stays_valid(bundle, at, bit), "{}: byte {at}, bit {bit}", bundle.manifest);
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, cut: prop::sample::Index, at: prop::sample::Index) {
        let _ = Manifest::parse(&bytes);
        let document = DENSE.bytes();
        prop_assert!(Manifest::parse(&document[..cut.index(document.len())]).is_err());
        let mut spliced = document;
        let at = at.index(spliced.len());
        spliced.splice(at..at, bytes);
        let _ = Manifest::parse(&spliced);
    }
}
