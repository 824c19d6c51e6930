//! Who may launch an AMI.

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::names::{AccountId, AmiId, OrganizationArn, OrganizationalUnitArn};
use crate::query::Form;
use crate::xml::Element;
use crate::{Ec2, Event};

const ATTRIBUTE: &str = "launchPermission";

/// Someone who may launch an AMI, besides its owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The name of its parameter.
    fn parameter(&self) -> &'static str {
        match self {
            Self::Public => "Group",
            Self::Account(_) => "UserId",
            Self::Organization(_) => "OrganizationArn",
            Self::OrganizationalUnit(_) => "OrganizationalUnitArn",
        }
    }

    fn from_item(item: &Element) -> Option<Self> {
        if let Some(account) = item.text("userId") {
            return account.parse().ok().map(Self::Account);
        }
        if let Some(arn) = item.text("organizationArn") {
            return arn.parse().ok().map(Self::Organization);
        }
        if let Some(arn) = item.text("organizationalUnitArn") {
            return arn.parse().ok().map(Self::OrganizationalUnit);
        }
        (item.text("group") == Some("all")).then_some(Self::Public)
    }
}

impl Ec2 {
    /// Gives and takes launch permissions.
    ///
    /// What is there already, or has gone already, is no error. Nothing is sent if there is nothing to change.
    pub async fn share(
        &self,
        ami: &AmiId,
        add: &[Permission],
        remove: &[Permission],
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(), Error> {
        let mut form = Form::new("ModifyImageAttribute").with("ImageId", ami);
        for (what, permissions) in [("Add", add), ("Remove", remove)] {
            for (n, permission) in (1..).zip(permissions) {
                let name = format!("LaunchPermission.{what}.{n}.{}", permission.parameter());
                form.push(name, permission);
            }
        }
        if !add.is_empty() || !remove.is_empty() {
            self.call(&form, on_event).await?;
        }
        Ok(())
    }

    /// Who may launch an AMI, besides its owner. Only the owner may ask.
    pub async fn permissions(
        &self,
        ami: &AmiId,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<Permission>, Error> {
        const ACTION: &str = "DescribeImageAttribute";
        let form = Form::new(ACTION).with("ImageId", ami).with("Attribute", ATTRIBUTE);
        let answer = self.call(&form, on_event).await?;
        answer
            .items(ATTRIBUTE)
            .map(|item| {
                Permission::from_item(item).ok_or_else(|| {
                    let message = format!("a launch permission of {ami} is of no known sort");
                    Error::new(ACTION, ErrorKind::Unreadable, message)
                })
            })
            .collect()
    }

    /// Takes all launch permissions: nobody but the owner may launch the AMI any more.
    pub async fn reset(&self, ami: &AmiId, on_event: &(dyn Fn(Event) + Sync)) -> Result<(), Error> {
        let form =
            Form::new("ResetImageAttribute").with("ImageId", ami).with("Attribute", ATTRIBUTE);
        self.call(&form, on_event).await.map(drop)
    }
}
