//! What is printed, word for word: each file in `cmd/` is a command line and all that a user then sees.
//!
//! `TRYCMD=overwrite cargo test -p baler-tests --test cmd` writes what is printed now into them; read the difference.

use baler_tests::baler_binary;

#[test]
fn what_is_printed() {
    // Nothing of the one who runs the tests: a variable that is set to nothing means nothing.
    let cases = trycmd::TestCases::new();
    for variable in [
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "BALER_PASSPHRASE",
        "EC2_CERT",
        "EC2_PRIVATE_KEY",
        "EC2_USER_ID",
        "EUCALYPTUS_CERT",
        "XDG_CONFIG_HOME",
    ] {
        cases.env(variable, "");
    }
    let home = baler_tests::temporary_directory();
    cases.env("HOME", home.path().to_str().expect("a path of text"));
    cases.register_bin("baler", baler_binary());
    cases.case("cmd/*.toml");
    cases.run();
    assert!(home.path().read_dir().expect("the home").next().is_none(), "no command makes a key");
}
