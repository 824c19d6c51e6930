//! The elements of a manifest: the place of each and what it holds (`docs/format.md`, "The manifest").

/// An element that has a meaning.
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
    /// An element without a meaning: its content has to be well-formed and is skipped.
    Unknown,
}

/// The content that an element may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Elements,
    Text,
    Anything,
}

use Element as E;
use Holds::{Elements, Text};

/// A row of the table: an element and its place.
struct Row {
    element: Element,
    parent: Element,
    /// The path below the root, which ends in the element's name.
    path: &'static str,
    /// True if the parent may hold several.
    repeats: bool,
    holds: Holds,
}

const fn once(element: Element, parent: Element, path: &'static str, holds: Holds) -> Row {
    Row { element, parent, path, repeats: false, holds }
}

const fn many(element: Element, parent: Element, path: &'static str, holds: Holds) -> Row {
    Row { element, parent, path, repeats: true, holds }
}

/// Every element below the root, in the order of [`Element`].
#[rustfmt::skip]
const TABLE: [Row; 34] = [
    once(E::Version, E::Manifest, "version", Text),
    once(E::Bundler, E::Manifest, "bundler", Elements),
    once(E::BundlerName, E::Bundler, "bundler/name", Text),
    once(E::BundlerVersion, E::Bundler, "bundler/version", Text),
    once(E::BundlerRelease, E::Bundler, "bundler/release", Text),
    once(E::MachineConfiguration, E::Manifest, "machine_configuration", Elements),
    once(E::Architecture, E::MachineConfiguration, "machine_configuration/architecture", Text),
    once(E::Mappings, E::MachineConfiguration, "machine_configuration/block_device_mapping", Elements),
    many(E::Mapping, E::Mappings, "machine_configuration/block_device_mapping/mapping", Elements),
    once(E::MappingVirtual, E::Mapping, "machine_configuration/block_device_mapping/mapping/virtual", Text),
    once(E::MappingDevice, E::Mapping, "machine_configuration/block_device_mapping/mapping/device", Text),
    once(E::KernelId, E::MachineConfiguration, "machine_configuration/kernel_id", Text),
    once(E::RamdiskId, E::MachineConfiguration, "machine_configuration/ramdisk_id", Text),
    once(E::ProductCodes, E::MachineConfiguration, "machine_configuration/product_codes", Elements),
    many(E::ProductCode, E::ProductCodes, "machine_configuration/product_codes/product_code", Text),
    once(E::Image, E::Manifest, "image", Elements),
    once(E::Name, E::Image, "image/name", Text),
    once(E::User, E::Image, "image/user", Text),
    once(E::Type, E::Image, "image/type", Text),
    once(E::KernelName, E::Image, "image/kernel_name", Text),
    once(E::Ancestry, E::Image, "image/ancestry", Elements),
    many(E::Ancestor, E::Ancestry, "image/ancestry/ancestor_ami_id", Text),
    once(E::Digest, E::Image, "image/digest", Text),
    once(E::Size, E::Image, "image/size", Text),
    once(E::BundledSize, E::Image, "image/bundled_size", Text),
    once(E::Ec2Key, E::Image, "image/ec2_encrypted_key", Text),
    once(E::UserKey, E::Image, "image/user_encrypted_key", Text),
    once(E::Ec2Iv, E::Image, "image/ec2_encrypted_iv", Text),
    once(E::UserIv, E::Image, "image/user_encrypted_iv", Text),
    once(E::Parts, E::Image, "image/parts", Elements),
    many(E::Part, E::Parts, "image/parts/part", Elements),
    once(E::PartName, E::Part, "image/parts/part/filename", Text),
    once(E::PartDigest, E::Part, "image/parts/part/digest", Text),
    once(E::Signature, E::Manifest, "signature", Text),
];

impl Element {
    /// Returns the element called `name` within `self`, [`Element::Unknown`] if it has no meaning.
    pub(super) fn child(self, name: &str) -> Self {
        TABLE
            .iter()
            .find(|row| row.parent == self && row.path.rsplit('/').next() == Some(name))
            .map_or(Self::Unknown, |row| row.element)
    }

    /// Returns the elements that `self` may hold.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        TABLE.iter().filter(move |row| row.parent == self).map(|row| row.element)
    }

    /// Returns the path below the root, for messages.
    pub(super) fn path(self) -> &'static str {
        match self.row() {
            Some(row) => row.path,
            None if self == Self::Manifest => "manifest",
            None => "an unknown element",
        }
    }

    /// Says whether its parent may hold several.
    pub(super) fn repeats(self) -> bool {
        self.row().is_none_or(|row| row.repeats)
    }

    /// Returns the content that it may have.
    pub(super) fn holds(self) -> Holds {
        match self.row() {
            Some(row) => row.holds,
            None if self == Self::Manifest => Elements,
            None => Holds::Anything,
        }
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
            assert_eq!(row.element as usize, number + 1);
            assert_eq!(row.parent.child(row.path.rsplit('/').next().unwrap()), row.element);
            assert_eq!(row.parent.holds(), Elements);
        }
        assert_eq!(Element::Unknown as usize, TABLE.len() + 1);
    }
}
