//! What `ec2-bundle-image` and `ec2-bundle-vol` have in common.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler::keys::read_certificate;
use baler::{BundleJob, BundlePlan, Input, Made, Place, Provenance, ids};
use baler_manifest::{AccountId, Bundler, Ec2Key};

use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, anything, flag, value};
use super::prompt::{self, Reply};
use super::session::{Session, given};
use crate::args::values;

/// What both take.
pub(super) const OPTIONS: &[Spec] = &[
    value(Some('c'), "cert", "PATH", check::file, "Your X.509 certificate, PEM", "--cert"),
    value(Some('k'), "privatekey", "PATH", check::file, "Your RSA private key, PEM", "--key"),
    value(Some('u'), "user", "ACCOUNT", check::account, "Your AWS account, 12 digits", "--account"),
    value(
        Some('d'),
        "destination",
        "DIR",
        check::directory,
        "The directory for the bundle [default: /tmp]",
        "the second argument",
    ),
    value(
        None,
        "ec2cert",
        "PATH",
        check::file,
        "EC2's certificate, for another cloud [default: built in, by the region]",
        "--ec2-cert",
    ),
    value(
        Some('r'),
        "arch",
        "ARCH",
        anything,
        "The architecture of the image [default: this machine's]",
        "--arch",
    ),
    value(
        None,
        "productcodes",
        "LIST",
        anything,
        "Product codes, separated by commas",
        "--product-codes",
    ),
    value(None, "kernel", "ID", anything, "The kernel to boot with", "--kernel"),
    value(None, "ramdisk", "ID", anything, "The ramdisk to boot with", "--ramdisk"),
    value(
        Some('B'),
        "block-device-mapping",
        "VIRTUAL=DEVICE,...",
        check::mapping,
        "The instance's devices",
        "--block-device-mapping",
    ),
    flag("no-size-checks", "Bundle an image of more than 10 GiB", "--allow-large"),
];

/// Where a bundle goes if nobody says.
pub(super) fn destination(options: &Options) -> anyhow::Result<PathBuf> {
    let typed = options.os("destination").map(PathBuf::from);
    let directory = typed.unwrap_or_else(|| PathBuf::from("/tmp"));
    let found = check::directory(directory.as_os_str());
    found.map_err(|why| {
        Usage(format!("--destination has invalid value '{}': {why}", directory.display()))
    })?;
    Ok(directory)
}

/// The architecture: as it was typed, else as it is here, and whoever is there may say otherwise.
pub(super) fn architecture(session: &Session, options: &Options) -> anyhow::Result<String> {
    let typed = given(options, "arch");
    let found = match typed {
        Some(arch) => arch,
        None => {
            let own = session.architecture();
            let question = format!("Please specify a value for arch [{own}]: ");
            if session.batch {
                own
            } else {
                match prompt::ask(&question, &session.face.stop)? {
                    Reply::Line(answer) if !answer.is_empty() => answer,
                    Reply::Timeout => return Err(prompt::timed_out().into()),
                    _ => own,
                }
            }
        }
    };
    if !["i386", "x86_64", "arm64"].contains(&&*found) {
        session.warn(&format!("Unsupported architecture [{found}]."))?;
    }
    Ok(found)
}

/// What the manifest says of the image, as far as it was typed.
pub(super) fn provenance(options: &Options, architecture: String) -> anyhow::Result<Provenance> {
    let account = options.text("user").unwrap_or_default();
    let account: AccountId =
        account.parse().with_context(|| Usage("missing mandatory parameter: --user".to_owned()))?;
    let mut known = Provenance::new();
    for typed in options.all("block-device-mapping") {
        for found in check::mappings(typed).map_err(Usage)? {
            // The last one counts.
            known.mappings.retain(|old| old.virtual_name != found.virtual_name);
            known.mappings.push(found);
        }
    }
    let codes = options.text("productcodes").unwrap_or_default();
    let codes = codes.split(',').map(str::trim).filter(|code| !code.is_empty());
    known.product_codes = codes.map(str::to_owned).collect();
    known.account = Some(account.to_string());
    known.architecture = Some(architecture);
    known.kernel = given(options, "kernel");
    known.ramdisk = given(options, "ramdisk");
    Ok(known)
}

