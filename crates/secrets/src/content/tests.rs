use std::fs::File;

use proptest::prelude::*;

use super::binary::{JCEKS, JKS, KEY_BAGS, der_key};
use super::*;

const LINE: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";

fn look(path: &str, bytes: &[u8]) -> Option<Secret> {
    let mut file = bytes;
    Searcher::default().look_into(path.as_bytes(), bytes.len() as u64, &mut file).unwrap()
}

fn armored(words: &str) -> String {
    format!("-----BEGIN {words}-----\n{LINE}\n-----END {words}-----\n")
}

fn check_text(path: &str, text: &str, secret: Option<Secret>) {
    assert_eq!(look(path, text.as_bytes()), secret, "{path}: {text}");
}

#[test]
fn armored_keys_are_known_by_their_form() {
    for (words, form) in [
        ("PRIVATE KEY", "PKCS #8"),
        ("ENCRYPTED PRIVATE KEY", "encrypted"),
        ("RSA PRIVATE KEY", "RSA"),
        ("EC PRIVATE KEY", "EC"),
        ("DSA PRIVATE KEY", "DSA"),
        ("OPENSSH PRIVATE KEY", "OpenSSH"),
        ("PGP PRIVATE KEY BLOCK", "PGP"),
    ] {
        let key = Some(Secret::PrivateKey(form));
        check_text("x", &armored(words), key);
        check_text("x", &armored(words).replace('\n', "\r\n"), key);
        check_text("x", &armored(words).replace('\n', "\\n"), key);
        check_text("x", &armored(words).replace('\n', "\\n\"\n    \""), key);
        // Behind certificates, and far into the file.
        let chain = armored("CERTIFICATE").repeat(100) + &armored(words);
        check_text("x", &chain, key);
    }
    let old = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\n{LINE}\n"
    );
    check_text("x", &old, Some(Secret::PrivateKey("RSA")));
    let ssh2 = format!("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"x\"\n{LINE}\n");
    check_text("x", &ssh2, Some(Secret::PrivateKey("encrypted")));
    check_text("x", "PuTTY-User-Key-File-3: ssh-ed25519\n", Some(Secret::PrivateKey("PuTTY")));
    check_text("x", "AGE-SECRET-KEY-1QQQ", Some(Secret::PrivateKey("age")));
}

#[test]
fn what_only_speaks_of_keys_stays() {
    check_text("ca.pem", &armored("CERTIFICATE").repeat(140), None);
    check_text("x.pem", &armored("PUBLIC KEY"), None);
    check_text("x.asc", &armored("PGP PUBLIC KEY BLOCK"), None);
    for text in [
        "if data.startswith(b\"-----BEGIN RSA PRIVATE KEY-----\") and len(data) > 10:\n",
        "BEGIN = '-----BEGIN PRIVATE KEY-----'\nEND = '-----END PRIVATE KEY-----'\n",
        "grep -q 'PRIVATE KEY' /etc/ssl/private/*\n",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        "PRIVATE KEY",
        "",
    ] {
        check_text("x.py", text, None);
    }
}

#[test]
fn an_access_key_needs_its_secret() {
    let id = "AKIAI0SF0DNN7QWERTYU";
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY";
    let aws = Some(Secret::CloudCredentials("AWS"));
    check_text("srv/env", &format!("AWS_ID={id}\nAWS_SECRET={secret}\n"), aws);
    check_text("srv/x.json", &format!("{{\"s\": \"{secret}\", \"id\": \"{id}\"}}"), aws);
    check_text("x", &format!("{id}\n"), None);
    check_text("x", &format!("aws_secret_access_key = {secret}\n"), None);
    check_text("x", &format!("{id} da39a3ee5e6b4b0d3255bfef95601890afd80709"), None);
    check_text("x", &format!("X{id} {secret}"), None);
    check_text("x", &format!("AKIAIOSFODNN7EXAMPLE {secret}"), None);
    let far = " ".repeat(2000);
    check_text("x", &format!("{id}{far}{secret}"), None);
}

