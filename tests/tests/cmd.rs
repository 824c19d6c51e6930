//! What is printed, word for word: each file in `cmd/` is a command line and all that a user then sees.
//!
//! `TRYCMD=overwrite cargo test -p baler-tests --test cmd` writes what is printed now into them; read the difference.

use baler_tests::baler_binary;

#[test]
fn what_is_printed() {
    let cases = trycmd::TestCases::new();
    // The files say that they inherit nothing of the one who runs the tests; this is all there is.
    let home = baler_tests::temporary_directory();
    cases.env("HOME", home.path().to_str().expect("a path of text"));
    cases.env("AWS_EC2_METADATA_DISABLED", "true");
    cases.register_bin("baler", baler_binary());
    cases.case("cmd/*.toml");
    cases.run();
    assert!(home.path().read_dir().expect("the home").next().is_none(), "no command makes a key");
}
