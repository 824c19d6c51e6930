//! What the machine and the environment say: the architecture, the time.

use std::time::SystemTime;

use crate::exit::Trouble;

/// This machine's architecture, by EC2's name.
pub(crate) fn architecture() -> anyhow::Result<String> {
    match std::env::consts::ARCH {
        "x86" => Ok("i386".to_owned()),
        "x86_64" => Ok("x86_64".to_owned()),
        "aarch64" => Ok("arm64".to_owned()),
        other => {
            Err(Trouble::usage(format!("this machine's architecture, `{other}`, is none of EC2's"))
                .hint("pass --arch")
                .into())
        }
    }
}

/// Whether `SOURCE_DATE_EPOCH` stops the clock.
pub(crate) fn is_clock_stopped() -> bool {
    std::env::var_os("SOURCE_DATE_EPOCH").is_some_and(|text| !text.is_empty())
}

/// Seconds since 1970; `SOURCE_DATE_EPOCH` stops the clock, as in other tools whose output shall be the same again.
pub(crate) fn now() -> anyhow::Result<u64> {
    if let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) {
        let seconds = text.to_str().and_then(|text| text.parse().ok());
        return seconds.ok_or_else(|| {
            Trouble::usage(format!(
                "SOURCE_DATE_EPOCH is no number of seconds: `{}`",
                text.to_string_lossy()
            ))
            .into()
        });
    }
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}
