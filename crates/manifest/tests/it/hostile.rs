//! Documents that are not what they seem, and documents that only look odd.

use std::time::{Duration, Instant};

use baler_manifest::{Manifest, ParseError};

use super::DENSE;

pub(super) const DIGEST: &str = "3e89e6ea41eda1af29ed552f07711c190db5597f";

/// A small manifest with two parts, for changes to be made in.
pub(super) fn document() -> String {
    format!(
        "<?xml version='1.0'?><manifest><version>2007-10-10</version>\
         <bundler><name>b</name><version>1</version><release>0</release></bundler>\
         <machine_configuration><architecture>x86_64</architecture></machine_configuration>\
         <image><name>image</name><user>123456789012</user><type>machine</type>\
         <digest algorithm='SHA1'>{DIGEST}</digest><size>10</size><bundled_size>32</bundled_size>\
         <ec2_encrypted_key algorithm='AES-128-CBC'>00</ec2_encrypted_key>\
         <user_encrypted_key algorithm='AES-128-CBC'>01</user_encrypted_key>\
         <ec2_encrypted_iv>02</ec2_encrypted_iv><user_encrypted_iv>03</user_encrypted_iv>\
         <parts count='2'>\
         <part index='0'><filename>image.part.0</filename><digest algorithm='SHA1'>{DIGEST}</digest></part>\
         <part index='1'><filename>image.part.1</filename><digest algorithm='SHA1'>{DIGEST}</digest></part>\
         </parts></image><signature>UNSIGNED</signature></manifest>"
    )
}

/// The small manifest with `old` replaced by `new`, where it is first.
pub(super) fn changed(old: &str, new: &str) -> String {
    let document = document();
    assert!(document.contains(old), "{old}");
    document.replacen(old, new, 1)
}

#[track_caller]
pub(super) fn refused(document: impl AsRef<[u8]>, expected: ParseError) {
    match Manifest::parse(document.as_ref()) {
        Err(error) => assert_eq!(error, expected, "{}", String::from_utf8_lossy(document.as_ref())),
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(document.as_ref())),
    }
}

/// The same for an error with an offset: that of the last `mark` in the changed document.
#[track_caller]
fn refused_at(old: &str, new: &str, mark: &str, expected: impl FnOnce(usize) -> ParseError) {
    let document = changed(old, new);
    let offset = document.rfind(mark).unwrap();
    refused(document, expected(offset));
}

#[test]
fn what_is_no_manifest_at_all() {
    refused("", ParseError::Empty);
    refused(" \r\n\t", ParseError::Empty);
    refused("\u{feff}", ParseError::Empty);
    refused("hello", ParseError::NotXml);
    refused([0x53, 0x61, 0x6c, 0x74, 0x65, 0x64, 0xff, 0x00], ParseError::NotXml);
    refused(vec![b' '; (16 << 20) + 1], ParseError::TooLarge((16 << 20) + 1));
    refused(b"<manifest>\xff", ParseError::NotUtf8 { offset: 10 });
    refused(b"\xff\xfe<\0m\0", ParseError::Encoding("UTF-16".into()));
    refused("<html></html>", ParseError::WrongRoot("html".into()));
    refused("<m:manifest></m:manifest>", ParseError::WrongRoot("m:manifest".into()));
    refused("<a\u{1b}[2J></a>", ParseError::ControlCharacter { offset: 2 });
    refused("<?xml version='1.0'?>", ParseError::Missing { element: "manifest" });
    refused("<manifest/>", ParseError::Missing { element: "version" });
    let long = format!("<a\u{202e}{}/>", "b".repeat(200));
    let shown = format!("a\\u{{202e}}{}…", "b".repeat(98));
    refused(long, ParseError::WrongRoot(shown));
    refused(b"\x00\x01", ParseError::NotXml);
}

#[test]
fn encodings() {
    let declared = |encoding: &str| changed("'1.0'?", &format!("'1.0' encoding='{encoding}'?"));
    for encoding in ["UTF-8", "utf-8", "ASCII", "us-ascii"] {
        assert!(Manifest::parse(declared(encoding).as_bytes()).is_ok(), "{encoding}");
    }
    for encoding in ["ISO-8859-1", "UTF-16", "windows-1252", "", "utf8"] {
        refused(declared(encoding), ParseError::Encoding(encoding.into()));
    }
    let document = declared("ASCII").replace("<name>b<", "<name>ü<");
    let offset = document.find('ü').unwrap();
    refused(document, ParseError::NotAscii { offset });
}

