//! The elements of a manifest: where each may be and what is in it (`docs/format.md`, "The manifest").

/// One of the elements that have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Manifest,
    Version,
    Bundler,
    BundlerName,
    BundlerVersion,
    BundlerRelease,
    MachineConfiguration,
    Architecture,
    Mappings,
    Mapping,
    MappingVirtual,
    MappingDevice,
    KernelId,
    RamdiskId,
    ProductCodes,
    ProductCode,
    Image,
    Name,
    User,
    Type,
    KernelName,
    Ancestry,
    Ancestor,
    Digest,
    Size,
    BundledSize,
    Ec2Key,
    UserKey,
    Ec2Iv,
    UserIv,
    Parts,
    Part,
    PartName,
    PartDigest,
    Signature,
    /// One that has none: whatever is in it is well-formed and skipped.
    Unknown,
}

/// What is in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Elements,
    Text,
    Anything,
}

use Element as E;
use Holds::{Elements, Text};

/// An element, what it is in, its path, whether there may be several, and what is in it.
type Row = (Element, Element, &'static str, bool, Holds);

/// Every element below the root. The path ends in the name.
const TABLE: [Row; 34] = [
    (E::Version, E::Manifest, "version", false, Text),
    (E::Bundler, E::Manifest, "bundler", false, Elements),
    (E::BundlerName, E::Bundler, "bundler/name", false, Text),
    (E::BundlerVersion, E::Bundler, "bundler/version", false, Text),
    (E::BundlerRelease, E::Bundler, "bundler/release", false, Text),
    (E::MachineConfiguration, E::Manifest, "machine_configuration", false, Elements),
    (E::Architecture, E::MachineConfiguration, "machine_configuration/architecture", false, Text),
    (
        E::Mappings,
        E::MachineConfiguration,
        "machine_configuration/block_device_mapping",
        false,
        Elements,
    ),
    (E::Mapping, E::Mappings, "machine_configuration/block_device_mapping/mapping", true, Elements),
    (
        E::MappingVirtual,
        E::Mapping,
        "machine_configuration/block_device_mapping/mapping/virtual",
        false,
        Text,
    ),
    (
        E::MappingDevice,
        E::Mapping,
        "machine_configuration/block_device_mapping/mapping/device",
        false,
        Text,
    ),
    (E::KernelId, E::MachineConfiguration, "machine_configuration/kernel_id", false, Text),
    (E::RamdiskId, E::MachineConfiguration, "machine_configuration/ramdisk_id", false, Text),
    (
        E::ProductCodes,
        E::MachineConfiguration,
        "machine_configuration/product_codes",
        false,
        Elements,
    ),
    (
        E::ProductCode,
        E::ProductCodes,
        "machine_configuration/product_codes/product_code",
        true,
        Text,
    ),
    (E::Image, E::Manifest, "image", false, Elements),
    (E::Name, E::Image, "image/name", false, Text),
    (E::User, E::Image, "image/user", false, Text),
    (E::Type, E::Image, "image/type", false, Text),
    (E::KernelName, E::Image, "image/kernel_name", false, Text),
    (E::Ancestry, E::Image, "image/ancestry", false, Elements),
    (E::Ancestor, E::Ancestry, "image/ancestry/ancestor_ami_id", true, Text),
    (E::Digest, E::Image, "image/digest", false, Text),
    (E::Size, E::Image, "image/size", false, Text),
    (E::BundledSize, E::Image, "image/bundled_size", false, Text),
    (E::Ec2Key, E::Image, "image/ec2_encrypted_key", false, Text),
    (E::UserKey, E::Image, "image/user_encrypted_key", false, Text),
    (E::Ec2Iv, E::Image, "image/ec2_encrypted_iv", false, Text),
    (E::UserIv, E::Image, "image/user_encrypted_iv", false, Text),
    (E::Parts, E::Image, "image/parts", false, Elements),
    (E::Part, E::Parts, "image/parts/part", true, Elements),
    (E::PartName, E::Part, "image/parts/part/filename", false, Text),
    (E::PartDigest, E::Part, "image/parts/part/digest", false, Text),
    (E::Signature, E::Manifest, "signature", false, Text),
];

impl Element {
    /// The element called `name` within `self`; [`Element::Unknown`] if that has no meaning.
    pub(super) fn child(self, name: &str) -> Self {
        TABLE
            .iter()
            .find(|row| row.1 == self && row.2.rsplit('/').next() == Some(name))
            .map_or(Self::Unknown, |row| row.0)
    }

    /// The elements that `self` holds.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        TABLE.iter().filter(move |row| row.1 == self).map(|row| row.0)
    }

    /// The path below the root, for messages.
    pub(super) fn path(self) -> &'static str {
        self.row()
            .map_or(if self == Self::Manifest { "manifest" } else { "an unknown element" }, |row| {
                row.2
            })
    }

    /// Whether its parent may hold several.
    pub(super) fn repeats(self) -> bool {
        self.row().is_none_or(|row| row.3)
    }

    /// What is in it.
    pub(super) fn holds(self) -> Holds {
        self.row()
            .map_or(if self == Self::Manifest { Elements } else { Holds::Anything }, |row| row.4)
    }

    fn row(self) -> Option<&'static Row> {
        // The rows are in the order of the elements, the root before the first and `Unknown` after the last.
        TABLE.get((self as usize).wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_elements_and_knows_every_one() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, number + 1);
            assert_eq!(row.1.child(row.2.rsplit('/').next().unwrap()), row.0);
            assert_eq!(row.1.holds(), Elements);
        }
        assert_eq!(Element::Unknown as usize, TABLE.len() + 1);
    }
}
