//! Documents that are sound and hold values that are not.

use baler_manifest::{HexError, Manifest, NameError, ParseError, SignatureCheck};

use super::hostile::{DIGEST, changed, document, refused};
use super::{DENSE, V3, V20070829};

#[test]
fn versions() {
    refused(changed("2007-10-10", "2006-01-01"), ParseError::UnknownVersion("2006-01-01".into()));
    refused(changed("2007-10-10", "4"), ParseError::UnknownVersion("4".into()));
    refused(changed("2007-10-10", "3"), ParseError::MachineConfigurationInV3);
    let v3 = String::from_utf8(V3.bytes()).unwrap();
    let raised = v3.replace("<version>3<", "<version>2007-10-10<");
    refused(raised, ParseError::Missing { element: "machine_configuration" });
    // The signed machine configuration may not be dropped by calling the rest version 3.
    let dense = String::from_utf8(DENSE.bytes()).unwrap();
    let (start, end) = (dense.find("<machine_conf").unwrap(), dense.find("<image>").unwrap());
    let lowered = dense.replace(&dense[start..end], "").replace("2007-10-10", "3");
    let lowered = Manifest::parse(lowered.as_bytes()).unwrap();
    assert_eq!(lowered.check_signature(&DENSE.certificate()), SignatureCheck::Mismatch);
    let dashes = String::from_utf8(V20070829.bytes()).unwrap().replace("20070829", "2007-08-29");
    let dashes = Manifest::parse(dashes.as_bytes()).unwrap();
    assert_eq!(dashes.check_signature(&V20070829.certificate()), SignatureCheck::Valid);
}

#[test]
fn bad_values() {
    let hex = |element, source| ParseError::Hex { element, source };
    refused(changed(DIGEST, &DIGEST[1..]), hex("image/digest", HexError::OddLength(39)));
    refused(
        changed(DIGEST, &DIGEST[2..]),
        hex("image/digest", HexError::WrongLength { expected: 20, found: 19 }),
    );
    refused(changed(DIGEST, &DIGEST.replace('a', "g")), hex("image/digest", HexError::BadDigit(7)));
    refused(changed(">00<", ">0<"), hex("image/ec2_encrypted_key", HexError::OddLength(1)));
    refused(changed(">01<", ">0x01<"), hex("image/user_encrypted_key", HexError::BadDigit(1)));
    refused(changed(">02<", ">0 2<"), hex("image/ec2_encrypted_iv", HexError::BadDigit(1)));
    refused(changed(">03<", ">é<"), hex("image/user_encrypted_iv", HexError::BadDigit(0)));
    refused(changed("UNSIGNED", "unsigned"), hex("signature", HexError::BadDigit(0)));
    refused(changed("UNSIGNED", "012"), hex("signature", HexError::OddLength(3)));
    for (old, new, element, expected) in [
        ("'SHA1'", "'SHA256'", "image/digest", "SHA1"),
        ("'SHA1'", "'&#83;HA1'", "image/digest", "SHA1"),
        ("'AES-128-CBC'", "'AES-256-CBC'", "image/ec2_encrypted_key", "AES-128-CBC"),
    ] {
        let found = new.trim_matches('\'').to_owned();
        refused(changed(old, new), ParseError::Algorithm { element, expected, found });
    }
    let max = i64::MAX as u64;
    for found in
        ["-1", "+1", "1.0", "0x10", "1 0", "9223372036854775808", "99999999999999999999999", "١"]
    {
        let found_ = found.to_owned();
        refused(
            changed(">10<", &format!(">{found}<")),
            ParseError::Number { element: "image/size", max, found: found_ },
        );
    }
    refused(
        changed(">32<", ">x<"),
        ParseError::Number { element: "image/bundled_size", max, found: "x".into() },
    );
    refused(
        changed("count='2'", "count=''"),
        ParseError::Number { element: "image/parts count", max: u64::MAX, found: String::new() },
    );
    refused(
        changed("index='1'", "index='one'"),
        ParseError::Number {
            element: "image/parts/part index",
            max: u64::MAX,
            found: "one".into(),
        },
    );
    refused(changed(">machine<", ">toaster<"), ParseError::UnknownType("toaster".into()));
    refused(
        changed("x86_64", "x86\n_64"),
        ParseError::ControlInText { element: "machine_configuration/architecture" },
    );
    refused(
        changed("<name>image<", "<name>a/b<"),
        ParseError::ImageName { source: NameError::Path },
    );
    refused(changed("<name>image<", "<name><"), ParseError::ImageName { source: NameError::Empty });
}

#[test]
fn bad_parts() {
    let part = |index: &str, name: &str| {
        format!(
            "<part index='{index}'><filename>{name}</filename><digest algorithm='SHA1'>{DIGEST}</digest></part>"
        )
    };
    let parts = |count: &str, parts: &[(&str, &str)]| {
        let document = document();
        let (start, end) = (document.find("<parts").unwrap(), document.find("</parts>").unwrap());
        let parts: String = parts.iter().map(|(index, name)| part(index, name)).collect();
        format!("{}<parts count='{count}'>{parts}{}", &document[..start], &document[end..])
    };
    refused(parts("0", &[]), ParseError::NoParts);
    refused(parts("1", &[]), ParseError::PartCount { count: 1, found: 0 });
    refused(parts("1", &[("0", "a"), ("1", "b")]), ParseError::PartCount { count: 1, found: 2 });
    refused(
        parts("18446744073709551615", &[("0", "a")]),
        ParseError::PartCount { count: u64::MAX, found: 1 },
    );
    refused(parts("2", &[("0", "a"), ("0", "b")]), ParseError::PartIndex { missing: 1, found: 0 });
    refused(parts("2", &[("0", "a"), ("2", "b")]), ParseError::PartIndex { missing: 1, found: 2 });
    refused(parts("2", &[("1", "a"), ("2", "b")]), ParseError::PartIndex { missing: 0, found: 1 });
    refused(parts("2", &[("0", "a"), ("1", "a")]), ParseError::RepeatedPartName { index: 1 });
    let long = "x".repeat(256);
    for (name, source) in [
        ("", NameError::Empty),
        (" ", NameError::Empty),
        (".", NameError::Directory),
        ("..", NameError::Directory),
        ("../../etc/passwd", NameError::Path),
        ("/etc/passwd", NameError::Path),
        ("&#46;&#46;&#47;a", NameError::Path),
        ("a\nb", NameError::Control),
        ("a&#x7f;", NameError::Control),
        (&long, NameError::TooLong(256)),
    ] {
        if name == "a&#x7f;" {
            // Refused earlier, where it is a reference.
            assert!(matches!(
                Manifest::parse(parts("1", &[("0", name)]).as_bytes()),
                Err(ParseError::Reference { .. })
            ));
            continue;
        }
        refused(parts("1", &[("0", name)]), ParseError::PartName { index: 0, source });
    }
    let shuffled = parts("3", &[("2", "c"), ("0", "a"), ("1", "b")]);
    let manifest = Manifest::parse(shuffled.as_bytes()).unwrap();
    let names: Vec<_> =
        manifest.contents().parts.iter().map(|part| part.filename.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}
