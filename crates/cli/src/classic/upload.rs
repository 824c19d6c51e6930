//! `ec2-upload-bundle`: a bundle goes to S3.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use baler_bundle::PartSource;
use baler_store::{Acl, Kind, Location, Put, Upload, sha1_of};
use bytes::Bytes;

use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, Takes, flag, value};
use super::s3::{self, Region};
use super::session::{Session, given, require};
use super::unbundle::local_bundle;
use super::{COMMON, Command, Tools};
use crate::aws::{Aws, Remote};
use crate::bundle::{Bundle, IN_FLIGHT, common_start};
use crate::exit::Trouble;
use crate::remote::make_way;
use crate::report::say;
use crate::{interrupt, machine};

pub(super) static COMMAND: Command = Command {
    name: "ec2-upload-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Upload a bundle to S3: its parts, and then its manifest",
    usage: "-b BUCKET[/PREFIX] -m PATH [OPTIONS]",
    new: "baler copy MANIFEST s3://BUCKET/PREFIX",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "What is in S3 already is not sent again, so that the same command goes on where an interrupted one ended. \
            A part that is not what the manifest says is not uploaded.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(Some('m'), "manifest", "PATH", check::file, "The manifest", "the first argument"),
    Spec {
        takes: Takes::Word("ACL", check::ACLS),
        ..flag("acl", "Who may read the objects [default: aws-exec-read]", "--acl")
    },
    value(
        Some('d'),
        "directory",
        "DIR",
        check::directory,
        "Where the parts are [default: beside the manifest]",
        "beside the manifest",
    ),
    value(None, "part", "N", check::part, "Upload the parts from this one on", ""),
    flag("skipmanifest", "Do not upload the manifest", ""),
    value(None, "location", "REGION", check::region, "The region", "--region"),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["bucket", "manifest"])?;
    let place = s3::place(&options, "bucket")?;
    let bundle = local_bundle(&options, "directory")?;
    let region = Region::of(&options)?;
    let is_derived = given(&options, "location").is_none() && given(&options, "region").is_some();
    if let Some(region) =
        region.wanted.as_ref().filter(|region| is_derived && **region != s3::DEFAULT_REGION)
    {
        say(&format!("No location specified, setting location to conform with region: {region}"));
    }
    check_name(session, &place)?;
    let acl = acl(&options)?;
    let aws = s3::connect(session, &options, &region)?;
    let remote = open(session, &aws, &place, &region)?;
    check_kernel(session, &bundle, &remote)?;
    let first = options.os("part").and_then(check::c_number).unwrap_or(0);
    let manifest = !options.has("skipmanifest");
    Sending { session, aws: &aws, bundle: &bundle, remote: &remote, acl, first, manifest }
        .run(&place)
}

/// Who may read it.
pub(super) fn acl(options: &Options) -> anyhow::Result<Acl> {
    let name = given(options, "acl");
    name.map_or(Ok(Acl::default()), |name| name.parse().map_err(|why| Usage(why).into()))
}

/// Names that only old buckets have are asked about.
pub(super) fn check_name(session: &Session, place: &Location) -> anyhow::Result<()> {
    match baler_store::check_new_name(&place.bucket) {
        Ok(()) => Ok(()),
        Err(why) => session.warn(&format!(
            "The bucket '{}' has a name that no new bucket can have: {why}.",
            place.bucket
        )),
    }
}

/// The bucket: found where it is wanted, or made so that EC2 can read what is in it.
pub(super) fn open(
    session: &Session,
    aws: &Arc<Aws>,
    place: &Location,
    region: &Region,
) -> anyhow::Result<Remote> {
    let name = &place.bucket;
    let bucket = match aws.run(aws.find(name))? {
        Some(bucket) if !region.takes(bucket.region()) => {
            let (found, wanted) = (bucket.region(), region.for_new());
            let what = format!("the bucket '{name}' is in '{found}', and '{wanted}' was asked for");
            return Err(Failure::new(Code::Location, what).into());
        }
        Some(bucket) => {
            let troubles = aws.run(aws.troubles(&bucket))?;
            if let Some(trouble) = troubles.first() {
                let what = format!("EC2 could not read from the bucket '{name}': {trouble}");
                let hint =
                    format!("baler check --fix-bucket s3://{name}, or: {}", trouble.remedy(name));
                return Err(anyhow::Error::new(Trouble::refused(what).hint(hint))
                    .context(Failure::new(Code::S3, "nothing was uploaded")));
            }
            bucket
        }
        None => {
            baler_store::check_new_name(name).map_err(|why| Failure::new(Code::S3, why))?;
            session.line("Creating bucket...")?;
            aws.run(aws.create(name, Some(region.for_new())))?
        }
    };
    Ok(aws.at(place, bucket))
}

/// A kernel is in one region only.
fn check_kernel(session: &Session, bundle: &Bundle, remote: &Remote) -> anyhow::Result<()> {
    if bundle.manifest.contents().kernel_id.is_none() {
        return Ok(());
    }
    let here = machine::wait(async {
        let Some(metadata) = machine::metadata().await? else { return Ok(None) };
        Ok(metadata.identity().await?.map(|identity| identity.region.to_string()))
    });
    let bucket = remote.bucket.region();
    match here {
        // Where there is nobody to ask there is nothing to say.
        Ok(Some(here)) if here != bucket => session.warn(&format!(
            "You are bundling in one region ({here}), and uploading to another ({bucket}): the kernel of the manifest may not be there. \
             ec2-migrate-manifest changes it."
        )),
        _ => Ok(()),
    }
}

