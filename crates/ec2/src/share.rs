//! Launch permissions.

use std::fmt;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    ImageAttributeName, LaunchPermission, LaunchPermissionModifications, PermissionGroup,
    ResetImageAttributeName,
};
use baler_aws::AccountId;

use crate::client::Ec2;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::names::{AmiId, OrganizationArn, OrganizationalUnitArn};

/// Someone who may launch an AMI, besides its owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// Everyone.
    Public,
    /// An account.
    Account(AccountId),
    /// All accounts of an organization.
    Organization(OrganizationArn),
    /// All accounts of an organizational unit.
    OrganizationalUnit(OrganizationalUnitArn),
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("all"),
            Self::Account(account) => account.fmt(f),
            Self::Organization(arn) => arn.fmt(f),
            Self::OrganizationalUnit(arn) => arn.fmt(f),
        }
    }
}

impl Permission {
    fn to_request(&self) -> LaunchPermission {
        let permission = LaunchPermission::builder();
        match self {
            Self::Public => permission.group(PermissionGroup::All),
            Self::Account(account) => permission.user_id(account.as_str()),
            Self::Organization(arn) => permission.organization_arn(arn.as_str()),
            Self::OrganizationalUnit(arn) => permission.organizational_unit_arn(arn.as_str()),
        }
        .build()
    }

    fn of_answer(permission: &LaunchPermission) -> Option<Self> {
        if let Some(account) = permission.user_id() {
            return account.parse().ok().map(Self::Account);
        }
        if let Some(arn) = permission.organization_arn() {
            return arn.parse().ok().map(Self::Organization);
        }
        if let Some(arn) = permission.organizational_unit_arn() {
            return arn.parse().ok().map(Self::OrganizationalUnit);
        }
        (permission.group() == Some(&PermissionGroup::All)).then_some(Self::Public)
    }
}

impl Ec2 {
    /// Gives and takes launch permissions.
    ///
    /// A permission that is there already, or is already gone, is no error. Nothing is sent if there is nothing to change.
    ///
    /// # Errors
    /// EC2's refusals, above all of public access that the account blocks; those of the way to EC2.
    pub async fn share(
        &self,
        ami: &AmiId,
        add: &[Permission],
        remove: &[Permission],
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(), Error> {
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let list = |permissions: &[Permission]| {
            let list: Vec<_> = permissions.iter().map(Permission::to_request).collect();
            (!list.is_empty()).then_some(list)
        };
        let request = |client: Client| {
            let change = LaunchPermissionModifications::builder()
                .set_add(list(add))
                .set_remove(list(remove));
            let request = client.modify_image_attribute().image_id(ami.as_str());
            request.launch_permission(change.build()).send()
        };
        self.call("ModifyImageAttribute", on_event, request).await.map(drop)
    }

    /// Those who may launch an AMI, besides its owner. Only the owner may ask.
    ///
    /// # Errors
    /// EC2's refusals; a permission of no known kind; those of the way to EC2.
    pub async fn permissions(
        &self,
        ami: &AmiId,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<Permission>, Error> {
        const ACTION: &str = "DescribeImageAttribute";
        let request = |client: Client| {
            let request = client.describe_image_attribute().image_id(ami.as_str());
            request.attribute(ImageAttributeName::LaunchPermission).send()
        };
        let answer = self.call(ACTION, on_event, request).await?;
        answer
            .launch_permissions()
            .iter()
            .map(|permission| {
                Permission::of_answer(permission).ok_or_else(|| {
                    let message = format!("a launch permission of {ami} is of no known kind");
                    Error::new(ACTION, ErrorKind::Unreadable, message)
                })
            })
            .collect()
    }

    /// Takes all launch permissions: then only the owner may launch the AMI.
    ///
    /// # Errors
    /// EC2's refusals; those of the way to EC2.
    pub async fn reset(&self, ami: &AmiId, on_event: &(dyn Fn(Event) + Sync)) -> Result<(), Error> {
        let request = |client: Client| {
            let request = client.reset_image_attribute().image_id(ami.as_str());
            request.attribute(ResetImageAttributeName::LaunchPermission).send()
        };
        self.call("ResetImageAttribute", on_event, request).await.map(drop)
    }
}
