//! An AMI goes, and with it what belongs to it, if that is wanted.

use baler_ec2::{Ami, AmiId, Ec2, Query, SnapshotOutcome};
use baler_store::{Location, LocationError};

use super::remove::Removal;
use crate::advice::Advice;
use crate::ami;
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::place::Place;
use crate::run::Run;

/// A job that deregisters an AMI.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeregisterJob {
    /// The AMI.
    pub ami: AmiId,
    /// Deletes its bundle in S3 too.
    pub delete_bundle: bool,
    /// Deletes its snapshots too.
    pub delete_snapshots: bool,
}

/// The plan of a deregistration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Deregistration {
    /// The AMI, as EC2 shows it.
    pub image: Ami,
    /// The files of its bundle that will be deleted.
    pub bundle: Option<Removal>,
    /// Its snapshots.
    pub snapshots: Vec<String>,
    ec2: Ec2,
}

/// The result of a deregistration.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Deregistered {
    /// The files of the bundle that were deleted.
    pub deleted: Vec<Place>,
    /// The manifest of a bundle that is left, and costs storage.
    pub bundle_left: Option<String>,
    /// The snapshots that are left and cost storage, with those of which EC2 did not say that they are deleted.
    pub snapshots_left: Vec<String>,
}

impl DeregisterJob {
    /// The AMI alone.
    pub fn new(ami: AmiId) -> DeregisterJob {
        DeregisterJob { ami, delete_bundle: false, delete_snapshots: false }
    }

    /// Looks at what there is, and changes nothing.
    ///
    /// # Errors
    /// That there is no such AMI, and a bundle that others use.
    pub fn plan(&self, run: &Run) -> Result<Deregistration> {
        let ec2 = run.ec2(None)?;
        let image = run.wait(ami::find(&ec2, &self.ami, run))?;
        let bundle = match self.bundle(&image, run) {
            // The rest can still be done.
            Err(error) if is_gone(&error) => {
                run.report(Event::BundleGone(&error));
                None
            }
            bundle => bundle?,
        };
        if let (Some(_), Some(location)) = (&bundle, &image.location) {
            run.wait(self.check_others(&ec2, location, run))?;
        }
        let snapshots = image.snapshots().map(str::to_owned).collect();
        Ok(Deregistration { image, bundle, snapshots, ec2 })
    }

    /// Does it: the AMI first.
    ///
    /// # Errors
    /// What EC2 refuses, and what deleting the bundle says. Snapshots that could not be deleted are no error here, but of
    /// [`Deregistered::check`].
    pub fn run(&self, planned: &Deregistration, run: &Run) -> Result<Deregistered> {
        let report = ami::reporter(run);
        let done = run.wait(async {
            Ok(planned.ec2.deregister(&self.ami, self.delete_snapshots, &report).await?)
        });
        let done = done.with_context(|| format!("deregistering {}", self.ami))?;
        let snapshots_left = self.left(planned, &done, run);
        run.report(Event::Deregistered(self.ami.as_str()));
        let mut deleted = Vec::new();
        if let Some(removal) = &planned.bundle {
            removal.run(run)?;
            deleted = removal.places();
        }
        let image = &planned.image;
        let is_left = planned.bundle.is_none() && image.is_s3_backed();
        let bundle_left = image.location.clone().filter(|_| is_left);
        Ok(Deregistered { deleted, bundle_left, snapshots_left })
    }

    /// The snapshots that EC2 did not say to be deleted: a service that does not know the option says nothing of them.
    fn left(
        &self,
        planned: &Deregistration,
        done: &baler_ec2::Deregistered,
        run: &Run,
    ) -> Vec<String> {
        if !self.delete_snapshots {
            return planned.snapshots.clone();
        }
        if done.answer_was_lost {
            if !planned.snapshots.is_empty() {
                run.report(Event::SnapshotsUnknown);
            }
            return planned.snapshots.clone();
        }
        let unnamed = |id: &&String| done.snapshots.iter().all(|(named, _)| named != *id);
        let named =
            done.snapshots.iter().filter(|(_, outcome)| *outcome != SnapshotOutcome::Deleted);
        let named = named.map(|(snapshot, outcome)| (snapshot, why(outcome)));
        let unnamed = planned.snapshots.iter().filter(unnamed);
        let unnamed = unnamed.map(|snapshot| (snapshot, "EC2's answer does not name it"));
        let left = named.chain(unnamed);
        left.map(|(snapshot, why)| {
            run.report(Event::SnapshotLeft { snapshot, why });
            snapshot.clone()
        })
        .collect()
    }

    /// Refuses to delete a bundle that other AMIs start from.
    async fn check_others(&self, ec2: &Ec2, location: &str, run: &Run) -> Result<()> {
        let query = Query::own().filter("manifest-location", location);
        let found = ec2.images(&query, &ami::reporter(run)).await;
        let found = found.with_context(|| format!("looking for others that use `{location}`"))?;
        let ids = found.iter().map(|image| image.id.to_string());
        let others: Vec<_> = ids.filter(|id| id != self.ami.as_str()).collect();
        if others.is_empty() {
            return Ok(());
        }
        Err(Error::failed(format!("{} start from the same bundle", others.join(", ")))
            .advise(Advice::KeepBundle { is_shared: true }))
    }

    /// What of the bundle will be deleted.
    fn bundle(&self, image: &Ami, run: &Run) -> Result<Option<Removal>> {
        if !self.delete_bundle {
            return Ok(None);
        }
        let location = image.location.as_ref().filter(|_| image.is_s3_backed());
        let location = location.ok_or_else(|| {
            Error::usage(format!("{} has no bundle: its root device is not in S3", self.ami))
                .advise(Advice::KeepBundle { is_shared: false })
        })?;
        let place: Location =
            format!("s3://{location}").parse().map_err(|rule: LocationError| {
                Error::failed(format!("`{location}` is not a manifest in S3: {rule}"))
            })?;
        let removal = Removal::of_manifest(&Place::S3(place), run)?;
        removal.warn(run);
        Ok(Some(removal))
    }
}

impl Deregistered {
    /// Insists on EC2 having said of all snapshots that were to be deleted that they are.
    ///
    /// # Errors
    /// Of some it did not.
    pub fn check(&self, wanted: &DeregisterJob) -> Result<()> {
        if !wanted.delete_snapshots || self.snapshots_left.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!("some snapshots of {} are left, or may be", wanted.ami)))
    }
}

fn is_gone(error: &Error) -> bool {
    let is_gone = |error: &baler_store::Error| error.kind == baler_store::Kind::NotFound;
    error.find::<baler_store::Error>().is_some_and(is_gone)
}

fn why(outcome: &SnapshotOutcome) -> &str {
    match outcome {
        SnapshotOutcome::Deleted => "it is deleted",
        SnapshotOutcome::Skipped => "another AMI uses it",
        SnapshotOutcome::MissingPermissions => "the credentials need ec2:DeleteSnapshot",
        SnapshotOutcome::Failed(word) => word,
        _ => "EC2 refused",
    }
}