#[test]
fn credentials_have_their_files() {
    let registry = Some(Secret::CloudCredentials("container registry"));
    let login = r#"{"auths": {"x": {"auth": "dTpw"}}}"#;
    check_text("root/.docker/config.json", login, registry);
    check_text("root/.docker/config.json", r#"{"credsStore": "x"}"#, None);
    check_text("root/other/config.json", login, None);
    let google = format!(
        r#"{{"type": "service_account", "private_key": "{}"}}"#,
        armored("PRIVATE KEY").replace('\n', "\\n")
    );
    check_text("srv/x.json", &google, Some(Secret::CloudCredentials("Google service account")));
    let kubernetes = Some(Secret::CloudCredentials("Kubernetes"));
    check_text("root/.kube/config", "users:\n- user:\n    token: x\n", kubernetes);
    check_text("etc/kubernetes/admin.conf", "  client-key-data: LS0tLS1CRUdJTiBS\n", kubernetes);
}

/// A DER sequence of these bytes, with a length of two bytes.
fn sequence(content: &[u8]) -> Vec<u8> {
    [&[0x30, 0x82], &(content.len() as u16).to_be_bytes()[..], content].concat()
}

#[test]
fn keys_that_are_not_text_are_known() {
    let number = [&[2, 0x82, 1, 0][..], &[7; 256]].concat();
    let pkcs1 = sequence(&[&[2, 1, 0][..], &number].concat());
    assert_eq!(look("x.der", &pkcs1), Some(Secret::PrivateKey("PKCS #1")));
    assert_eq!(look("x.der", &[&pkcs1[..], b"more"].concat()), None);
    let algorithm = [0x30, 3, 6, 1, 1];
    let pkcs8 = sequence(&[&[2, 1, 0], &algorithm[..], &[4, 0x82, 1, 0], &[7; 256]].concat());
    assert_eq!(look("x.der", &pkcs8), Some(Secret::PrivateKey("PKCS #8")));
    // A certificate begins with another sequence.
    assert_eq!(look("x.der", &sequence(&sequence(&[1; 300]))), None);

    let padding = [0; 9000];
    let pkcs12 = |bag: &[u8]| sequence(&[&[2, 1, 3, 0x30], &padding[..], bag, &padding].concat());
    assert_eq!(look("x.p12", &pkcs12(KEY_BAGS[1])), Some(Secret::PrivateKey("PKCS #12")));
    assert_eq!(look("cacerts", &pkcs12(b"")), None);

    assert_eq!(look("secret.gpg", &[0x95, 1, 2, 4, 0]), Some(Secret::PrivateKey("OpenPGP")));
    assert_eq!(look("pubring.gpg", &[0x99, 1, 2, 4, 0]), None);
}

#[test]
fn a_java_keystore_of_certificates_stays() {
    let certificate =
        [&[0, 0, 0, 2, 0, 1, b'a'], &[0; 8][..], &[0, 1, b'X', 0, 0, 0, 2, 9, 9]].concat();
    let store = |entries: &[&[u8]]| {
        let count = (entries.len() as u32).to_be_bytes();
        [&JKS, &[0, 0, 0, 2], &count, &entries.concat()[..]].concat()
    };
    assert_eq!(look("cacerts", &store(&[&certificate, &certificate])), None);
    let java = Some(Secret::PrivateKey("Java keystore"));
    assert_eq!(look("x.jks", &store(&[&certificate, &[0, 0, 0, 1, 0, 1]])), java);
}

proptest! {
    #[test]
    fn any_bytes_can_be_looked_into(
        start in proptest::sample::select(vec![
            &b"-----BEGIN RSA PRIVATE KEY-----"[..], b"AKIA", &JKS, &JCEKS, b"\x30\x82\x01\x00\x02\x01\x00", b"",
        ]),
        rest in proptest::collection::vec(0u8.., 0..300),
    ) {
        let bytes = [start, &rest].concat();
        for path in ["x", "x.gpg", "root/.kube/config"] {
            Searcher::default().search(path.as_bytes(), bytes.len() as u64, &bytes);
        }
    }
}

#[test]
fn this_machines_certificates_and_keyrings_stay() {
    let mut looked = 0;
    for directory in ["/etc/ssl/certs", "/usr/share/keyrings", "/etc/apt/trusted.gpg.d"] {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Ok(mut file) = File::open(&path) else { continue };
            let metadata = file.metadata().unwrap();
            if metadata.is_file() && (1..=MAX_SIZE).contains(&metadata.len()) {
                let path = path.to_str().unwrap();
                let found =
                    Searcher::default().look_into(path.as_bytes(), metadata.len(), &mut file);
                assert_eq!(found.unwrap(), None, "{path}");
                looked += 1;
            }
        }
    }
    if looked == 0 {
        println!("SKIPPED: there are no certificates here");
    }
}

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let header = match len {
        0..=0x7f => vec![tag, len as u8],
        0x80..=0xff => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [header, content.to_vec()].concat()
}

#[test]
fn keys_in_der_are_told_from_what_looks_like_them() {
    let (zero, one) = (value(2, &[0]), value(2, &[1]));
    let algorithm = value(0x30, b"\x06\x03\x2b\x65\x70");
    let by_passphrase = value(0x30, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d");
    let octets = value(4, &[7; 34]);
    for (parts, expected) in [
        ([&zero, &algorithm, &octets], Some("PKCS #8")),
        ([&one, &algorithm, &octets], Some("PKCS #8")),
        ([&one, &octets, &algorithm], Some("EC")),
        ([&zero, &value(2, &[9; 256]), &value(2, &[1, 0, 1])], Some("PKCS #1")),
        ([&by_passphrase, &octets, &Vec::new()], Some("encrypted")),
        // A certificate, and a public key.
        ([&value(0x30, &[5; 200]), &algorithm, &value(3, &[0; 60])], None),
        ([&algorithm, &value(3, &[0; 33]), &Vec::new()], None),
        ([&zero, &one, &zero], None),
    ] {
        let bytes = value(0x30, &parts.map(Vec::as_slice).concat());
        assert_eq!(der_key(bytes.len() as u64, &bytes), expected, "{bytes:02x?}");
        assert_eq!(der_key(bytes.len() as u64 + 1, &bytes), None, "something follows");
    }
    assert_eq!(der_key(0, &[]), None);
    assert_eq!(der_key(3, &[0x30, 0x83, 1]), None);
}

#[test]
fn a_reader_is_read_no_further_than_needed() {
    struct Counted<'a>(&'a [u8], usize);
    impl Read for Counted<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            // In small pieces, as a pipe gives them.
            let len = buf.len().min(100);
            let read = self.0.read(&mut buf[..len])?;
            self.1 += read;
            Ok(read)
        }
    }
    let text = vec![b'x'; 10_000];
    let binary = vec![0; 10_000];
    for (bytes, expected) in [(&text, 10_000), (&binary, HEAD)] {
        let mut file = Counted(bytes, 0);
        let found = Searcher::default().look_into(b"x", bytes.len() as u64, &mut file);
        assert_eq!((found.unwrap(), file.1), (None, expected));
    }
    for size in [0, MAX_SIZE + 1] {
        let mut file = Counted(&text, 0);
        assert_eq!(Searcher::default().look_into(b"x", size, &mut file).unwrap(), None);
        assert_eq!(file.1, 0, "{size}");
    }
}