/// The bundle that will be made of an image or a tree.
pub(super) fn job(
    session: &Session,
    options: &Options,
    source: &Path,
    provenance: Provenance,
    destination: &Path,
    name: &str,
) -> anyhow::Result<BundleJob> {
    let path = |long| options.os(long).map(PathBuf::from);
    let mut job = BundleJob::new(source.to_owned(), destination.to_owned().into(), name);
    job.keys = session.keys(options);
    job.allow_other_certificate = true;
    job.allow_large = true;
    job.overwrite = true;
    job.is_plain = true;
    job.mtime = session.face.environment.now()?;
    job.ec2_certificate = path("ec2cert").or_else(|| installed_certificate(session));
    job.region = region(session);
    job.provenance = provenance;
    // Byte for byte what the tool of that name writes.
    job.bundler = Bundler {
        name: "ec2-ami-tools".to_owned(),
        version: "1.5".to_owned(),
        release: "3".to_owned(),
    };
    Ok(job)
}

/// The region of EC2's key where the environment names none that EC2 could have: the old tools never looked there.
fn region(session: &Session) -> Option<String> {
    let environment = &session.face.environment.library;
    if environment.ec2_certificate.is_some() {
        return None;
    }
    let named = environment.region.as_deref()?;
    values::region(named).err()?;
    let what = format!("`{named}` is not an EC2 region; the bundle is for {DEFAULT_REGION}");
    session.face.console.warn(&what);
    Some(DEFAULT_REGION.to_owned())
}

/// The region where none is named.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

/// The certificate in the old tools' own directory, where it is that of another cloud: AWS's are built in, and chosen by
/// the region.
fn installed_certificate(session: &Session) -> Option<PathBuf> {
    let home = session.face.environment.classic.home.as_ref()?;
    let path = home.join("etc/ec2/amitools/cert-ec2.pem");
    let key = read_certificate(&path, &session.face.stop).ok()?;
    let own = [Ec2Key::Commercial, Ec2Key::GovCloud, Ec2Key::China].map(Ec2Key::public_key);
    (!own.contains(&key)).then_some(path)
}

/// Says that a bundle is begun.
fn begin(session: &Session, stream: &Place) -> anyhow::Result<()> {
    session.line("Bundling image file...")?;
    session.line(&format!("Splitting {stream}..."))
}

/// Makes the bundle and says so, line for line as the old tools did. A tree is not copied before its bundle is made.
pub(super) fn make(
    session: &Session,
    plan: BundlePlan,
    input: Input,
    missing: &[&str],
) -> anyhow::Result<()> {
    let run = session.run();
    plan.check(&run)?;
    let is_tree = matches!(input, Input::Tree(_));
    let unmapped = ids::missing(&plan.contents().mappings);
    let stream = plan.place().join(&format!("{}.tar.gz.enc", plan.contents().name));
    if !is_tree {
        begin(session, &stream)?;
    }
    let made = plan.make(input, &run);
    let Made { place, packed, .. } =
        made.with_context(|| Failure::new(Code::Failed, "the image was not bundled"))?;
    if is_tree {
        session.line("Volume cloning done.")?;
        begin(session, &stream)?;
    }
    for part in &packed.parts {
        session.line(&format!("Created {}", part.filename))?;
    }
    session.line("Generating digests for each part...")?;
    session.line("Digests generated.")?;
    for item in missing {
        session.line(&format!("Unable to read instance meta-data for {item}"))?;
    }
    for absent in unmapped {
        session.line(&format!("Block-device-mapping has no '{absent}' entry. EC2 chooses one when an instance is launched."))?;
    }
    session.line("Creating bundle manifest...")?;
    session.line(&format!("Bundle manifest is {place}"))?;
    session.complete()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_codes_are_a_list() {
        let options = Options::parse(
            &[OPTIONS],
            [
                "-u",
                "1234-5678-9012",
                "--productcodes",
                "A,B",
                "-B",
                "root=/dev/sda1",
                "-B",
                "ami=sda1,root=/dev/xvda",
            ]
            .map(Into::into),
        );
        let known = provenance(&options.ok().unwrap(), "i386".to_owned()).unwrap();
        assert_eq!(known.product_codes, ["A", "B"]);
        assert_eq!(known.account.as_deref(), Some("123456789012"));
        let mappings: Vec<_> = known.mappings.iter().map(|mapping| &*mapping.device).collect();
        assert_eq!(mappings, ["sda1", "/dev/xvda"]);
    }
}
