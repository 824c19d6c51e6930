//! Names of entries.

use crate::error::TreeError;

/// The most bytes that a name can have: Linux's `NAME_MAX`.
pub const MAX_NAME: usize = 255;

/// Checks that an entry can have this name.
///
/// # Errors
/// [`TreeError::Name`] for a name that is empty, longer than [`MAX_NAME`], `.` or `..`, or that has a `/` or a NUL.
pub fn check_name(name: &[u8]) -> Result<(), TreeError> {
    let is_special = matches!(name, b"" | b"." | b"..");
    if is_special || name.len() > MAX_NAME || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
        return Err(TreeError::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escaped::escaped;

    #[test]
    fn names_are_those_of_linux() {
        for name in [&b"a"[..], b"...", b" ", b"\xff\n", &[b'x'; MAX_NAME]] {
            assert_eq!(check_name(name), Ok(()), "{}", escaped(name));
        }
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; MAX_NAME + 1]] {
            assert_eq!(check_name(name), Err(TreeError::Name), "{}", escaped(name));
        }
        assert_eq!(escaped(b"a\x1b\xff").to_string(), "a\\u{1b}\u{fffd}");
    }
}