#[test]
fn a_second_signed_element_anywhere() {
    let second = "<image><name>evil</name></image>";
    for (old, new) in [
        ("</manifest>", format!("{second}</manifest>")),
        ("<signature>", format!("<other><deep>{second}</deep></other><signature>")),
        ("<parts ", format!("{second}<parts ")),
        ("<parts ", format!("<x>{second}</x><parts ")),
        ("<signature>", "<x:image/><signature>".to_owned()),
        ("</manifest>", "<image/></manifest>".to_owned()),
    ] {
        let document = changed(old, &new);
        let offset =
            document.rfind(if new.contains("<x:image") { "<x:image" } else { "<image" }).unwrap();
        refused(document, ParseError::Repeated { element: "image", offset });
    }
    let misplaced = |element, mark: &'static str, old: &str, new: &str| {
        let document = changed(old, new);
        let offset = document.find(mark).unwrap();
        refused(document, ParseError::Misplaced { element, offset });
    };
    misplaced("image", "<image", "<bundler>", &format!("<x>{second}</x><bundler>"));
    misplaced("image", "<image", "<architecture>", &format!("{second}<architecture>"));
    misplaced(
        "machine_configuration",
        "<machine_conf",
        "<bundler>",
        "<x><machine_configuration/></x><bundler>",
    );
    refused_at(
        "<signature>",
        "<machine_configuration/><signature>",
        "<machine_configuration/>",
        |offset| ParseError::Repeated { element: "machine_configuration", offset },
    );
    // A signed document that was wrapped in another.
    let dense = String::from_utf8(DENSE.bytes()).unwrap();
    let (start, end) = (dense.find("<image>").unwrap(), dense.find("<signature>").unwrap());
    let wrapped =
        dense.replace("<signature>", &format!("<old>{}</old><signature>", &dense[start..end]));
    assert!(matches!(
        Manifest::parse(wrapped.as_bytes()),
        Err(ParseError::Repeated { element: "image", .. })
    ));
}

#[test]
fn what_xml_has_and_a_manifest_has_not() {
    refused_at(
        "<manifest>",
        "<!DOCTYPE manifest [<!ENTITY e 'x'>]><manifest>",
        "<!DOC",
        |offset| ParseError::Dtd { offset },
    );
    refused_at("<manifest>", "<!doctype manifest><manifest>", "<!doc", |offset| ParseError::Dtd {
        offset,
    });
    refused_at("<image>", "<!-- <image> --><image>", "<!--", |offset| ParseError::Comment {
        offset,
    });
    refused_at("<manifest>", "<!----><manifest>", "<!--", |offset| ParseError::Comment { offset });
    refused_at("</manifest>", "</manifest><!-- -->", "<!--", |offset| ParseError::Comment {
        offset,
    });
    refused_at("image.part.0", "<![CDATA[image.part.0]]>", "<![", |offset| ParseError::Cdata {
        offset,
    });
    refused_at("<image>", "<![CDATA[<image>]]><image>", "<![", |offset| ParseError::Cdata {
        offset,
    });
    refused_at("<image>", "<?php ?><image>", "<?php", |offset| ParseError::ProcessingInstruction {
        offset,
    });
    refused_at("<image>", "<?xml version='1.0'?><image>", "<?xml", |offset| {
        ParseError::ProcessingInstruction { offset }
    });
    for name in [
        "e", "nbsp", "#0", "#10", "#x1b", "#xFFFF", "#xD800", "#x110000", "#", "#x", "#+65", "",
        "amp ",
    ] {
        refused_at("image.part.0", &format!("image&{name};"), "&", |offset| {
            ParseError::Reference { offset, name: name.to_owned() }
        });
    }
    refused_at("<bundler>", "<x>&e;</x><bundler>", "&", |offset| ParseError::Reference {
        offset,
        name: "e".into(),
    });
}