struct Sending<'a> {
    session: &'a Session,
    aws: &'a Aws,
    bundle: &'a Bundle,
    remote: &'a Remote,
    acl: Acl,
    /// The first part that is sent.
    first: usize,
    manifest: bool,
}

impl Sending<'_> {
    fn run(&self, place: &Location) -> anyhow::Result<()> {
        let doing = || format!("uploading `{}` to `{place}`", self.bundle.place);
        let session = self.session;
        session.line(&format!(
            "Uploading bundled image parts to the S3 bucket {} ...",
            place.bucket
        ))?;
        interrupt::leave(
            "the parts that were uploaded are left, and the same command goes on from there",
        );
        self.parts().with_context(doing)?;
        if self.manifest {
            session.line("Uploading manifest ...")?;
            let (data, put) = self.manifest();
            let filename = self.bundle.filename()?;
            self.aws
                .run(async { Ok(self.remote.store.put(filename, data, &put).await?) })
                .with_context(doing)?;
            session.line("Uploaded manifest.")?;
            session.line(&format!("Manifest uploaded to: {}", place.join(filename).path()))?;
        } else {
            session.line("Skipping manifest.")?;
        }
        session.line("Bundle upload completed.")
    }

    fn manifest(&self) -> (Bytes, Put) {
        let data = Bytes::copy_from_slice(self.bundle.manifest.text().as_bytes());
        let put = Put { sha1: sha1_of(&data), acl: self.acl, overwrite: true };
        (data, put)
    }

    fn parts(&self) -> anyhow::Result<()> {
        let (aws, store) = (self.aws, &self.remote.store);
        let parts = &self.bundle.manifest.contents().parts;
        let mut old = aws.run(self.old())?;
        if old.is_some() {
            let what = "is not whole, and overwrites nothing";
            self.bundle.check_parts(IN_FLIGHT, what, &|_| {})?;
        }
        let begin = common_start(parts.iter().map(|part| part.filename.as_str()));
        // Who may not list looks at each.
        let listed = aws.run(async { Ok(store.list(begin).await.ok()) })?;
        let present = listed.map(|found| found.into_iter().map(|entry| entry.name).collect());
        let lines = Arc::new(Lines::new(parts.iter().map(|part| part.filename.clone()).collect()));
        let told = lines.clone();
        let mut upload = Upload::new(
            store.clone(),
            IN_FLIGHT,
            present,
            Arc::new(move |name: &str, _| told.done(name)),
        );
        let source = self.bundle.parts();
        for (index, part) in parts.iter().enumerate() {
            interrupt::check()?;
            let name = &part.filename;
            if index < self.first {
                lines.skip(name);
                continue;
            }
            let data =
                source.get(name).with_context(|| format!("reading part {index} (`{name}`)"))?;
            let sha1 = sha1_of(&data);
            if sha1 != *part.digest.bytes() {
                let what = format!(
                    "part {index} (`{name}`) is not what the manifest says; no damaged bundle is uploaded"
                );
                return Err(Trouble::mismatch(what).into());
            }
            if let Some(old) = old.take() {
                aws.run(async { Ok(make_way(store, old, self.acl).await?) })?;
            }
            let put = Put { sha1, acl: self.acl, overwrite: true };
            aws.run(async { Ok(upload.put(name.clone(), data.into(), put).await?) })?;
        }
        aws.run(async { Ok(upload.finish().await?) })
    }

    /// Another manifest of that name, which has to make way.
    async fn old(&self) -> anyhow::Result<Option<&str>> {
        let filename = self.bundle.filename()?;
        let (data, put) = self.manifest();
        match self.remote.store.head(filename).await {
            _ if !self.manifest => Ok(None),
            Ok(old) => Ok(old.filter(|old| !old.is(&data, &put.sha1)).map(|_| filename)),
            // Who may not look finds out when it does not let itself be written.
            Err(error) if error.kind == Kind::Denied => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Lines in the order of the parts, whatever the order in which they arrive.
struct Lines {
    order: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    said: usize,
    done: BTreeSet<String>,
    skipped: BTreeSet<String>,
}

impl Lines {
    fn new(order: Vec<String>) -> Lines {
        Lines { order, state: Mutex::default() }
    }

    fn done(&self, name: &str) {
        self.note(|state| state.done.insert(name.to_owned()));
    }

    fn skip(&self, name: &str) {
        self.note(|state| state.skipped.insert(name.to_owned()));
    }

    fn note(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        while let Some(name) = self.order.get(state.said) {
            let what = match (state.done.contains(name), state.skipped.contains(name)) {
                (true, _) => "Uploaded",
                (_, true) => "Skipping",
                _ => break,
            };
            // Where nobody reads any more, the upload goes on all the same.
            let _ = crate::report::result(&format!("{what} {}\n", crate::report::plain(name)));
            state.said += 1;
        }
    }
}
