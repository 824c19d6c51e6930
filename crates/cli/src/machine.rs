//! What the machine and the environment say: the architecture, the time.

use std::time::SystemTime;

use anyhow::Context;
use baler_ec2::Metadata;

use crate::aws::interrupted;
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

/// Whether this is an instance of EC2's, without asking anybody: by what its firmware or its hypervisor says, or because
/// the environment names a metadata service.
pub(crate) fn is_of_ec2() -> bool {
    let says = |path: &str, what: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.to_lowercase().starts_with(what))
    };
    std::env::var_os("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some_and(|url| !url.is_empty())
        || says("/sys/class/dmi/id/sys_vendor", "amazon ec2")
        || says("/sys/class/dmi/id/bios_version", "4.2.amazon")
        || says("/sys/hypervisor/uuid", "ec2")
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

/// The instance's metadata, unless there is none or the environment says to leave it alone.
pub(crate) async fn metadata() -> anyhow::Result<Option<Metadata>> {
    let is_set = |name| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if is_set("AWS_EC2_METADATA_DISABLED") {
        return Ok(None);
    }
    let endpoint =
        std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").ok().filter(|url| !url.is_empty());
    let endpoint = match endpoint {
        Some(url) => url
            .parse()
            .with_context(|| Trouble::usage("reading AWS_EC2_METADATA_SERVICE_ENDPOINT"))?,
        None => Metadata::default_endpoint(),
    };
    let allow_v1 = !is_set("AWS_EC2_METADATA_V1_DISABLED");
    Ok(Metadata::connect(&endpoint, Metadata::BUDGET, allow_v1).await?)
}

/// Waits for what a moment's network does; the runtime ends with it.
pub(crate) fn wait<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting the network")?.block_on(async {
        tokio::select! {
            result = work => result,
            () = interrupted() => Err(anyhow::anyhow!("interrupted")),
        }
    })
}
