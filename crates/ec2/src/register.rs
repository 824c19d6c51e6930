//! A bundle, or a snapshot, becomes an AMI.

use std::time::Duration;

use baler_aws::Attempts;
use tokio::time::Instant;

use crate::client::{Ec2, wait_for_next};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::image::Ami;
use crate::names::AmiId;
use crate::query::Query;
use crate::registration::{ACTION, Registration};

/// The most times that a name is looked up after a lost answer: an image shows after a few seconds, not at once.
const LOOKUPS: u32 = 4;

/// An AMI that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It was registered now.
    New(AmiId),
    /// It was there before, with the same name and manifest or root snapshot. Nothing was changed.
    Already(AmiId),
}

impl Registered {
    /// The AMI.
    pub fn id(&self) -> &AmiId {
        match self {
            Self::New(id) | Self::Already(id) => id,
        }
    }
}

impl Ec2 {
    /// Registers a bundle or volumes, or finds that they are registered.
    ///
    /// The name is looked up first. After a lost answer it is looked up again, and the request is sent again only if the
    /// name is not there; so there is never a second AMI, and an interrupted run can simply be repeated.
    ///
    /// # Errors
    /// A contradiction in `wanted`; [`ErrorKind::NameTaken`] by an image of another source; EC2's refusals, above all of
    /// a manifest that it cannot read; those of the way to EC2, after which it may be unknown whether there is an AMI.
    pub async fn register(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Registered, Error> {
        wanted.check()?;
        if let Some(image) = self.own_image(&wanted.name, on_event).await? {
            return wanted.claim(image).map(Registered::Already);
        }
        let mut attempts = Attempts::new(self.timing().patience);
        let mut was_unclear = false;
        loop {
            let sent = self.once(ACTION, on_event, |client| wanted.request(&client).send()).await;
            let error = match sent.and_then(|answer| registered(answer.image_id())) {
                Ok(ami) => return Ok(Registered::New(ami)),
                Err(error) => error,
            };
            // Someone was faster: an earlier attempt of ours, or another run.
            if error.has_code("InvalidAMIName.Duplicate") {
                let made = if was_unclear { Registered::New } else { Registered::Already };
                return match self.find_registered(wanted, on_event).await {
                    Ok(Some(image)) => wanted.claim(image).map(made),
                    _ => Err(error),
                };
            }
            let unclear = error.is_unclear();
            if unclear {
                was_unclear = true;
                on_event(Event::LookingUp { name: wanted.name.clone() });
                match self.find_registered(wanted, on_event).await {
                    Ok(Some(image)) => return wanted.claim(image).map(Registered::New),
                    Ok(None) => {}
                    Err(_) => return Err(unknown(error, wanted)),
                }
            }
            wait_for_next(&mut attempts, error, on_event)
                .await
                .map_err(|error| if unclear { unknown(error, wanted) } else { error })?;
        }
    }

    /// Asks EC2 whether the caller may register this, and registers nothing.
    ///
    /// EC2 checks permissions and parameters; it does not read the manifest.
    ///
    /// # Errors
    /// As [`Ec2::register`], but for the name.
    pub async fn rehearse(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(), Error> {
        wanted.check()?;
        let dry = |client| wanted.request(&client).dry_run(true).send();
        match self.call(ACTION, on_event, dry).await {
            Err(error) if error.has_code("DryRunOperation") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::new(ACTION, ErrorKind::Unreadable, "a dry run was carried out")),
        }
    }

    /// Waits until an image is available. An image that EC2 does not show yet counts as pending.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`], with EC2's reason, for an image that will never be available; [`ErrorKind::Pending`] after
    /// `patience`; those of the way to EC2.
    pub async fn wait(
        &self,
        ami: &AmiId,
        patience: Duration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Ami, Error> {
        let begun = Instant::now();
        loop {
            let image = match self.images(&Query::id(ami), on_event).await {
                Ok(images) => images.into_iter().find(|image| image.id == ami.as_str()),
                Err(error) if error.has_code("InvalidAMIID.NotFound") => None,
                Err(error) => return Err(error),
            };
            let state = image.as_ref().and_then(|image| image.state.clone());
            match (image, state.as_deref()) {
                (Some(image), Some("available")) => return Ok(image),
                (_, None | Some("pending" | "transient")) => {}
                (Some(image), Some(state)) => return Err(failed(&image, state)),
                (None, Some(_)) => {}
            }
            if begun.elapsed() + self.timing().poll > patience {
                let is = state.as_deref().unwrap_or("not shown");
                let message = format!("{ami} is still {is} after {patience:?}");
                return Err(Error::new("DescribeImages", ErrorKind::Pending { state }, message));
            }
            on_event(Event::Waiting { ami: ami.clone(), state });
            tokio::time::sleep(self.timing().poll).await;
        }
    }

    /// Looks a name up that may have been registered a moment ago.
    async fn find_registered(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<Ami>, Error> {
        for n in 1..=LOOKUPS {
            if let Some(image) = self.own_image(&wanted.name, on_event).await? {
                return Ok(Some(image));
            }
            if n < LOOKUPS {
                // No jitter: the point is to let time pass.
                let patience = self.timing().patience;
                let pause = patience.first_pause * (1 << n);
                tokio::time::sleep(pause.min(patience.longest_pause)).await;
            }
        }
        Ok(None)
    }
}

fn registered(id: Option<&str>) -> Result<AmiId, Error> {
    id.and_then(|id| id.parse().ok()).ok_or_else(|| {
        Error::new(ACTION, ErrorKind::Unreadable, "the answer has no AMI's identifier")
    })
}

fn unknown(error: Error, wanted: &Registration) -> Error {
    error.and(&format!("whether `{}` was registered is not known", wanted.name))
}

fn failed(image: &Ami, state: &str) -> Error {
    let reason = image.state_reason.as_deref().unwrap_or("EC2 gives no reason");
    let message = format!("{} is {state}: {}", image.id, reason.trim_end_matches('.'));
    Error::new("DescribeImages", ErrorKind::Failed { state: state.to_owned() }, message)
}
