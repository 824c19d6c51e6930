//! Names of parts and of bundles, which become file names.

/// The most bytes that a name may have: what Linux file systems hold (`NAME_MAX` in `<linux/limits.h>`).
pub const MAX_NAME: usize = 255;

/// An error of a name that is to be that of a part or a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("empty")]
    Empty,
    /// The name is `.` or `..`, which is a directory.
    #[error("the name of a directory")]
    Directory,
    /// The name has a `/` in it and could lead out of the bundle's directory.
    #[error("a path, not a bare file name")]
    Path,
    /// The name has a control character in it; NUL is one.
    #[error("a control character in it")]
    Control,
    /// The name has more than [`MAX_NAME`] bytes; how many.
    #[error("{0} bytes long, the limit is {MAX_NAME}")]
    TooLong(usize),
}

/// Checks that `name` is a bare file name, as the name of a part and that of a bundle must be.
///
/// The classic tools append any name in the manifest to a directory, so that a hostile manifest writes anywhere
/// ([format](crate::format#what-a-reader-must-not-trust)).
///
/// # Errors
///
/// [`NameError`], the first fault that is found.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Directory);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if name.contains('/') {
        return Err(NameError::Path);
    }
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong(name.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_file_names_only() {
        let long = "x".repeat(MAX_NAME + 1);
        for (name, expected) in [
            ("image.part.07", Ok(())),
            ("..image", Ok(())),
            ("image v2 (ü).part.0", Ok(())),
            (&long[1..], Ok(())),
            ("", Err(NameError::Empty)),
            (".", Err(NameError::Directory)),
            ("..", Err(NameError::Directory)),
            ("/etc/passwd", Err(NameError::Path)),
            ("a/b", Err(NameError::Path)),
            ("../a", Err(NameError::Path)),
            ("a\0", Err(NameError::Control)),
            ("a\nb", Err(NameError::Control)),
            ("a\u{7f}", Err(NameError::Control)),
            ("a\u{85}", Err(NameError::Control)),
            (&long, Err(NameError::TooLong(256))),
        ] {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
    }
}
