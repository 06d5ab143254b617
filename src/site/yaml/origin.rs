//! The files and documents that nodes came from.

use std::sync::Arc;

use super::Mark;
use crate::error::{Fault, Position};

/// The file and document that nodes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    file: Arc<str>,
    document: Option<usize>,
    /// What the marks of this document's own nodes have as their source.
    number: u32,
    /// All origins of a build, found by number; without it there is only this one.
    table: Option<Arc<Vec<Origin>>>,
}

impl Origin {
    /// `document` counts from 1; `None` for files that hold exactly one.
    pub fn new(file: &str, document: Option<usize>) -> Self {
        Self { file: file.into(), document, number: 0, table: None }
    }

    /// The same file with another document number.
    pub fn document(&self, number: usize) -> Self {
        Self { document: Some(number), ..self.clone() }
    }

    /// The same origin under a number: what is parsed with it carries the number in its marks, so
    /// that nodes of several files can be put together into one document and still be told apart.
    pub fn numbered(&self, number: u32) -> Self {
        Self { number, ..self.clone() }
    }

    /// The same origin, which now finds the places of nodes from any origin in `table`, whose item
    /// `n` was numbered `n`.
    pub fn among(&self, table: &Arc<Vec<Origin>>) -> Self {
        Self { table: Some(Arc::clone(table)), ..self.clone() }
    }

    /// What marks of nodes parsed with this origin have as their source.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether the file may hold several documents.
    pub(super) fn is_stream(&self) -> bool {
        self.document.is_some()
    }

    /// The file's name as messages show it; `-` for standard input.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The complete place of a mark.
    pub fn at(&self, mark: Mark) -> Position {
        let table = self.table.as_deref().map_or(&[][..], Vec::as_slice);
        let foreign = (mark.source != self.number).then(|| table.get(mark.source as usize)).flatten();
        let origin = foreign.unwrap_or(self);
        Position {
            file: origin.file.to_string(),
            document: origin.document,
            line: mark.line as usize,
            column: mark.column as usize,
        }
    }

    /// A fault at a mark.
    pub fn fault(&self, mark: Mark, message: impl Into<String>) -> Fault {
        Fault::new(self.at(mark), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_the_file_that_the_mark_is_from() {
        let base = Origin::new("base.yaml", Some(2)).numbered(0);
        let patch = Origin::new("patch.yaml", Some(1)).numbered(1);
        let table = Arc::new(vec![base.clone(), patch]);
        let mark = Mark { source: 1, ..Mark::new(3, 4) };
        assert_eq!(base.among(&table).at(mark).to_string(), "patch.yaml:3:4 (document 1)");
        assert_eq!(base.among(&table).at(Mark::new(3, 4)).to_string(), "base.yaml:3:4 (document 2)");
    }
}
