//! Manifests, written: the bytes of the classic tools, and what is refused.

use baler_manifest::{
    BlockDeviceMapping, Bundler, Contents, ImageType, KeyError, Manifest, Part, Signature,
    SignatureCheck, Version, WriteError, open, write,
};
use getrandom::SysRng;
use proptest::prelude::*;

use super::{DENSE, EUCA, HOLES, MANY_HOLES, MAPPING, V3, private};

fn contents() -> Contents {
    DENSE.parsed().into_contents()
}

#[test]
fn the_bytes_of_the_classic_tools() {
    for bundle in [&DENSE, &HOLES, &MANY_HOLES, &MAPPING] {
        let written = write(bundle.parsed().contents(), Some(&bundle.key()), &mut SysRng).unwrap();
        assert_eq!(written, String::from_utf8(bundle.bytes()).unwrap(), "{}", bundle.manifest);
    }
}

#[test]
fn older_and_other_manifests_are_written_as_current_ones() {
    for bundle in [&V3, &EUCA] {
        let old = bundle.parsed();
        let key = bundle.key();
        let new =
            Manifest::parse(write(old.contents(), Some(&key), &mut SysRng).unwrap().as_bytes())
                .unwrap();
        assert_eq!(new.version(), Version::V20071010);
        assert_eq!(new.contents(), old.contents());
        assert_eq!(new.check_signature(key.public()), SignatureCheck::Valid);
    }
}

#[test]
fn without_a_key_it_says_so() {
    let mut contents = contents();
    contents.user_key.clear();
    contents.user_iv.clear();
    let text = write(&contents, None, &mut SysRng).unwrap();
    assert!(text.ends_with("<signature>UNSIGNED</signature></manifest>"));
    assert!(text.contains("<user_encrypted_key algorithm='AES-128-CBC'/>"));
    assert!(text.contains("<user_encrypted_iv/>"));
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(manifest.signature(), &Signature::Unsigned);
    assert_eq!(manifest.check_signature(&DENSE.certificate()), SignatureCheck::Unsigned);
    assert_eq!(manifest.contents(), &contents);
    let error = open(manifest.contents(), &DENSE.key(), &mut SysRng).unwrap_err();
    assert_eq!(error, KeyError::NoUserKey);
    assert!(open(manifest.contents(), &private("ec2-key.pkcs8.der"), &mut SysRng).is_ok());
}

#[test]
fn what_is_not_for_this_key_is_not_opened() {
    let error = open(&contents(), &private("user1024-key.pkcs8.der"), &mut SysRng).unwrap_err();
    assert_eq!(error, KeyError::NotForThisKey);
    let mut damaged = contents();
    damaged.user_iv[7] ^= 1;
    assert_eq!(open(&damaged, &DENSE.key(), &mut SysRng).unwrap_err(), KeyError::NotForThisKey);
}

#[test]
fn every_optional_element_is_written_and_read() {
    let mut contents = MAPPING.parsed().into_contents();
    contents.image_type = ImageType::Kernel;
    contents.kernel_name = Some("a <kernel> & 'its' \"name\"".to_owned());
    contents.ancestry = vec!["ami-5bae4b32".to_owned(), "ami-2bb65342".to_owned()];
    contents.name = "<&'\">".to_owned();
    contents.parts[0].filename = "ü & ö.part.0".to_owned();
    contents.mappings.reverse();
    let text = write(&contents, Some(&DENSE.key()), &mut SysRng).unwrap();
    assert!(text.contains("<name>&lt;&amp;&apos;&quot;&gt;</name>"));
    assert!(text.contains("<type>kernel</type><kernel_name>a &lt;kernel&gt;"));
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    contents.mappings.reverse();
    assert_eq!(manifest.contents(), &contents);
    assert_eq!(manifest.check_signature(&DENSE.certificate()), SignatureCheck::Valid);
}

#[test]
fn hyphens_leave_the_account() {
    let mut contents = contents();
    contents.account = "1234-5678-9012".to_owned();
    let text = write(&contents, None, &mut SysRng).unwrap();
    assert!(text.contains("<user>123456789012</user>"));
}

