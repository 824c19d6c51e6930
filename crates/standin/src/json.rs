//! JSON files: reading, writing beside their place and renaming, and the few kinds of values that ours hold.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;
use tempfile::NamedTempFile;

/// Reads a JSON file; errors name it.
pub(crate) fn read(path: &Path) -> io::Result<Value> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
    serde_json::from_slice(&fs::read(path).map_err(explain)?).map_err(|error| explain(error.into()))
}

/// Writes a JSON file beside its place and renames it.
pub(crate) fn write(path: &Path, value: &Value) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // Beside `objects`, not in it: a server that starts later reads everything there.
    let beside = if directory.ends_with("objects") {
        directory.parent().unwrap_or(directory)
    } else {
        directory
    };
    let mut file = NamedTempFile::new_in(beside)?;
    file.write_all(value.to_string().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A string; empty for any other value.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A string; `None` for any other value.
pub(crate) fn option(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// An object of strings.
pub(crate) fn table(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}
