//! Signals: the first one asks for a stop, the second one ends the process at once.

use anyhow::Context;
use baler::{Left, Stop};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::codes::Exit;

/// Takes Ctrl-C, a request to end and a hang-up as requests to stop, unless the caller had them ignored (as `nohup` does).
pub(crate) fn watch(stop: &Stop) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored.unwrap_or(0) >> (signal - 1) & 1 == 0 {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                Exit::Interrupted as i32,
                stop.flag(),
            )
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .context("watching for interrupts")?;
        }
    }
    Ok(())
}

/// What to say of an interruption that leaves something, or nothing.
pub(crate) fn interrupted(left: Option<Left>) -> &'static str {
    match left {
        Some(Left::CopiedParts) => {
            "interrupted; the copied parts are kept, and the same command continues from there"
        }
        Some(Left::UndeletedParts) => {
            "interrupted; the manifest and some of the parts are deleted: `baler remove --prefix` deletes the rest"
        }
        _ => "interrupted; nothing unfinished was left under its final name",
    }
}
