//! The end of an AMI.

use aws_sdk_ec2::Client;

use crate::client::Ec2;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::names::AmiId;

/// The outcome of a deregistration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deregistered {
    /// The snapshots that were to be deleted with it, and the outcome for each.
    pub snapshots: Vec<(String, SnapshotOutcome)>,
    /// Whether the answer was lost: the AMI is gone, and the outcome for its snapshots is not known.
    pub answer_was_lost: bool,
}

/// The outcome for a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotOutcome {
    /// It is deleted.
    Deleted,
    /// Another image needs it.
    Skipped,
    /// The caller may not delete it.
    MissingPermissions,
    /// Something else, in EC2's word.
    Failed(String),
}

impl SnapshotOutcome {
    fn from_code(code: &str) -> Self {
        match code {
            "success" => Self::Deleted,
            "skipped" => Self::Skipped,
            "missing-permissions" => Self::MissingPermissions,
            other => Self::Failed(other.to_owned()),
        }
    }
}

impl Ec2 {
    /// Deregisters an AMI. Its bundle in S3 stays, and so do instances.
    ///
    /// With `snapshots`, the snapshots of an EBS-backed one are deleted too; that can fail for each one by itself.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], unless an earlier attempt of this call may have done it; EC2's refusals, above all of a
    /// protected image; those of the way to EC2.
    pub async fn deregister(
        &self,
        ami: &AmiId,
        snapshots: bool,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Deregistered, Error> {
        let request = |client: Client| {
            let request = client.deregister_image().image_id(ami.as_str());
            request.set_delete_associated_snapshots(snapshots.then_some(true)).send()
        };
        let mut unclear = false;
        match self.call_noting("DeregisterImage", on_event, &mut unclear, request).await {
            Ok(answer) => Ok(Deregistered {
                snapshots: answer
                    .delete_snapshot_results()
                    .iter()
                    .filter_map(|result| {
                        let outcome = SnapshotOutcome::from_code(result.return_code()?.as_str());
                        Some((result.snapshot_id()?.to_owned(), outcome))
                    })
                    .collect(),
                answer_was_lost: false,
            }),
            // An earlier attempt was carried out.
            Err(error) if unclear && error.kind == ErrorKind::NotFound => {
                Ok(Deregistered { snapshots: Vec::new(), answer_was_lost: true })
            }
            Err(error) => Err(error),
        }
    }
}
