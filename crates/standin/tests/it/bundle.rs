//! A bundle made with `openssl`, `gzip` and `tar`, for a stand-in's certificate.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sha1::{Digest as _, Sha1};

use crate::client::{Client, Fixture, hex};

pub(crate) struct Bundle {
    pub(crate) image: Vec<u8>,
    pub(crate) manifest: String,
    pub(crate) parts: Vec<(String, Vec<u8>)>,
}

const KEY: &str = "00112233445566778899aabbccddeeff";
const IV: &str = "ffeeddccbbaa99887766554433221100";

fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "the test's bundle is made by other programs")]
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

impl Bundle {
    /// A bundle of a small image in parts of 64 KiB.
    pub(crate) fn new(fixture: &Fixture) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image: Vec<u8> = (0_u32..50_000)
            .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
            .collect();
        fs::write(directory.path().join("img"), &image).unwrap();
        let tar = pipe("tar", &["-cf", "-", "-C", directory.path().to_str().unwrap(), "img"], b"");
        let digest = hex(&Sha1::digest(&tar));
        let packed = pipe("gzip", &["-nc"], &tar);
        let cipher = pipe("openssl", &["enc", "-aes-128-cbc", "-K", KEY, "-iv", IV], &packed);
        let certificate = fixture.standin.ec2_certificate();
        let (key, iv) = (wrap(&certificate, KEY), wrap(&certificate, IV));
        let parts: Vec<(String, Vec<u8>)> = cipher
            .chunks(65_536)
            .enumerate()
            .map(|(index, part)| (format!("img.part.{index}"), part.to_vec()))
            .collect();
        let list: String = parts
            .iter()
            .enumerate()
            .map(|(index, (name, part))| {
                let digest = hex(&Sha1::digest(part));
                format!("<part index='{index}'><filename>{name}</filename><digest algorithm='SHA1'>{digest}</digest></part>")
            })
            .collect();
        let (size, bundled, count) = (image.len(), cipher.len(), parts.len());
        let manifest = format!(
            "<?xml version='1.0'?><manifest><version>2007-10-10</version><bundler><name>t</name><version>1</version><release>1</release></bundler>\
             <machine_configuration><architecture>x86_64</architecture><block_device_mapping><mapping><virtual>ami</virtual><device>sda1</device></mapping>\
             <mapping><virtual>ephemeral0</virtual><device>sdb</device></mapping><mapping><virtual>root</virtual><device>/dev/sda1</device></mapping></block_device_mapping></machine_configuration>\
             <image><name>img</name><user>123456789012</user><type>machine</type><digest algorithm='SHA1'>{digest}</digest><size>{size}</size><bundled_size>{bundled}</bundled_size>\
             <ec2_encrypted_key algorithm='AES-128-CBC'>{key}</ec2_encrypted_key><user_encrypted_key algorithm='AES-128-CBC'/><ec2_encrypted_iv>{iv}</ec2_encrypted_iv><user_encrypted_iv/>\
             <parts count='{count}'>{list}</parts></image><signature>UNSIGNED</signature></manifest>"
        );
        Self { image, manifest, parts }
    }

    /// Makes a bucket and uploads everything for EC2 to read; the location of the manifest.
    pub(crate) fn upload(&self, client: &Client, bucket: &str) -> String {
        let headers = [("x-amz-object-ownership", "BucketOwnerPreferred")];
        client.s3("PUT", &format!("/{bucket}"), &headers, b"").is_fine();
        let acl = [("x-amz-acl", "aws-exec-read")];
        for (name, part) in &self.parts {
            client.s3("PUT", &format!("/{bucket}/dir/{name}"), &acl, part).is_fine();
        }
        client.s3("PUT", &format!("/{bucket}/dir/m.xml"), &acl, self.manifest.as_bytes()).is_fine();
        format!("{bucket}/dir/m.xml")
    }
}

fn wrap(certificate: &Path, secret: &str) -> String {
    let certificate = certificate.to_str().unwrap();
    hex(&pipe(
        "openssl",
        &["pkeyutl", "-encrypt", "-certin", "-inkey", certificate],
        secret.as_bytes(),
    ))
}
