//! What `ec2-bundle-image` and `ec2-bundle-vol` have in common.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_bundle::Level;
use baler_ec2::Metadata;
use baler_manifest::{AccountId, BlockDeviceMapping, Bundler, Contents, Ec2Key, check_draft};

use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, anything, flag, value};
use super::prompt::{self, Answer};
use super::session::Session;
use crate::args::volume::VolumeArgs;
use crate::cmd::bundle::destination::Destination;
use crate::cmd::bundle::make::{Made, Plan};
use crate::cmd::mapping;
use crate::input::Input;
use crate::keys::{self, KeyArgs};
use crate::machine;

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
        "Where the bundle goes [default: /tmp]",
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
        "The architecture of the machine in the image [default: this machine's]",
        "--arch",
    ),
    value(
        None,
        "productcodes",
        "LIST",
        anything,
        "Product codes, with commas between them",
        "--product-codes",
    ),
    value(None, "kernel", "ID", anything, "The kernel to boot with", "--kernel"),
    value(None, "ramdisk", "ID", anything, "The ramdisk to boot with", "--ramdisk"),
    value(
        Some('B'),
        "block-device-mapping",
        "VIRTUAL=DEVICE,...",
        check::mapping,
        "Which devices the instance sees",
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
    let typed = super::session::given(options, "arch");
    let found = match typed {
        Some(arch) => arch,
        None => {
            let own = session.architecture();
            let question = format!("Please specify a value for arch [{own}]: ");
            match session.batch {
                true => own,
                false => match prompt::ask(&question)? {
                    Answer::Line(answer) if !answer.is_empty() => answer,
                    Answer::Timeout => return Err(prompt::timed_out().into()),
                    _ => own,
                },
            }
        }
    };
    if !["i386", "x86_64", "arm64"].contains(&&*found) {
        session.warn(&format!("Unsupported architecture [{found}]."))?;
    }
    Ok(found)
}

/// What the manifest will say, but for what comes of the work.
pub(super) fn contents(
    options: &Options,
    name: &str,
    architecture: String,
) -> anyhow::Result<Contents> {
    let account = options.text("user").unwrap_or_default();
    let account: AccountId =
        account.parse().with_context(|| Usage("missing mandatory parameter: --user".to_owned()))?;
    let mut mappings = Vec::<BlockDeviceMapping>::new();
    for typed in options.all("block-device-mapping") {
        for found in check::mappings(typed).map_err(Usage)? {
            // The last one counts.
            mappings.retain(|old| old.virtual_name != found.virtual_name);
            mappings.push(found);
        }
    }
    let codes = options.text("productcodes").unwrap_or_default();
    let codes = codes.split(',').map(str::trim).filter(|code| !code.is_empty());
    let id = |long| super::session::given(options, long);
    // Byte for byte what the tool of that name writes.
    let bundler = Bundler {
        name: "ec2-ami-tools".to_owned(),
        version: "1.5".to_owned(),
        release: "3".to_owned(),
    };
    let mut contents = Contents::draft(bundler, name, &account, architecture);
    contents.mappings = mappings;
    contents.kernel_id = id("kernel");
    contents.ramdisk_id = id("ramdisk");
    contents.product_codes = codes.map(str::to_owned).collect();
    Ok(contents)
}

/// What is inherited from the instance where it was not typed; gives the items that are not there.
pub(super) async fn inherit(
    metadata: &Metadata,
    contents: &mut Contents,
) -> anyhow::Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    let mut note = |is_there: bool, item| {
        if !is_there {
            missing.push(item);
        }
    };
    if contents.ancestry.is_empty() {
        contents.ancestry = metadata.ancestors().await?;
        note(!contents.ancestry.is_empty(), "ancestor-ami-ids");
    }
    if contents.kernel_id.is_none() {
        contents.kernel_id = metadata.kernel().await?;
        note(contents.kernel_id.is_some(), "kernel-id");
    }
    if contents.ramdisk_id.is_none() {
        contents.ramdisk_id = metadata.ramdisk().await?;
        note(contents.ramdisk_id.is_some(), "ramdisk-id");
    }
    if contents.product_codes.is_empty() {
        contents.product_codes = metadata.product_codes().await?;
        note(!contents.product_codes.is_empty(), "product-codes");
    }
    if contents.mappings.is_empty() {
        let found = metadata.block_device_mapping().await?;
        note(!found.is_empty(), "block-device-mapping");
        // EBS volumes of this one instance are none of the image's.
        let own = found.into_iter().filter(|(name, _)| !name.starts_with("ebs"));
        let pairs =
            own.filter_map(|(name, device)| mapping::mapping(&format!("{name}={device}")).ok());
        contents.mappings = pairs.collect();
    }
    let ami = metadata.ami_id().await?;
    note(ami.is_some(), "ami-id");
    contents.ancestry.extend(ami);
    Ok(missing)
}

