//! What the errors of services mean for a job.

use std::error::Error as StdError;

use baler_ec2::ErrorKind;

use crate::advice::Advice;
use crate::kind::Kind;

/// The sort of the failure, if it is a service's.
pub(crate) fn kind_of(link: &(dyn StdError + 'static)) -> Option<Kind> {
    if let Some(error) = link.downcast_ref::<baler_store::Error>() {
        return Some(match error.kind {
            baler_store::Kind::Mismatch => Kind::Mismatch,
            _ if error.is_refusal() => Kind::Refused,
            _ => Kind::Failed,
        });
    }
    let error = link.downcast_ref::<baler_ec2::Error>()?;
    let is_refusal = error.status.is_some()
        || matches!(error.kind, ErrorKind::NameTaken { .. } | ErrorKind::Failed { .. });
    Some(if is_refusal { Kind::Refused } else { Kind::Failed })
}

/// What a service's error advises.
pub(crate) fn advice_of(link: &(dyn StdError + 'static)) -> Option<Advice> {
    if let Some(error) = link.downcast_ref::<baler_store::Error>() {
        return match error.advice()? {
            baler_store::Advice::AllowAcls => Some(Advice::AllowAcls),
            baler_store::Advice::ChooseRegion(region) => Some(Advice::ChooseRegion(Some(region))),
            baler_store::Advice::AllowOverwrite => Some(Advice::AllowOverwrite),
            baler_store::Advice::CreateBucket => Some(Advice::CreateBucket),
            baler_store::Advice::Say(words) => Some(Advice::Say(words)),
            _ => None,
        };
    }
    link.downcast_ref::<baler_ec2::Error>()?.advice().map(Advice::say)
}
