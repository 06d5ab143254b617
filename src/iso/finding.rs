//! What is wrong with an image, or may be.

use serde::Serialize;

/// Whether an image with it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The image is truncated, damaged, or does not boot.
    Error,
    /// Some reader may stumble over it.
    Warning,
}

/// One thing that is wrong, the same in text and JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Kebab-case, says what is wrong, the same in every release.
    pub code: &'static str,
    /// Where in the image, in bytes from its start.
    pub offset: Option<u64>,
    pub message: String,
}

/// All of an image, in the order in which they were met. There are at most [`Findings::MOST`]; what comes after
/// is counted; an error then takes the place of a warning.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    more: u64,
}

impl Findings {
    /// A hostile image has as many faults as it has bytes.
    pub const MOST: usize = 100;

    pub fn error(&mut self, code: &'static str, offset: impl Into<Option<u64>>, message: impl Into<String>) {
        self.push(Finding {
            severity: Severity::Error,
            code,
            offset: offset.into(),
            message: message.into(),
        });
    }

    pub fn warning(
        &mut self,
        code: &'static str,
        offset: impl Into<Option<u64>>,
        message: impl Into<String>,
    ) {
        self.push(Finding {
            severity: Severity::Warning,
            code,
            offset: offset.into(),
            message: message.into(),
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.kept.len() >= Self::MOST {
            self.more += 1;
            let warning = self.kept.iter().rposition(|kept| kept.severity == Severity::Warning);
            match warning.filter(|_| finding.severity == Severity::Error) {
                Some(at) => drop(self.kept.remove(at)),
                None => return,
            }
        }
        self.kept.push(finding);
    }

    pub fn list(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there were beyond those in the list.
    pub fn more(&self) -> u64 {
        self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_before_warnings_and_all_are_counted() {
        let mut findings = Findings::default();
        (0..150).for_each(|_| findings.warning("w", None, "a warning"));
        (0..30).for_each(|_| findings.error("e", None, "an error"));
        let errors = findings.list().iter().filter(|it| it.severity == Severity::Error).count();
        assert_eq!((findings.list().len(), errors, findings.more()), (Findings::MOST, 30, 80));
        (0..90).for_each(|_| findings.error("e", None, "an error"));
        (0..5).for_each(|_| findings.warning("w", None, "a warning"));
        assert!(findings.list().iter().all(|it| it.severity == Severity::Error));
        assert_eq!((findings.list().len(), findings.more()), (Findings::MOST, 175));
    }
}
