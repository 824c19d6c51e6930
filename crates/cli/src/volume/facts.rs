//! The plan of an image, as `--dry-run` prints it.

use baler_ext4::{Options, Plan, Profile, Usage};
use baler_volume::lint::{Finding, Severity, will_boot};
use baler_volume::{Action, Boot, Division, Layout, Loader, Walk};
use serde_json::{Value, json};

use super::Request;
use super::format::MountOptions;
use crate::report::{self, size};

/// What was decided, before and after the file system has its plan.
pub(crate) struct Facts {
    root: String,
    entries: usize,
    left_out: usize,
    len: u64,
    division: &'static str,
    boot: String,
    start: u64,
    options: Options,
    usage: Option<Usage>,
    stored: u64,
    findings: Vec<Finding>,
}

impl Facts {
    pub(crate) fn new(
        request: &Request<'_>,
        walk: &Walk,
        layout: &Layout,
        options: &Options,
        findings: Vec<Finding>,
    ) -> Facts {
        let is_less = |action: Action| !matches!(action, Action::Added | Action::Kept);
        Facts {
            root: request.root.display().to_string(),
            entries: walk.tree.len(),
            left_out: walk.changes.iter().filter(|change| is_less(change.action)).count(),
            len: layout.len,
            division: match layout.division() {
                Division::None => "none",
                Division::Mbr => "mbr",
                Division::Gpt => "gpt",
            },
            boot: match &layout.boot {
                Boot::None => "none".to_owned(),
                Boot::Cloned { disk, loader } => {
                    let loader = match loader {
                        Loader::Grub2 => "GRUB 2",
                        Loader::GrubLegacy => "GRUB 0.97",
                    };
                    format!("{loader}, cloned from {}", disk.display())
                }
                Boot::Built { modules } => format!("GRUB 2, built from {}", modules.display()),
            },
            start: layout.start,
            options: options.clone(),
            usage: None,
            stored: 0,
            findings,
        }
    }

    pub(crate) fn planned(self, plan: &Plan) -> Facts {
        let stored = plan.extents().iter().map(|extent| extent.len).sum();
        Facts { usage: Some(plan.usage()), stored, ..self }
    }

    pub(crate) fn division(&self) -> &'static str {
        self.division
    }

    /// Where the file system begins, and its length.
    pub(crate) fn root_place(&self) -> (u64, u64) {
        (self.start, self.options.len)
    }

    fn free(&self) -> u64 {
        self.usage.map_or(0, |usage| usage.free_blocks * u64::from(usage.block_size))
    }

    /// What only root may fill, in bytes.
    fn reserved(&self) -> u64 {
        self.options.reserved_blocks * u64::from(self.options.block_size)
    }

    fn mount_options(&self) -> MountOptions {
        MountOptions(self.options.default_mount_options)
    }

    fn format(&self) -> &'static str {
        match (self.options.profile, self.options.has_extents) {
            (Profile::Modern, _) => "ext4",
            (Profile::GrubLegacy, true) => "ext4 for GRUB 0.97",
            (Profile::GrubLegacy, false) => "ext3",
        }
    }

    /// One line, before anything is read.
    pub(crate) fn summary(&self) -> String {
        format!(
            "the image has {}: {} with {} free, {} of data; partition table: {}; boot loader: {}",
            size(self.len),
            self.format(),
            size(self.free()),
            size(self.stored),
            self.division,
            self.boot,
        )
    }

    pub(crate) fn text(&self) -> String {
        let label = String::from_utf8_lossy(&self.options.label).into_owned();
        let inodes = self.usage.map_or((0, 0), |usage| (usage.inodes, usage.free_inodes));
        let lines = [
            ("root", self.root.clone()),
            ("entries", format!("{}, {} left out or emptied", self.entries, self.left_out)),
            ("disk", format!("{}, partition table: {}", size(self.len), self.division)),
            ("boot loader", self.boot.clone()),
            (
                "file system",
                format!("{}, {} at byte {}", self.format(), size(self.options.len), self.start),
            ),
            ("uuid", self.options.uuid.to_string()),
            ("label", label),
            ("hash seed", self.options.hash_seed.to_string()),
            (
                "blocks",
                format!(
                    "of {} bytes, inodes of {} bytes, {} reserved for root",
                    self.options.block_size,
                    self.options.inode_size,
                    size(self.reserved())
                ),
            ),
            ("mount options", self.mount_options().to_string()),
            ("data", size(self.stored)),
            (
                "boots",
                if will_boot(&self.findings) {
                    "yes, as far as can be seen"
                } else {
                    "no: see the warnings"
                }
                .to_owned(),
            ),
            ("free", format!("{}, {} of {} inodes", size(self.free()), inodes.1, inodes.0)),
        ];
        lines.iter().map(|(name, value)| format!("{name:<13} {}\n", report::plain(value))).collect()
    }

    pub(crate) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            json!({ "severity": severity, "text": finding.text, "hint": finding.hint })
        };
        let findings: Vec<_> = self.findings.iter().map(finding).collect();
        json!({
            "root": self.root, "entries": self.entries, "left_out": self.left_out, "size": self.len,
            "partition": self.division, "bootloader": self.boot,
            "file_system": {
                "type": self.format(), "offset": self.start, "size": self.options.len, "free": self.free(),
                "uuid": self.options.uuid.to_string(), "label": String::from_utf8_lossy(&self.options.label),
                "hash_seed": self.options.hash_seed.to_string(), "block_size": self.options.block_size,
                "inode_size": self.options.inode_size, "reserved": self.reserved(),
                "mount_options": self.mount_options().names(),
                "inodes": self.usage.map(|usage| usage.inodes), "free_inodes": self.usage.map(|usage| usage.free_inodes),
            },
            "data": self.stored, "will_boot": will_boot(&self.findings), "findings": findings,
        })
    }
}
