//! What there is to say of a root tree and its files: lists, changes, what went wrong.

use std::io::{self, Write};

use anyhow::Context;
use baler::named;
use baler::text::{count, plain};
use baler_volume::reader::FileTrouble;
use baler_volume::walk::{Change, WalkEvent};
use serde_json::json;

use super::output::{self, Output};

/// How many names of a kind are printed before the rest is only counted.
const TOLD: usize = 8;

fn shown(path: &[u8]) -> String {
    plain(&format!("/{}", String::from_utf8_lossy(path)))
}

/// `--list`: a line for each path, of text or of JSON.
pub(crate) struct Lines {
    out: io::BufWriter<Output>,
    json: bool,
}

impl Lines {
    pub(crate) fn new(json: bool) -> Lines {
        Lines { out: io::BufWriter::with_capacity(1 << 16, output::output()), json }
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
                let reason = plain(&reason.to_string());
                writeln!(self.out, "{:<15} {path}  ({reason})", action.to_string())
            }
            None => writeln!(self.out, "{:<15} {path}", action.to_string()),
        }
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().context("writing to standard output")
    }
}

/// The lines that say what will not be in the image as it is in the tree, all of a kind.
pub(super) fn changes(kind: &str, changes: &[&Change]) -> Vec<String> {
    let line = |change: &&Change| {
        format!("{}: {} ({})", change.action, shown(&change.path), change.reason)
    };
    let mut lines: Vec<_> = changes.iter().take(TOLD).map(line).collect();
    if changes.len() > TOLD {
        let more = count(changes.len() - TOLD, "path");
        lines.push(format!("{kind}: {more} more; --report FILE lists all"));
    }
    lines
}

/// The lines that name files that were not read as they were seen.
pub(super) fn troubles(troubles: &[FileTrouble]) -> Vec<String> {
    let line = |trouble: &FileTrouble| format!("{} {}", shown(&trouble.path), trouble.kind);
    let mut lines: Vec<_> = troubles.iter().take(TOLD).map(line).collect();
    if troubles.len() > TOLD {
        let more = count(troubles.len() - TOLD, "file");
        lines.push(format!("{more} more changed; --report FILE lists all"));
    }
    lines
}
