//! A bundle's manifest, as EC2 fetches and reads it. None of this is Baler's own reader: the two are to disagree if one is wrong.

use std::io::Read as _;

use super::form::Table;
use super::refusal::{Refusal, internal, refuse};
use super::xml::Element;
use crate::s3::acl;
use crate::world::World;

/// The largest root that an image can have.
const LARGEST: u64 = 10 << 30;

/// The parts of a manifest that EC2 needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) architecture: String,
    pub(crate) kernel: Option<String>,
    pub(crate) ramdisk: Option<String>,
    pub(crate) product_codes: Vec<String>,
    /// Virtual names and devices.
    pub(crate) mappings: Vec<(String, String)>,
    /// `machine`, `kernel` or `ramdisk`.
    pub(crate) kind: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) bundled_size: u64,
    pub(crate) key: String,
    pub(crate) iv: String,
    /// File names and digests, in the order of their index.
    pub(crate) parts: Vec<(String, String)>,
}

fn invalid(message: impl Into<String>) -> Refusal {
    refuse("InvalidManifest", message)
}

/// The bytes of an object that EC2 may read in a bucket of this region.
pub(crate) fn fetch(
    world: &World,
    region: &str,
    bucket: &str,
    key: &str,
) -> Result<Vec<u8>, Refusal> {
    let answer = |status: &str| {
        invalid(format!("HTTP {status} response for URL http://s3.amazonaws.com:80/{bucket}/{key}"))
    };
    let buckets = world.storage.buckets();
    let found = buckets.get(bucket).ok_or_else(|| answer("404 (Not Found)"))?;
    if found.settings.region != region {
        return Err(invalid(format!(
            "HTTP 301 (Moved Permanently) response for URL http://s3.amazonaws.com:80/{bucket}/{key}: the bucket is in {}",
            found.settings.region
        )));
    }
    // Without the right to list the bucket, EC2 does not learn that a key is not there.
    let lists = acl::ec2_reads(&found.settings.grants, found);
    let missing = if lists { "404 (Not Found)" } else { "403 (Forbidden)" };
    let version = found.current(key).ok_or_else(|| answer(missing))?;
    if !acl::ec2_reads(&version.grants, found) || version.encryption.is_kms() {
        return Err(answer("403 (Forbidden)"));
    }
    let mut bytes = Vec::new();
    let read = world.storage.read(version).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| internal(&error))?;
    Ok(bytes)
}

impl Manifest {
    /// Fetches a manifest from `bucket/key` and reads it.
    pub(crate) fn fetch(world: &World, region: &str, location: &str) -> Result<Self, Refusal> {
        let (bucket, key) = split(location)?;
        let bytes = fetch(world, region, bucket, key)?;
        Self::read(&String::from_utf8_lossy(&bytes))
    }

    /// Reads a manifest.
    pub(crate) fn read(text: &str) -> Result<Self, Refusal> {
        let root = Element::read(text).filter(|root| root.name == "manifest");
        let root = root.ok_or_else(|| invalid("The manifest is not well-formed XML"))?;
        let version = need(&root, "version")?;
        let old = version == "3";
        if !old && !["2007-10-10", "2007-08-29", "20070829"].contains(&version.as_str()) {
            return Err(invalid(format!("The manifest's version {version} is not supported")));
        }
        // Present, though they may be empty.
        for path in ["image/user_encrypted_key", "image/user_encrypted_iv"] {
            root.find(path).ok_or_else(|| invalid(format!("The manifest has no {path}")))?;
        }
        for path in ["signature", "image/name", "image/user"] {
            need(&root, path)?;
        }
        let configured =
            |name: &str| root.text_at(&format!("machine_configuration/{name}")).map(str::to_owned);
        let mappings = mappings(&root)?;
        let architecture = if old {
            "i386".to_owned()
        } else {
            need(&root, "machine_configuration/architecture")?
        };
        let manifest = Self {
            architecture,
            kernel: configured("kernel_id"),
            ramdisk: configured("ramdisk_id"),
            product_codes: each(&root, "machine_configuration/product_codes", "product_code")
                .map(|code| code.text.trim().to_owned())
                .collect(),
            mappings,
            kind: root.text_at("image/type").unwrap_or("machine").to_owned(),
            digest: need(&root, "image/digest")?,
            size: number(&root, "image/size")?,
            bundled_size: number(&root, "image/bundled_size")?,
            key: need(&root, "image/ec2_encrypted_key")?,
            iv: need(&root, "image/ec2_encrypted_iv")?,
            parts: parts(&root)?,
        };
        if manifest.size > LARGEST {
            return Err(invalid(format!(
                "The image's size of {} bytes exceeds the limit of {LARGEST} bytes",
                manifest.size
            )));
        }
        Ok(manifest)
    }

    /// The device of a virtual name.
    pub(crate) fn device(&self, name: &str) -> Option<&str> {
        let mut mappings = self.mappings.iter();
        mappings.find(|(found, _)| found == name).map(|(_, device)| device.as_str())
    }

    /// The mappings as `DescribeImages` shows them.
    pub(crate) fn tables(&self) -> Vec<Table> {
        let ephemeral = self
            .mappings
            .iter()
            .filter(|(name, _)| name.starts_with("ephemeral") || name == "swap");
        let table = |(name, device): &(String, String)| {
            Table::from([
                ("virtualName".to_owned(), name.clone()),
                ("deviceName".to_owned(), device.clone()),
            ])
        };
        ephemeral.map(table).collect()
    }
}

