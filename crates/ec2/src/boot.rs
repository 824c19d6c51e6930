//! The ways a machine boots.

/// The way a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Virtualization {
    /// From its disk, as hardware does.
    Hvm,
    /// From a kernel image outside of it, PV-GRUB as a rule.
    Paravirtual,
}

impl Virtualization {
    /// EC2's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hvm => "hvm",
            Self::Paravirtual => "paravirtual",
        }
    }
}

/// The firmware that a machine boots with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BootMode {
    /// A BIOS. The machines that can have an S3-backed AMI have no other.
    LegacyBios,
    /// UEFI.
    Uefi,
    /// UEFI where there is one.
    UefiPreferred,
}

impl BootMode {
    /// EC2's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LegacyBios => "legacy-bios",
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
        }
    }
}
