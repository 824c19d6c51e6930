use std::fmt;

/// A path for a message: what is not printable is escaped.
pub fn escaped(path: &[u8]) -> impl fmt::Display {
    String::from_utf8_lossy(path).escape_debug().to_string()
}
