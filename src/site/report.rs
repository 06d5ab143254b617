//! What is wrong with a site, and what only looks wrong.

use crate::error::{Fault, Position};

/// Everything that was found; all of it is told at once, before anything is pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// No ISO is made while there are any.
    pub errors: Vec<Fault>,
    /// Told, and otherwise left to the user; errors with `--strict`.
    pub warnings: Vec<Fault>,
}

impl Report {
    /// Notes an error under its code.
    pub fn error(&mut self, code: &'static str, at: impl Into<Option<Position>>, message: impl Into<String>) {
        self.errors.push(Fault::new(at, message).coded(code));
    }

    /// Notes a warning under its code.
    pub fn warning(
        &mut self,
        code: &'static str,
        at: impl Into<Option<Position>>,
        message: impl Into<String>,
    ) {
        self.warnings.push(Fault::new(at, message).coded(code));
    }
}