/// The bundle that will be made of an image or a tree.
pub(super) fn plan(
    session: &Session,
    options: &Options,
    source: &Path,
    volume: VolumeArgs,
    manifest: Contents,
    destination: &Path,
) -> anyhow::Result<Plan> {
    check_draft(&manifest)
        .context(Failure::new(Code::Other, "the manifest could not be written"))?;
    let path = |long| options.os(long).map(PathBuf::from);
    let args = KeyArgs { key: path("privatekey"), cert: path("cert"), passphrase_file: None };
    let user = args.private_key(&session.console)?;
    if let (Some(user), Some(certificate)) = (&user, args.certificate()?)
        && certificate != *user.key.public()
    {
        session.console.warn("the certificate does not belong to the private key; the bundle opens with the private key");
    }
    let (ec2, ec2_name) =
        keys::ec2_key(path("ec2cert").or_else(installed_certificate), region(session))?;
    Ok(Plan {
        image: source.to_owned(),
        volume,
        destination: Destination::Directory(destination.to_owned()),
        overwrite: true,
        level: Level::DEFAULT,
        jobs: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(24)),
        mtime: machine::now()?,
        user,
        ec2,
        ec2_name,
        manifest,
        register: None,
    })
}

/// The region of EC2's key where the environment names none that EC2 could have: the old tools never looked there.
fn region(session: &Session) -> Option<String> {
    let set = |name: &&str| std::env::var(name).ok().filter(|text| !text.is_empty());
    if set(&"EUCALYPTUS_CERT").is_some() {
        return None;
    }
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(set)?;
    crate::aws::region(&named).err()?;
    let region = super::s3::DEFAULT_REGION;
    session.console.warn(&format!("`{named}` is no region of EC2's; the bundle is for {region}"));
    Some(region.to_owned())
}

/// The certificate in the old tools' own directory, where it is that of another cloud: AWS's are built in, and chosen by
/// the region.
fn installed_certificate() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|home| !home.is_empty());
    let home = set("EC2_AMITOOL_HOME").or_else(|| set("EC2_HOME"))?;
    let path = Path::new(&home).join("etc/ec2/amitools/cert-ec2.pem");
    let key = keys::read_certificate(&path).ok()?;
    let own = [Ec2Key::Commercial, Ec2Key::GovCloud, Ec2Key::China].map(Ec2Key::public_key);
    (!own.contains(&key)).then_some(path)
}

/// Makes the bundle and says so, line for line as it always was. A tree is not copied before its bundle is made.
pub(super) fn make(
    session: &Session,
    mut plan: Plan,
    input: Input,
    missing: &[&str],
) -> anyhow::Result<()> {
    let stream = plan.destination.place().join(&format!("{}.tar.gz.enc", plan.manifest.name));
    plan.check()?;
    let is_tree = matches!(input, Input::Volume(_));
    let begun = || {
        session.line("Bundling image file...")?;
        session.line(&format!("Splitting {stream}..."))
    };
    if !is_tree {
        begun()?;
    }
    let made = plan.make(input, &session.console);
    let Made { place, packed, .. } =
        made.with_context(|| Failure::new(Code::Failed, "the image was not bundled"))?;
    if is_tree {
        session.line("Volume cloning done.")?;
        begun()?;
    }
    for part in &packed.parts {
        session.line(&format!("Created {}", part.filename))?;
    }
    session.line("Generating digests for each part...")?;
    session.line("Digests generated.")?;
    for item in missing {
        session.line(&format!("Unable to read instance meta-data for {item}"))?;
    }
    for absent in mapping::missing(&plan.manifest.mappings) {
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
        let contents = contents(&options.ok().unwrap(), "image", "i386".to_owned()).unwrap();
        assert_eq!(contents.product_codes, ["A", "B"]);
        assert_eq!(contents.account, "123456789012");
        let mappings: Vec<_> = contents.mappings.iter().map(|mapping| &*mapping.device).collect();
        assert_eq!(mappings, ["sda1", "/dev/xvda"]);
    }
}
