use crate::advice::Advice;

/// Severity of a finding or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// The image may not boot everywhere, or not work as it should.
    Warning,
    /// The image does not boot.
    Error,
}

/// Something that was found in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// One line, in lower case.
    pub text: String,
    /// Something to do about it.
    pub advice: Option<Advice>,
}

/// Returns whether nothing was found that keeps the image from booting.
pub fn will_boot(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}
