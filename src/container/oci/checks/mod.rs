//! What keeps containers from running on this host, one thing at a time and by trying, for
//! `airshipctl doctor`. Whether they run is not judged here: that is the ladder's own probe.

mod cgroups;
mod features;
mod fixes;
mod host;
mod ladder;
mod subordinate;

use serde::Serialize;

use crate::error::{Error, ErrorKind};

pub use host::host;
pub(super) use ladder::probe;
pub use ladder::{Ladder, Taken, Verdict, ladder};

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    /// Runs go on all the same, with less.
    Warn,
    Fail,
    /// It was not to be tried, or there was nothing to try.
    Skip,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stays the same in all versions; errors name it.
    pub name: String,
    pub status: Status,
    /// What was found.
    pub message: String,
    /// The way out: a command, a line to add, an option.
    pub fix: Option<String>,
    /// What a run would fail with.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

impl Check {
    fn new(name: &str, status: Status, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, message: message.into(), fix: None, kind: None }
    }

    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    pub fn warn(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, message)
    }

    pub fn skip(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Skip, message)
    }

    /// What a run would fail with.
    pub fn fail(name: &str, error: &Error) -> Self {
        let fix = error.hint_text().map(str::to_owned);
        Self { fix, kind: Some(error.kind()), ..Self::new(name, Status::Fail, error.to_string()) }
    }

    /// The same where a run gets along without.
    pub fn warn_of(name: &str, error: &Error) -> Self {
        Self { status: Status::Warn, kind: None, ..Self::fail(name, error) }
    }

    /// What a run that stumbles over it fails with.
    pub fn to_error(&self) -> Error {
        Error::new(self.kind.unwrap_or(ErrorKind::Internal), self.message.clone()).of_check(self.name.clone())
    }

    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Gives an error the way out that goes with its check, unless it has one.
fn with_way_out(error: Error) -> Error {
    match error.check().and_then(fixes::fix) {
        Some(fix) => error.hint(fix),
        None => error,
    }
}

/// Tells people which check explains an error.
pub(super) fn pointing(error: Error) -> Error {
    let error = with_way_out(error);
    match error.check().map(|name| format!("`airshipctl doctor` explains it: check {name}")) {
        Some(hint) => error.further_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_ends_with_the_name_of_its_check() {
        let error = Error::new(ErrorKind::Host, "no").of_check("proc-mount").of_check("outer");
        let error = pointing(error.hint("do"));
        assert_eq!(error.hint_text(), Some("do; `airshipctl doctor` explains it: check proc-mount"));
        assert_eq!(pointing(Error::new(ErrorKind::Host, "no")).hint_text(), None);
        let error = pointing(Error::new(ErrorKind::Host, "no").of_check("overlay"));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("modprobe overlay")));
    }
}
