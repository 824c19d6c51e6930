//! `baler register`: a bundle in S3 becomes an AMI.

use anyhow::Context;
use baler_bundle::{Event, UnpackOptions, unpack};
use baler_ec2::{AmiName, Virtualization};
use baler_store::Kind;
use serde_json::json;

use crate::ami::{self, AmiArgs, Head, Wanted};
use crate::args::{self, BundleArg};
use crate::aws::{Aws, AwsArgs, Remote};
use crate::bundle::{Bundle, IN_FLIGHT, Opened, Trust, common_start};
use crate::exit::{Exit, Trouble};
use crate::interrupt::Interruptible;
use crate::keys::KeyArgs;
use crate::place::Place;
use crate::report::{self, Console};

/// Register a bundle in S3 as an AMI
///
/// Before EC2 is asked, the manifest is read, the parts are counted, and EC2's right to read them is looked at. If the
/// AMI is there already, its id is printed and nothing is changed.
///
/// Prints the AMI's id.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// The AMI's name: 3 to 128 letters, digits and ( ) [ ] . / - ' @ _ and spaces; an account has it once in a region
    #[arg(long, short)]
    name: AmiName,

    /// Read all parts and compare them with the manifest first
    #[arg(long)]
    verify: bool,

    /// Register an image of more than 10 GiB, which EC2 refuses but other clouds may take
    #[arg(long)]
    allow_large: bool,

    /// Register it even if its ACL does not show that EC2 may read it
    #[arg(long)]
    ignore_acl: bool,

    /// Ask EC2 whether it would be allowed, and register nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ami: AmiArgs,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    jobs: args::Jobs,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Place::S3(location) = &self.bundle.manifest else {
            return Err(Trouble::usage("EC2 registers bundles that are in S3")
                .hint("copy it there with `baler copy`, and name it as s3://BUCKET/PREFIX/NAME.manifest.xml")
                .into());
        };
        let bundle = Bundle::read(&self.bundle.manifest, &self.aws, console)?;
        let Some((aws, remote)) = &bundle.remote else {
            return Err(Trouble::failed("the bundle is not in S3").into());
        };
        let contents = bundle.manifest.contents();
        ami::check_size(contents, self.allow_large)?;
        let region = ami::check_region(self.aws.region.as_deref(), remote.bucket.region())?;
        let opened = self.open(&bundle, console)?;
        check_signature(&bundle, &self.keys, opened.as_ref(), console)?;
        aws.run(check_parts(remote, &bundle))?;
        if !self.ignore_acl {
            aws.run(check_readable(aws, remote, &bundle, console))?;
        }
        if self.verify {
            self.check_all(&bundle, console)?;
        }
        let layout = match (&opened, &self.ami.virtualization) {
            (Some(opened), None) => look(&bundle, opened),
            _ => None,
        };
        let wanted =
            Wanted { name: self.name.clone(), location: location.path(), contents, layout };
        let registration = self.ami.registration(wanted, console)?;
        let ec2 = ami::ec2(aws, Some(region.as_str()))?;
        if self.dry_run {
            aws.run(async { Ok(ec2.rehearse(&registration, &ami::tell(*console)).await?) })?;
            console.note(&format!(
                "would register `{location}` as `{}`, {}, in {region}; EC2 would allow it",
                self.name,
                registration.virtualization.as_str()
            ));
            if self.json {
                report::json(&json!({
                    "ami": null, "region": region.as_str(), "name": self.name.as_str(), "manifest": location.to_string(),
                    "virtualization": registration.virtualization.as_str(), "dry_run": true,
                }))?;
            }
            return Ok(Exit::Done);
        }
        let ami = aws.run(self.ami.register(&ec2, &registration, console))?;
        match self.json {
            true => report::json(&json!({
                "ami": ami.as_str(), "region": region.as_str(), "name": self.name.as_str(), "manifest": location.to_string(),
                "virtualization": registration.virtualization.as_str(),
            }))?,
            false => report::result(&format!("{ami}\n"))?,
        }
        Ok(Exit::Done)
    }

    /// Opens the bundle, if there is a key.
    fn open(&self, bundle: &Bundle, console: &Console) -> anyhow::Result<Option<Opened>> {
        let Some(user) = self.keys.private_key(console)? else { return Ok(None) };
        match bundle.open(&user, self.keys.certificate()?) {
            Ok(opened) => Ok(Some(opened)),
            // The key that happens to lie in its usual place need not be this bundle's.
            Err(_) if !self.keys.names_key() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_all(&self, bundle: &Bundle, console: &Console) -> anyhow::Result<()> {
        let contents = bundle.manifest.contents();
        let progress =
            console.progress(format!("verifying {}", contents.name), contents.bundled_size);
        let on_event = |event| {
            if let Event::Part(bytes) = event {
                progress.add(bytes);
            }
        };
        let checked = bundle.check_parts(self.jobs.count(), "was not registered", &on_event);
        drop(progress);
        checked
    }
}

fn check_signature(
    bundle: &Bundle,
    keys: &KeyArgs,
    opened: Option<&Opened>,
    console: &Console,
) -> anyhow::Result<()> {
    let trust = bundle.trust(keys, opened)?;
    match trust {
        Trust::Broken | Trust::Unsigned => Err(Trouble::mismatch(format!(
            "the signature of `{}` is {}",
            bundle.place,
            trust.word()
        ))
        .into()),
        Trust::Valid => Ok(()),
        Trust::Unchecked => {
            console.warn("the manifest's signature was not checked: there is neither the key that it was made with nor a certificate");
            Ok(())
        }
    }
}

/// Whether all parts are there, and as long together as the manifest says.
async fn check_parts(remote: &Remote, bundle: &Bundle) -> anyhow::Result<()> {
    let contents = bundle.manifest.contents();
    let looking = || format!("looking for the parts of `{}`", bundle.place);
    let begin = common_start(contents.parts.iter().map(|part| part.filename.as_str()));
    let listed = remote.store.list(begin).await;
    let lens: std::collections::HashMap<_, _> = match listed {
        Ok(listed) => listed.into_iter().map(|entry| (entry.name, entry.len)).collect(),
        Err(error) if error.kind == Kind::Denied => {
            let mut found = std::collections::HashMap::new();
            for part in &contents.parts {
                if let Some(meta) = remote.store.head(&part.filename).await.with_context(looking)? {
                    found.insert(part.filename.clone(), meta.len);
                }
            }
            found
        }
        Err(error) => return Err(error).with_context(looking),
    };
    let missing: Vec<_> = contents
        .parts
        .iter()
        .map(|part| part.filename.as_str())
        .filter(|name| !lens.contains_key(*name))
        .collect();
    if let Some(first) = missing.first() {
        let others = match missing.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        return Err(Trouble::mismatch(format!("`{}` has no part `{first}`{others}", bundle.place))
            .hint("`baler copy` from where the bundle is whole sends what is missing")
            .into());
    }
    let sum: u64 = contents.parts.iter().filter_map(|part| lens.get(&part.filename)).sum();
    if sum != contents.bundled_size {
        let expected = contents.bundled_size;
        return Err(Trouble::mismatch(format!(
            "the parts of `{}` have {sum} bytes together, and the manifest says {expected}",
            bundle.place
        ))
        .hint("`baler verify` names the parts that are wrong")
        .into());
    }
    Ok(())
}

/// Whether EC2 may read all of it, as far as that can be seen.
async fn check_readable(
    aws: &Aws,
    remote: &Remote,
    bundle: &Bundle,
    console: &Console,
) -> anyhow::Result<()> {
    let parts = bundle.manifest.contents().parts.iter().map(|part| part.filename.clone());
    let mut names = std::iter::once(bundle.filename()?.to_owned()).chain(parts);
    let mut tasks = tokio::task::JoinSet::new();
    let mut unseen = None;
    loop {
        while tasks.len() < IN_FLIGHT
            && let Some(name) = names.next()
        {
            let (s3, retry) = (remote.s3.clone(), aws.retry());
            tasks.spawn(async move {
                let found = retry.run(|| s3.ec2_can_read(&name)).await;
                (name, found)
            });
        }
        let Some(done) = tasks.join_next().await else { break };
        let (name, found) = done.context("looking at an ACL")?;
        match found {
            Ok(true) => {}
            Ok(false) => {
                return Err(Trouble::refused(format!("EC2 may not read `{}`", bundle.directory.join(&name)))
                    .hint("its ACL has to be aws-exec-read: `baler copy` from where the bundle came from sets it again; --ignore-acl lets EC2 decide")
                    .into());
            }
            // A service without ACLs, or one that does not show them: EC2 will say.
            Err(error) if matches!(error.kind, Kind::Unsupported | Kind::Denied) => {
                unseen = Some(error)
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = unseen {
        console.note(&format!("whether EC2 may read all of the bundle cannot be seen: {error}"));
    }
    Ok(())
}

/// Looks at how the image begins; that takes its first part.
fn look(bundle: &Bundle, opened: &Opened) -> Option<Virtualization> {
    let (head, seen) = Head::new();
    let options = UnpackOptions::new(&opened.key, &opened.iv);
    let source = Interruptible(bundle.parts_ahead(1));
    // It always ends with an error: the head has enough.
    let _ = unpack(bundle.manifest.contents(), &options, &source, Box::new(head), &|_| {});
    seen()
}
