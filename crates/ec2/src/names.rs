//! Texts that are checked when they are typed: names, identifiers, mappings, and EC2's rules for them.
//!
//! Each type is made by parsing only, so a value of it keeps EC2's rule. The error tells the rule, and where a text that
//! keeps it is near, suggests that.

mod ids;

mod device;

mod ebs;
mod mapping;

pub use device::DeviceName;
pub use ebs::EbsVolume;
pub use ids::{
    AmiId, AmiName, ImageId, KernelId, OrganizationArn, OrganizationalUnitArn, RamdiskId,
    SnapshotId,
};
pub use mapping::{Mapping, Volume};

#[cfg(test)]
mod tests;