/// Bucket and key of an image's location.
pub(crate) fn split(location: &str) -> Result<(&str, &str), Refusal> {
    let parts = location.strip_prefix('/').unwrap_or(location).split_once('/');
    parts.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(|| {
        refuse(
            "InvalidParameterValue",
            format!("Invalid value '{location}' for imageLocation. It must be bucket/key"),
        )
    })
}

/// The text at a path, which has to be there.
fn need(root: &Element, path: &str) -> Result<String, Refusal> {
    let found = root.text_at(path).filter(|text| !text.is_empty());
    found.map(str::to_owned).ok_or_else(|| invalid(format!("The manifest has no {path}")))
}

fn number(root: &Element, path: &str) -> Result<u64, Refusal> {
    need(root, path)?.parse().map_err(|_| invalid(format!("{path} is not a number")))
}

/// The elements called `name` in the one at a path.
fn each<'a>(root: &'a Element, path: &str, name: &'a str) -> impl Iterator<Item = &'a Element> {
    root.find(path).into_iter().flat_map(move |all| all.each(name))
}

/// Virtual names and devices.
fn mappings(root: &Element) -> Result<Vec<(String, String)>, Refusal> {
    let mut mappings = Vec::new();
    for mapping in each(root, "machine_configuration/block_device_mapping", "mapping") {
        let of = |name: &str| mapping.text_at(name).unwrap_or_default().to_owned();
        let (name, device) = (of("virtual"), of("device"));
        if !is_device(&device) {
            return Err(invalid(format!(
                "Invalid block device mapping: Invalid device name '{device}'"
            )));
        }
        mappings.push((name, device));
    }
    Ok(mappings)
}

fn parts(root: &Element) -> Result<Vec<(String, String)>, Refusal> {
    let list =
        root.find("image/parts").ok_or_else(|| invalid("The manifest has no image/parts"))?;
    let mut parts = Vec::new();
    for part in list.each("part") {
        let index = part.attributes.get("index").and_then(|index| index.parse::<usize>().ok());
        let name = part.text_at("filename").unwrap_or_default();
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(invalid(format!("Invalid part file name '{name}'")));
        }
        let digest = part.text_at("digest").unwrap_or_default();
        let index = index.ok_or_else(|| invalid(format!("The part '{name}' has no index")))?;
        parts.push((index, (name.to_owned(), digest.to_ascii_lowercase())));
    }
    parts.sort();
    let count = list.attributes.get("count").and_then(|count| count.parse::<usize>().ok());
    let counted = parts.iter().enumerate().all(|(place, (index, _))| place == *index);
    if !counted || count != Some(parts.len()) || parts.is_empty() {
        return Err(invalid("The manifest's parts do not agree with their count"));
    }
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

/// Tells if EC2 takes a name for a device: `sda1`, `/dev/xvdf`, `xvdba`.
pub(crate) fn is_device(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let rest =
        ["sd", "xvd", "hd"].iter().find_map(|start| name.strip_prefix(start)).unwrap_or_default();
    let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let (digits, letters) = (rest[letters.len()..].parse::<u8>(), letters.as_bytes());
    let disk = match letters {
        [letter] => letter.is_ascii_lowercase(),
        // Two letters only as xvdba to xvddx.
        [first, second] => {
            (b'b'..=b'd').contains(first)
                && (b'a'..=b'x').contains(second)
                && name.starts_with("xvd")
        }
        _ => false,
    };
    disk && (rest.len() == letters.len()
        || digits.is_ok_and(|digits| (1..=15).contains(&digits) && letters.len() == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for name in ["sda", "sda1", "/dev/sdb", "xvdf", "xvdba", "hda15", "/dev/xvda1"] {
            assert!(is_device(name), "{name}");
        }
        for name in
            ["xvdal", "", "sd", "sda16", "sdab", "nvme0n1", "sda01x", "/dev/", "xvdba1", "SDA"]
        {
            assert!(!is_device(name), "{name}");
        }
    }

    #[test]
    fn locations_have_a_bucket_and_a_key() {
        assert_eq!(split("b/k/m.xml").unwrap(), ("b", "k/m.xml"));
        assert_eq!(split("b//m.xml").unwrap(), ("b", "/m.xml"));
        assert!(split("b").is_err() && split("b/").is_err());
    }

    #[test]
    fn manifests_need_their_elements() {
        let whole = "<manifest><version>2007-10-10</version><machine_configuration><architecture>x86_64</architecture></machine_configuration><image><name>n</name><user>1</user><digest>00</digest><size>5</size><bundled_size>6</bundled_size><ec2_encrypted_key>00</ec2_encrypted_key><user_encrypted_key/><ec2_encrypted_iv>00</ec2_encrypted_iv><user_encrypted_iv/><parts count='1'><part index='0'><filename>n.part.0</filename><digest>AB</digest></part></parts></image><signature>UNSIGNED</signature></manifest>";
        let manifest = Manifest::read(whole).unwrap();
        assert_eq!(manifest.parts, [("n.part.0".to_owned(), "ab".to_owned())]);
        assert_eq!(manifest.kind, "machine");
        for (old, new) in [
            ("<user_encrypted_iv/>", ""),
            ("UNSIGNED", ""),
            ("count='1'", "count='2'"),
            ("n.part.0", "../n"),
            ("<size>5", "<size>10737418241"),
            ("2007-10-10", "1999"),
            ("</manifest>", ""),
        ] {
            assert_eq!(
                Manifest::read(&whole.replace(old, new)).unwrap_err().code,
                "InvalidManifest",
                "{old} {new}"
            );
        }
    }
}
