//! Findings that name what they are about.

use std::fmt;

use crate::iso::finding::Findings;

/// Says what is wrong with one thing, whose name every message begins with.
pub(super) struct About<'a> {
    findings: &'a mut Findings,
    what: &'a dyn fmt::Display,
}

impl<'a> About<'a> {
    pub fn new(findings: &'a mut Findings, what: &'a dyn fmt::Display) -> Self {
        Self { findings, what }
    }

    pub fn error(&mut self, code: &'static str, offset: u64, text: impl fmt::Display) {
        self.findings.error(code, offset, format!("{}: {text}", self.what));
    }

    pub fn warning(&mut self, code: &'static str, offset: u64, text: impl fmt::Display) {
        self.findings.warning(code, offset, format!("{}: {text}", self.what));
    }
}

/// A record as messages name it: its directory, and its own identifier. Both come from the image and may hold
/// anything, also what terminals obey.
pub(super) struct Subject<'a> {
    pub directory: &'a str,
    pub identifier: &'a [u8],
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.directory.escape_debug())?;
        match self.identifier {
            [0] => f.write_str("."),
            [1] => f.write_str(".."),
            // UCS-2 reads as text without its zeros
            other => other
                .iter()
                .filter(|byte| **byte != 0)
                .try_for_each(|byte| write!(f, "{}", byte.escape_ascii())),
        }
    }
}
