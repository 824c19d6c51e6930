use crate::advice::Advice;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It may not boot everywhere, or not work as it should.
    Warning,
    /// It does not boot.
    Error,
}

/// Something that was found in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub text: String,
    /// What to do about it.
    pub advice: Option<Advice>,
}

/// Whether nothing was found that keeps the image from booting.
pub fn will_boot(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}
