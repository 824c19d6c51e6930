//! Refusals of the query API.

use std::io;

/// A refusal: status, code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A refusal with status 400.
pub(crate) fn refuse(code: &str, message: impl Into<String>) -> Refusal {
    Refusal { status: 400, code: code.to_owned(), message: message.into() }
}

/// A failure of the stand-in itself.
pub(crate) fn internal(error: &io::Error) -> Refusal {
    Refusal { status: 500, code: "InternalError".to_owned(), message: error.to_string() }
}

/// Refuses an id of another form than `prefix` and digits.
pub(crate) fn check_id(id: &str, prefix: &str, code: &str) -> Result<(), Refusal> {
    if is_id(id, prefix) {
        return Ok(());
    }
    Err(refuse(code, format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")")))
}

/// Tells an id of this kind by its form: 8 or 17 hexadecimal digits behind the prefix.
fn is_id(id: &str, prefix: &str) -> bool {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    matches!(digits.len(), 8 | 17)
        && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_prefix_and_8_or_17_digits() {
        for id in ["ami-01234567", "ami-0123456789abcdef0"] {
            assert!(check_id(id, "ami-", "Malformed").is_ok(), "{id}");
        }
        for id in ["", "ami-", "ami-0123456", "ami-0123456G", "ami-0123456A", "aki-01234567"] {
            assert_eq!(check_id(id, "ami-", "Malformed").unwrap_err().code, "Malformed", "{id}");
        }
    }
}