#[test]
fn what_is_refused() {
    fn check(change: impl FnOnce(&mut Contents), expected: &str) {
        let mut contents = MAPPING.parsed().into_contents();
        change(&mut contents);
        let error = write(&contents, None, &mut SysRng).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    check(|c| c.name = "a/b".into(), "the bundle's name");
    check(|c| c.name = " a".into(), "`image/name` cannot be ` a`");
    check(|c| c.account = "12345".into(), "account");
    check(|c| c.architecture = "x 86".into(), "`architecture` cannot be `x 86`");
    check(|c| c.kernel_id = Some(String::new()), "`kernel_id`");
    check(|c| c.ramdisk_id = Some("ari 1".into()), "`ramdisk_id`");
    check(|c| c.product_codes = vec!["a\nb".into()], "`product_code` cannot be `a\\nb`");
    check(|c| c.ancestry = vec![String::new()], "`ancestor_ami_id`");
    check(|c| c.bundler.name = "a\u{1b}".into(), "`bundler/name`");
    check(|c| c.kernel_name = Some("vmlinuz".into()), "kernel");
    check(|c| c.size = u64::MAX, "`size`");
    check(|c| c.bundled_size = 1 << 63, "`bundled_size`");
    check(|c| c.ec2_iv.clear(), "EC2");
    check(|c| c.user_iv.clear(), "user");
    check(|c| c.parts.clear(), "at least one part");
    check(|c| c.parts[0].filename = "..".into(), "part 0");
    check(|c| c.parts[0].filename = "a\t".into(), "part 0");
    check(|c| c.parts.push(c.parts[0].clone()), "part 1 has the name of another part");
    check(|c| c.mappings[0].device.clear(), "`device`");
    check(|c| c.mappings[0].virtual_name = c.mappings[1].virtual_name.clone(), "mapped twice");
    let mut many = contents();
    many.parts = (0..200_000)
        .map(|index| Part { filename: format!("image.part.{index:06}"), digest: many.digest })
        .collect();
    assert!(matches!(write(&many, None, &mut SysRng), Err(WriteError::TooLarge(_))));
}

prop_compose! {
    fn any_contents()(
        name in "[^/\\p{C}]{1,30}", mappings in prop::collection::btree_map("[!-~]{1,8}", "[!-~]{1,8}", 0..4),
        ids in prop::array::uniform2(prop::option::of("[!-~]{1,12}")), lists in prop::array::uniform2(prop::collection::vec("[!-~]{1,9}", 0..3)),
        texts in prop::array::uniform3("[^\\p{C}]{0,9}"), size in 0..1_u64 << 63, digests in prop::collection::vec(any::<[u8; 20]>(), 1..12),
        secrets in prop::array::uniform4(prop::collection::vec(any::<u8>(), 1..20)),
    ) -> Contents {
        let [product_codes, ancestry] = lists;
        let [kernel_id, ramdisk_id] = ids;
        let [ec2_key, user_key, ec2_iv, user_iv] = secrets;
        let [bundler_name, version, release] = texts.map(|text| text.trim().to_owned());
        // A name is not `.` or `..` and has no white space at its ends.
        let name = format!("x{name}x");
        let mut contents = contents();
        contents.bundler = Bundler { name: bundler_name, version, release };
        contents.mappings = mappings.into_iter().map(|(virtual_name, device)| BlockDeviceMapping { virtual_name, device }).collect();
        (contents.kernel_id, contents.ramdisk_id) = (kernel_id, ramdisk_id);
        (contents.product_codes, contents.ancestry) = (product_codes, ancestry);
        (contents.ec2_key, contents.user_key, contents.ec2_iv, contents.user_iv) = (ec2_key, user_key, ec2_iv, user_iv);
        (contents.size, contents.digest) = (size, digests[0].into());
        contents.parts = digests.iter().enumerate().map(|(index, digest)| Part { filename: format!("{name}.part.{index}"), digest: (*digest).into() }).collect();
        contents.name = name;
        contents
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(contents in any_contents()) {
        let text = write(&contents, None, &mut SysRng).unwrap();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(manifest.contents(), &contents);
    }
}
