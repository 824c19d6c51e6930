//! What is said of a tree and of what becomes of it: lists, reports, the plan, what went wrong.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use baler_volume::lint::{Finding, Severity};
use baler_volume::{Action, Change, FileTrouble, Walk, WalkEvent};
use serde_json::json;

use crate::exit::Trouble;
use crate::report::{self, Console};

/// How many names of a kind are told before they are only counted.
const TOLD: usize = 8;

/// A path in the tree, which is without a `/` at its beginning.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn shown(path: &[u8]) -> String {
    report::plain(&format!("/{}", String::from_utf8_lossy(path)))
}

/// `--list`: a line for each path.
pub(crate) struct Lines {
    out: io::BufWriter<report::Output>,
}

impl Lines {
    pub(crate) fn new() -> Lines {
        Lines { out: io::BufWriter::with_capacity(1 << 16, report::output()) }
    }

    pub(crate) fn add(&mut self, event: &WalkEvent<'_>) -> io::Result<()> {
        let (action, path) = (event.action, shown(event.path));
        match event.reason {
            Some(reason) => {
                let reason = report::plain(&reason.to_string());
                writeln!(self.out, "{:<15} {path}  ({reason})", action.to_string())
            }
            None => writeln!(self.out, "{:<15} {path}", action.to_string()),
        }
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().context("writing to standard output")
    }
}

/// Tells what will not be in the image as it is in the tree: the surprising first, all of a kind together.
pub(crate) fn changes(walk: &Walk, console: &Console) {
    let mut kinds: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in walk.changes.iter().filter(|change| change.action != Action::Added) {
        kinds.entry(change.reason.word()).or_default().push(change);
    }
    for (kind, changes) in kinds {
        let is_warning = matches!(kind, "vanished" | "unreadable" | "unfit");
        let say = |text: &str| match is_warning {
            true => console.warn(text),
            false => console.note(text),
        };
        for change in changes.iter().take(TOLD) {
            say(&format!("{}: {} ({})", change.action, shown(&change.path), change.reason));
        }
        if changes.len() > TOLD {
            let more = report::count(changes.len() - TOLD, "path");
            say(&format!("{kind}: {more} more; --report FILE names all"));
        }
    }
}

/// Tells what would keep the image from booting, and what may.
pub(crate) fn findings(findings: &[Finding], console: &Console) {
    for finding in findings {
        match finding.severity {
            Severity::Error => console.warn(&format!("the image will not boot: {}", finding.text)),
            Severity::Warning => console.warn(&finding.text),
            Severity::Note => console.note(&finding.text),
        }
        if let Some(hint) = finding.hint {
            console.hint(hint);
        }
    }
}

/// Tells of the files that were not read as they were seen; returns their number.
pub(crate) fn troubles(troubles: &[FileTrouble], console: &Console) -> usize {
    for trouble in troubles.iter().take(TOLD) {
        console.warn(&format!("{} {}", shown(&trouble.path), trouble.kind));
    }
    if troubles.len() > TOLD {
        console.warn(&format!("{} more changed", report::count(troubles.len() - TOLD, "file")));
    }
    troubles.len()
}

/// Writes what is left out or changed, and why.
pub(crate) fn write_report(to: &Path, walk: &Walk) -> anyhow::Result<()> {
    let doing = || Trouble::failed(format!("writing the report `{}`", to.display()));
    if to.metadata().is_ok_and(|found| !found.is_file()) {
        // A pipe or a terminal: what is there has to stay what it is.
        let file = std::fs::OpenOptions::new().write(true).open(to).with_context(doing)?;
        return write_changes(file, walk).with_context(doing);
    }
    let directory = to.parent().filter(|path| !path.as_os_str().is_empty());
    let file =
        tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new("."))).with_context(doing)?;
    write_changes(file.as_file(), walk).with_context(doing)?;
    file.persist(to).with_context(doing)?;
    Ok(())
}

fn write_changes(to: impl Write, walk: &Walk) -> io::Result<()> {
    let changes: Vec<_> = walk.changes.iter().map(change).collect();
    let report = json!({ "entries": walk.tree.len(), "changes": changes });
    let mut to = io::BufWriter::new(to);
    serde_json::to_writer_pretty(&mut to, &report)?;
    to.write_all(b"\n")?;
    to.flush()
}

fn change(change: &Change) -> serde_json::Value {
    let mut value = json!({
        "path": format!("/{}", String::from_utf8_lossy(&change.path)),
        "action": change.action.to_string(),
        "reason": change.reason.word(),
        "why": change.reason.to_string(),
    });
    if std::str::from_utf8(&change.path).is_err() {
        // The text cannot name it; the bytes can.
        value["path_bytes"] = json!(change.path);
    }
    value
}