#[test]
fn what_is_not_well_formed() {
    for (old, new) in [
        ("</image>", ""),
        ("</image>", "</imag>"),
        ("</image>", "</image x='1'>"),
        ("</image>", "</image></image>"),
        ("<image>", "<image x>"),
        ("<image>", "<image x=1>"),
        ("<image>", "<image x='1' x='2'>"),
        ("<image>", "<image x='1>"),
        ("<image>", "<!ENTITY e 'x'><image>"),
        ("image.part.0", "image & part"),
        ("image.part.0", "image&amp"),
        ("</manifest>", "</manifest"),
        ("<?xml version='1.0'?>", "<?xml version='1.0'?>x"),
    ] {
        match Manifest::parse(changed(old, new).as_bytes()) {
            Err(ParseError::Syntax { .. }) => {}
            other => panic!("{new}: {other:?}"),
        }
    }
    let (document, whole) = (document(), document().len());
    let open = |end: &str| &document[..document.find(end).unwrap()];
    refused(&document[..whole - "</manifest>".len()], ParseError::Unclosed { element: "manifest" });
    refused(open("<version>"), ParseError::Unclosed { element: "manifest" });
    refused(open("</parts>"), ParseError::Unclosed { element: "image/parts" });
    refused(open("10</size>"), ParseError::Unclosed { element: "image/size" });
    for new in
        ["</manifest>x", "</manifest><manifest/>", "</manifest>\n<image/>", "</manifest>&amp;"]
    {
        let document = changed("</manifest>", new);
        let offset =
            document.find("</manifest>").unwrap() + new.find(['x', '&', '/']).map_or(0, |_| 11);
        let offset = offset + usize::from(new.contains('\n'));
        refused(document, ParseError::Trailing { offset });
    }
    let attributes: String = (0..17).map(|number| format!(" a{number}='1'")).collect();
    refused_at("<image>", &format!("<image{attributes}>"), "<image a", |offset| {
        ParseError::TooManyAttributes { offset }
    });
    let deep = format!("<bundler>{}{}", "<x>".repeat(14), "</x>".repeat(14));
    assert!(Manifest::parse(changed("<bundler>", &deep).as_bytes()).is_ok());
    let deep = format!("<bundler>{}{}", "<x>".repeat(15), "</x>".repeat(15));
    refused_at("<bundler>", &deep, "<x><", |offset| ParseError::TooDeep { offset });
    refused(changed("<size>", "text<size>"), ParseError::StrayText { element: "image" });
    refused(changed("<size>", "&amp;<size>"), ParseError::StrayText { element: "image" });
    refused(changed("<size>", "<size><b/>"), ParseError::Nested { element: "image/size" });
    refused(
        changed("image.part.0", "<b>image</b>"),
        ParseError::Nested { element: "image/parts/part/filename" },
    );
}

#[test]
fn what_is_missing_or_there_twice() {
    for (element, text) in [
        ("version", "<version>2007-10-10</version>"),
        ("machine_configuration/architecture", "<architecture>x86_64</architecture>"),
        ("image/name", "<name>image</name>"),
        ("image/user", "<user>123456789012</user>"),
        ("image/type", "<type>machine</type>"),
        ("image/size", "<size>10</size>"),
        ("image/bundled_size", "<bundled_size>32</bundled_size>"),
        ("image/parts/part/filename", "<filename>image.part.0</filename>"),
    ] {
        refused(changed(text, ""), ParseError::Missing { element });
        let document = changed(text, &format!("{text}{text}"));
        let offset = document.find(text).unwrap() + text.len();
        refused(document, ParseError::Repeated { element, offset });
    }
    let digest = format!("<digest algorithm='SHA1'>{DIGEST}</digest>");
    refused(changed(&digest, ""), ParseError::Missing { element: "image/digest" });
    refused(
        changed(&format!("0</filename>{digest}"), "0</filename>"),
        ParseError::Missing { element: "image/parts/part/digest" },
    );
    refused(changed(DIGEST, " "), ParseError::Missing { element: "image/digest" });
    refused(changed("123456789012", "  "), ParseError::Missing { element: "image/user" });
    let configuration =
        "<machine_configuration><architecture>x86_64</architecture></machine_configuration>";
    refused(changed(configuration, ""), ParseError::Missing { element: "machine_configuration" });
    let document = document();
    let image = &document[document.find("<image>").unwrap()..document.find("<signature>").unwrap()];
    refused(changed(image, ""), ParseError::Missing { element: "image" });
    let parts = &image[image.find("<parts").unwrap()..image.find("</image>").unwrap()];
    refused(changed(parts, ""), ParseError::Missing { element: "image/parts" });
    let mapping = |inside: &str| {
        let text = format!(
            "<block_device_mapping><mapping>{inside}</mapping></block_device_mapping></machine_conf"
        );
        changed("</machine_conf", &text)
    };
    refused(
        mapping("<virtual>ami</virtual>"),
        ParseError::Missing {
            element: "machine_configuration/block_device_mapping/mapping/device",
        },
    );
    refused(
        mapping("<device>sda</device>"),
        ParseError::Missing {
            element: "machine_configuration/block_device_mapping/mapping/virtual",
        },
    );
    // One mapping must not lend its values to the next.
    let two = "<virtual>a</virtual><device>b</device></mapping><mapping><virtual>c</virtual>";
    refused(
        mapping(two),
        ParseError::Missing {
            element: "machine_configuration/block_device_mapping/mapping/device",
        },
    );
    refused(
        changed(" count='2'", ""),
        ParseError::MissingAttribute { element: "image/parts", attribute: "count" },
    );
    refused(
        changed(" index='1'", ""),
        ParseError::MissingAttribute { element: "image/parts/part", attribute: "index" },
    );
}

