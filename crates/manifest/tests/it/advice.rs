//! An error says what is wrong; its advice says what to do about it.

use baler_manifest::{
    AccountError, AccountId, Advice, Ec2Key, KeyError, Manifest, ParseError, WriteError,
};

fn sentence(advice: Option<Advice>) -> String {
    match advice {
        Some(Advice::Say(sentence)) => sentence.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn advice_is_separate_from_the_message() {
    let cases = [
        (
            KeyError::CertificateAsPrivateKey.to_string(),
            sentence(KeyError::CertificateAsPrivateKey.advice()),
            "-----BEGIN PRIVATE KEY-----",
        ),
        (
            KeyError::UnsupportedEncryption("PBES1".into()).to_string(),
            sentence(KeyError::UnsupportedEncryption("PBES1".into()).advice()),
            "openssl pkcs8",
        ),
        (KeyError::OpenSsh.to_string(), sentence(KeyError::OpenSsh.advice()), "ssh-keygen -p"),
        (
            AccountError::AccessKey.to_string(),
            sentence(AccountError::AccessKey.advice()),
            "aws sts get-caller-identity",
        ),
        (ParseError::NotXml.to_string(), sentence(ParseError::NotXml.advice()), "before version 3"),
    ];
    for (message, advice, expected) in cases {
        assert!(advice.contains(expected), "{advice}");
        assert!(!message.contains(expected) && !message.contains("hint"), "{message}");
        assert!(!message.contains('\n') && !advice.contains('\n'), "{message}: {advice}");
    }
}

#[test]
fn what_cannot_be_helped_has_no_advice() {
    assert_eq!(KeyError::MultiPrime.advice(), None);
    assert_eq!("12".parse::<AccountId>().unwrap_err().advice(), None);
    assert_eq!(Manifest::parse(b"").unwrap_err().advice(), None);
    assert_eq!(WriteError::NoParts.advice(), None);
}

#[test]
fn an_error_passes_on_the_advice_of_its_source() {
    let error = WriteError::Account(AccountError::AccessKey);
    assert_eq!(error.advice(), AccountError::AccessKey.advice());
    assert_eq!(WriteError::Key(KeyError::OpenSsh).advice(), KeyError::OpenSsh.advice());
}

#[test]
fn a_region_without_a_known_key_wants_a_certificate() {
    let error = Ec2Key::for_region("cn-northwest-1").unwrap_err();
    let region = "cn-northwest-1".to_owned();
    assert_eq!(error.advice(), Some(Advice::GiveEc2Certificate { region }));
    assert!(!error.to_string().contains("--"), "{error}");
}
