//! An AMI goes.

use crate::error::{Error, ErrorKind};
use crate::names::AmiId;
use crate::query::Form;
use crate::{Ec2, Event};

/// What came of a deregistration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deregistered {
    /// The snapshots that were to go with it, and what became of each.
    pub snapshots: Vec<(String, SnapshotOutcome)>,
    /// Whether the answer was lost: the AMI has gone, and what became of its snapshots is not known.
    pub answer_was_lost: bool,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotOutcome {
    /// It has gone.
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
    /// With `snapshots`, the snapshots of an EBS-backed one go too; what became of each is in the answer, since that
    /// fails one by one.
    pub async fn deregister(
        &self,
        ami: &AmiId,
        snapshots: bool,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Deregistered, Error> {
        let form = Form::new("DeregisterImage")
            .with("ImageId", ami)
            .with_some("DeleteAssociatedSnapshots", snapshots.then_some(true));
        let mut unclear = false;
        match self.call_noting(&form, on_event, &mut unclear).await {
            Ok(answer) => Ok(Deregistered {
                snapshots: answer
                    .items("deleteSnapshotResultSet")
                    .filter_map(|item| {
                        let outcome = SnapshotOutcome::from_code(item.text("returnCode")?);
                        Some((item.string("snapshotId")?, outcome))
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