#[test]
fn what_only_looks_odd_is_read() {
    let plain = Manifest::parse(document().as_bytes()).unwrap();
    let pretty = document()
        .replace("><", ">\r\n\t <")
        .replace("<name>", "<name> \n")
        .replace("</name>", "\t</name>");
    for document in [
        pretty.clone(),
        format!("\u{feff}{}", document()),
        format!("\u{feff}\n {}\n\n", pretty),
        document().replace('\'', "\""),
        document().replace("<?xml version='1.0'?>", ""),
        document()
            .replace("SHA1", "sha1")
            .replace("AES-128-CBC", "aes-128-cbc")
            .replace(DIGEST, &DIGEST.to_uppercase()),
        document().replace("<size>", "<unknown a='1'>text<x>y</x>&amp;</unknown><size>"),
        document()
            .replace("<signature>", "<new/><signature >")
            .replace("</signature>", "</signature >"),
        document().replace("<manifest>", "<manifest xmlns='urn:x' xmlns:y='urn:y'>"),
        document().replace("image.part.0", "image&#46;p&#x61;rt.0"),
        document().replace("<kernel_id/>", ""),
        document().replace("<signature>UNSIGNED</signature>", ""),
        document().replace("<signature>UNSIGNED</signature>", "<signature/>"),
        document().replace(
            "</machine_configuration>",
            "<kernel_id/><product_codes/></machine_configuration>",
        ),
    ] {
        let odd = Manifest::parse(document.as_bytes())
            .unwrap_or_else(|error| panic!("{error}: {document}"));
        assert_eq!(odd.contents(), plain.contents(), "{document}");
        assert_eq!(odd.signature(), plain.signature());
        assert_eq!(odd.text(), document);
        for run in odd.signed() {
            assert!(
                run.starts_with(b"<") && run.ends_with(b">"),
                "{}",
                String::from_utf8_lossy(run)
            );
        }
    }
    let without = document()
        .replace(" algorithm='SHA1'", "")
        .replace("<user_encrypted_iv>03</user_encrypted_iv>", "");
    assert_eq!(Manifest::parse(without.as_bytes()).unwrap().contents().user_iv, []);
    let names = document().replace("<name>b<", "<name>&lt;b&gt; &amp;&quot;&apos; ü<");
    assert_eq!(Manifest::parse(names.as_bytes()).unwrap().contents().bundler.name, "<b> &\"' ü");
}

#[test]
fn hostile_documents_take_no_longer_than_others() {
    const SIZE: usize = 16 << 20;
    let filled = |start: &str, unit: &str, end: &str| {
        let mut document = start.to_owned();
        while document.len() + unit.len() + end.len() <= SIZE {
            document.push_str(unit);
        }
        document + end
    };
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=''")).collect();
    for document in [
        filled("<manifest>", "<a/>", "</manifest>"),
        filled("<manifest>", "<a>", ""),
        filled("<manifest>", "&amp;", "</manifest>"),
        filled("<manifest><version>", "&lt;", "</version></manifest>"),
        filled("<manifest><image><parts>", "<part index='0'/>", "</parts></image></manifest>"),
        filled("<manifest>", "<bundler>", ""),
        filled("<manifest a='", ">", "'/>"),
        filled("<!DOCTYPE a [", "<!ENTITY a 'b'>", "]>"),
        filled("<!--", "-", ""),
        filled("<", "a", ""),
        filled("<manifest>", "<![CDATA[", ""),
        format!("<manifest{attributes}/>"),
    ] {
        let start = Instant::now();
        assert!(Manifest::parse(document.as_bytes()).is_err());
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}: {}…",
            start.elapsed(),
            &document[..40]
        );
    }
}
