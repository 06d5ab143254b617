//! What was found, where it is, and how much of it is told.

use std::collections::HashMap;

use super::super::secret::ValuePlace;
use crate::error::Fault;
use crate::site::report::Report;
use crate::site::yaml::{Mark, Node, Style, Value};

/// More findings of one code than this only hide the others; the rest is counted.
const MOST_OF_A_CODE: usize = 20;

/// A text within a value, such as a part of a MIME message or the content of a file.
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    place: &'a ValuePlace,
    /// Where the text begins, within the value.
    start: Mark,
    lines: Lines,
}

/// Whether the places of a text can be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Each line of the text is a line of the value.
    Kept,
    /// The text was decoded or unfolded.
    Lost,
}

impl<'a> Region<'a> {
    /// All of a value.
    pub fn whole(place: &'a ValuePlace) -> Self {
        Self { place, start: Mark::new(1, 1), lines: Lines::Kept }
    }

    /// The text from this line of the region on, counted from 1.
    pub fn below(&self, line: usize) -> Self {
        Self { start: self.mark(Mark::new(line, 1)), ..*self }
    }

    /// The same text, decoded.
    pub fn decoded(&self) -> Self {
        Self { lines: Lines::Lost, ..*self }
    }

    /// The text of a scalar that was parsed from this region.
    pub fn of_scalar(&self, node: &Node) -> Self {
        let is_literal = matches!(&node.value, Value::Scalar(scalar) if scalar.style == Style::Literal
            // an alias has the text of its anchor, and a place of its own
            && node.span.len() >= scalar.text.len());
        let lines = if is_literal { self.lines } else { Lines::Lost };
        Self { place: self.place, start: self.mark(node.mark), lines }
    }

    /// A place of the text as one of the value.
    fn mark(&self, within: Mark) -> Mark {
        if self.lines == Lines::Lost || within.line == 0 {
            return self.start;
        }
        let (line, column) =
            (self.start.line.saturating_add(within.line), self.start.column.saturating_add(within.column));
        Mark { line: line.saturating_sub(1), column: column.saturating_sub(1), ..self.start }
    }

    /// A fault at a place of the text.
    fn fault(&self, within: Mark, message: &str) -> Fault {
        let lost = self.lines == Lines::Lost && within.line > 1;
        let line = if lost { format!("line {} of the text there: ", within.line) } else { String::new() };
        self.place.fault(self.mark(within), &format!("{line}{message}"))
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

/// Collects findings and passes them on in the order of their places.
#[derive(Default)]
pub(super) struct Findings {
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
    counts: HashMap<&'static str, (Severity, usize)>,
}

impl Findings {
    pub fn error(&mut self, code: &'static str, region: &Region, within: Mark, message: &str) {
        self.add(Severity::Error, code, region, within, message);
    }

    pub fn warning(&mut self, code: &'static str, region: &Region, within: Mark, message: &str) {
        self.add(Severity::Warning, code, region, within, message);
    }

    pub fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        region: &Region,
        within: Mark,
        message: &str,
    ) {
        let count = self.counts.entry(code).or_insert((severity, 0));
        count.1 += 1;
        if count.1 > MOST_OF_A_CODE {
            return;
        }
        let fault = region.fault(within, message).coded(code);
        match severity {
            Severity::Error => self.errors.push(fault),
            Severity::Warning => self.warnings.push(fault),
        }
    }

    /// Whether another finding of this code would only be counted.
    pub fn is_full(&self, code: &'static str) -> bool {
        self.counts.get(code).is_some_and(|(_, count)| *count >= MOST_OF_A_CODE)
    }

    /// Passes everything on; what was only counted comes last.
    pub fn report(mut self, whole: &Region, report: &mut Report) {
        let place = |fault: &Fault| fault.at.as_ref().map_or((0, 0), |at| (at.line, at.column));
        self.errors.sort_by_key(place);
        self.warnings.sort_by_key(place);
        let mut more: Vec<_> = self.counts.iter().filter(|(_, (_, count))| *count > MOST_OF_A_CODE).collect();
        more.sort_by_key(|(code, _)| **code);
        for (code, (severity, count)) in more {
            let message = format!("{} more of these", count - MOST_OF_A_CODE);
            let fault = whole.fault(Mark::default(), &message).coded(code);
            match severity {
                Severity::Error => self.errors.push(fault),
                Severity::Warning => self.warnings.push(fault),
            }
        }
        report.errors.append(&mut self.errors);
        report.warnings.append(&mut self.warnings);
    }
}
