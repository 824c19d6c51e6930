//! What is said of a tree and of what becomes of it: lists, reports, what went wrong.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_volume::lint::Severity;
use baler_volume::reader::{FileTrouble, Troubles};
use baler_volume::walk::{Change, WalkEvent};
use serde_json::{Value, json};

use crate::exit::Trouble;
use crate::report::{self, Console};

/// How many names of a kind are told before they are only counted.
const TOLD: usize = 8;

fn shown(path: &[u8]) -> String {
    report::plain(&format!("/{}", String::from_utf8_lossy(path)))
}

/// `--list`: a line for each path, of text or of JSON.
pub(crate) struct Lines {
    out: io::BufWriter<report::Output>,
    json: bool,
}

impl Lines {
    pub(crate) fn new(json: bool) -> Lines {
        Lines { out: io::BufWriter::with_capacity(1 << 16, report::output()), json }
    }

    pub(crate) fn add(&mut self, event: &WalkEvent<'_>) -> io::Result<()> {
        if self.json {
            let mut what = json!({ "action": event.action.to_string() });
            if let Some(reason) = event.reason {
                what["reason"] = json!(reason.word());
                what["why"] = json!(reason.to_string());
            }
            return writeln!(self.out, "{}", named(event.path, what));
        }
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

/// Tells what will not be in the image as it is in the tree, all of a kind.
pub(crate) fn changes(kind: &str, changes: &[&Change], severity: Severity, console: &Console) {
    let say = |text: &str| {
        if severity == Severity::Note { console.note(text) } else { console.warn(text) }
    };
    for change in changes.iter().take(TOLD) {
        say(&format!("{}: {} ({})", change.action, shown(&change.path), change.reason));
    }
    if changes.len() > TOLD {
        let more = report::count(changes.len() - TOLD, "path");
        say(&format!("{kind}: {more} more; --report FILE names all"));
    }
}

/// What can be said of a tree's files when its image was read.
pub(crate) struct Outcome {
    pub(crate) troubles: Troubles,
    pub(crate) report: Option<Report>,
}

impl Outcome {
    /// Tells which files were not read as they were seen; returns their number.
    pub(crate) fn tell(&self, console: &Console) -> anyhow::Result<usize> {
        let troubles = self.troubles.list();
        tell_troubles(&troubles, console);
        if let Some(report) = &self.report {
            report.complete(&troubles)?;
        }
        Ok(troubles.len())
    }
}

/// Tells of the files that were not read as they were seen.
fn tell_troubles(troubles: &[FileTrouble], console: &Console) {
    for trouble in troubles.iter().take(TOLD) {
        console.warn(&format!("{} {}", shown(&trouble.path), trouble.kind));
    }
    if troubles.len() > TOLD {
        let more = report::count(troubles.len() - TOLD, "file");
        console.warn(&format!("{more} more changed; --report FILE names all"));
    }
}

/// `--report`: what is left out or changed, and why.
pub(crate) struct Report {
    to: PathBuf,
    entries: usize,
    changes: Vec<Value>,
}

impl Report {
    /// Writes what a walk found; what is there already is overwritten only if that was said.
    pub(crate) fn write(
        to: &Path,
        entries: usize,
        changes: &[Change],
        overwrite: bool,
    ) -> anyhow::Result<Report> {
        let changes = changes.iter().map(change).collect();
        let report = Report { to: to.to_owned(), entries, changes };
        report.put(&[], overwrite)?;
        Ok(report)
    }

    /// Writes it again, when all is read, with the files that were not read as they were seen.
    pub(crate) fn complete(&self, troubles: &[FileTrouble]) -> anyhow::Result<()> {
        // What went through a pipe cannot be taken back.
        let is_needed = !troubles.is_empty() && self.to.is_file();
        if is_needed { self.put(troubles, true) } else { Ok(()) }
    }

    fn put(&self, troubles: &[FileTrouble], overwrite: bool) -> anyhow::Result<()> {
        let to = &self.to;
        let doing = || {
            Trouble::failed(format!("writing the report `{}`", to.display()))
                .hint("name a file in a directory that is there; --force overwrites one")
        };
        if to.metadata().is_ok_and(|found| !found.is_file()) {
            // A pipe or a terminal: what is there has to stay what it is.
            let file = std::fs::OpenOptions::new().write(true).open(to).with_context(doing)?;
            return self.write_to(file, troubles).with_context(doing);
        }
        let directory = to.parent().filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(directory).with_context(doing)?;
        self.write_to(file.as_file(), troubles).with_context(doing)?;
        let persisted = if overwrite { file.persist(to) } else { file.persist_noclobber(to) };
        persisted.map_err(|error| error.error).with_context(doing)?;
        Ok(())
    }

    fn write_to(&self, to: impl Write, troubles: &[FileTrouble]) -> io::Result<()> {
        let read: Vec<_> = troubles
            .iter()
            .map(|trouble| named(&trouble.path, json!({ "why": trouble.kind.to_string() })))
            .collect();
        let report =
            json!({ "entries": self.entries, "changes": self.changes, "changed_while_read": read });
        let mut to = io::BufWriter::new(to);
        serde_json::to_writer_pretty(&mut to, &report)?;
        to.write_all(b"\n")?;
        to.flush()
    }
}

fn change(change: &Change) -> Value {
    let what = json!({
        "action": change.action.to_string(),
        "reason": change.reason.word(),
        "why": change.reason.to_string(),
    });
    named(&change.path, what)
}

/// Adds a path; where text cannot name it, its bytes too.
fn named(path: &[u8], mut what: Value) -> Value {
    what["path"] = json!(format!("/{}", String::from_utf8_lossy(path)));
    if std::str::from_utf8(path).is_err() {
        what["path_bytes"] = json!(path);
    }
    what
}
