//! Noting what is wrong with a network configuration: where, how badly, and nothing of what it says.

use crate::error::Fault;
use crate::site::cloudinit::secret::ValuePlace;
use crate::site::report::Report;
use crate::site::yaml::{Mark, Origin};

/// A configuration that is wrong throughout shall not fill the terminal.
const MAX_FINDINGS: usize = 100;

/// What the marks of a network configuration count from.
#[derive(Clone, Copy, Debug)]
pub enum NetworkPlace<'a> {
    /// The value of a Secret.
    Value(&'a ValuePlace),
    /// A file of its own, or a document that is no Secret.
    File(&'a Origin),
}

impl NetworkPlace<'_> {
    /// A fault at a mark.
    pub(super) fn fault(&self, mark: Mark, message: &str) -> Fault {
        match self {
            Self::Value(place) => place.fault(mark, message),
            Self::File(origin) => origin.fault(mark, message),
        }
    }
}

/// The report that one configuration is read into.
///
/// The rule of severity: an error is what cloud-init 22.4, or netplan after it, fails at or leaves out;
/// all else is a warning.
pub(super) struct Findings<'a> {
    place: NetworkPlace<'a>,
    report: &'a mut Report,
    count: usize,
}

impl<'a> Findings<'a> {
    pub fn new(place: NetworkPlace<'a>, report: &'a mut Report) -> Self {
        Self { place, report, count: 0 }
    }

    /// Notes what keeps the node from being configured as written.
    pub fn error(&mut self, code: &'static str, mark: Mark, message: impl AsRef<str>) {
        // the first error always counts, or nothing would stop the run
        if self.has_room() || self.report.errors.is_empty() {
            self.report.errors.push(self.place.fault(mark, message.as_ref()).coded(code));
        }
    }

    /// Notes what only looks wrong.
    pub fn warning(&mut self, code: &'static str, mark: Mark, message: impl AsRef<str>) {
        if self.has_room() {
            self.report.warnings.push(self.place.fault(mark, message.as_ref()).coded(code));
        }
    }

    fn has_room(&mut self) -> bool {
        self.count += 1;
        self.count <= MAX_FINDINGS
    }
}
