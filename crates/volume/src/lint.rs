//! Checks whether an image will boot, before anything is read but a few small files.
//!
//! An error is what certainly does not boot. A warning is what boots in some places, or boots and then does not work.

use std::collections::BTreeSet;

use baler_tree::NodeId;

mod finding;

mod look;

mod entries;

mod initramfs;

mod machine;

mod boot;

mod system;

pub use finding::{Finding, Severity, will_boot};
pub use look::Subject;

use look::Lint;

/// Looks for what keeps an image from booting; `read` gives a file's contents, or `None` if it cannot be read.
///
/// A fault that several entries have in the same way is reported once.
pub fn lint(
    subject: &Subject<'_>,
    read: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
) -> Vec<Finding> {
    let mut lint = Lint { subject, read, findings: Vec::new() };
    let entry = lint.boot_loader();
    lint.directories();
    lint.init(entry.as_ref());
    lint.fstab();
    lint.machine(entry.as_ref());
    lint.selinux();
    lint.host_keys();
    let mut seen = BTreeSet::new();
    lint.findings.retain(|finding| seen.insert(finding.text.clone()));
    lint.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    lint.findings
}

#[cfg(test)]
mod tests;
