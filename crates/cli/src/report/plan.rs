//! The plan of an image, as `--dry-run` prints it.

use baler_volume::lint::{Finding, Severity};
use baler_volume::recipe::Summary;
use serde_json::{Value, json};
use std::sync::Arc;

use baler::Advice;
use baler::text::{plain, size};

/// One line, before anything is read.
pub(crate) fn line(summary: &Summary) -> String {
    format!(
        "the image has {}: {} with {} free, {} of data; partition table: {}; boot loader: {}",
        size(summary.len()),
        summary.file_system(),
        size(summary.free()),
        size(summary.data()),
        summary.division(),
        summary.boot(),
    )
}

/// A line for each thing that was decided.
pub(crate) fn text(summary: &Summary) -> String {
    let (options, usage) = (summary.options(), summary.usage());
    let boots =
        if summary.will_boot() { "yes, as far as can be seen" } else { "no: see the warnings" };
    let lines = [
        ("root", summary.root().display().to_string()),
        ("entries", format!("{}, {} left out or emptied", summary.entries(), summary.left_out())),
        ("disk", format!("{}, partition table: {}", size(summary.len()), summary.division())),
        ("boot loader", summary.boot().to_string()),
        (
            "file system",
            format!(
                "{}, {} at byte {}",
                summary.file_system(),
                size(summary.root_len()),
                summary.start()
            ),
        ),
        ("uuid", options.uuid.to_string()),
        ("label", String::from_utf8_lossy(&options.label).into_owned()),
        ("hash seed", options.hash_seed.to_string()),
        (
            "blocks",
            format!(
                "of {} bytes, inodes of {} bytes, {} reserved for root",
                options.block_size,
                options.inode_size,
                size(summary.reserved())
            ),
        ),
        ("mount options", options.default_mount_options.to_string()),
        ("data", size(summary.data())),
        ("boots", boots.to_owned()),
        (
            "free",
            format!("{}, {} of {} inodes", size(summary.free()), usage.free_inodes, usage.inodes),
        ),
    ];
    lines.iter().map(|(name, value)| format!("{name:<13} {}\n", plain(value))).collect()
}

/// Says what an advice is called for what was typed.
pub(crate) type Words = Arc<dyn Fn(&Advice) -> Option<String> + Send + Sync>;

/// The same for programs; `words` says what can be done about a finding.
pub(crate) fn json(summary: &Summary, words: &Words) -> Value {
    let hint = |finding: &Finding| finding.advice.clone().and_then(|advice| words(&advice.into()));
    let finding = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        json!({ "severity": severity, "text": finding.text, "hint": hint(finding) })
    };
    let (options, usage) = (summary.options(), summary.usage());
    let findings: Vec<_> = summary.findings().iter().map(finding).collect();
    json!({
        "root": summary.root().display().to_string(), "entries": summary.entries(), "left_out": summary.left_out(),
        "size": summary.len(), "partition": summary.division().to_string(), "bootloader": summary.boot().to_string(),
        "file_system": {
            "type": summary.file_system(), "offset": summary.start(), "size": summary.root_len(), "free": summary.free(),
            "uuid": options.uuid.to_string(), "label": String::from_utf8_lossy(&options.label),
            "hash_seed": options.hash_seed.to_string(), "block_size": options.block_size,
            "inode_size": options.inode_size, "reserved": summary.reserved(),
            "mount_options": options.default_mount_options.names(),
            "inodes": usage.inodes, "free_inodes": usage.free_inodes,
        },
        "data": summary.data(), "will_boot": summary.will_boot(), "findings": findings,
    })
}
