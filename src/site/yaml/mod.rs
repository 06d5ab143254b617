//! YAML as a tree that remembers the place of every node, so that each fault can name it.
//!
//! Built on the parser events that `serde-saphyr` re-exports: serde's data model has no room for
//! the place of a mapping that lacks a key, nor for the text of a scalar.

mod compose;
mod fields;
mod merge;
mod scalar;
mod stream;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Fault, Position};

pub use fields::Fields;
pub use merge::key_name;
pub use stream::{Budget, MAX_BYTES, MAX_DEPTH, MAX_NODES, Numbered, parse, too_large};

/// Line and column in the file, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

/// A value and where it was written. An alias has the place of its use, what is below it that of
/// the definition.
#[derive(Clone)]
pub struct Node {
    pub value: Value,
    pub mark: Mark,
    /// The bytes of the file that a scalar or alias covers; meaningless for collections.
    pub span: Range<usize>,
}

/// Scalars keep their text: what `0644` or `no` means is the reader's business.
#[derive(Clone)]
pub enum Value {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// In the order of the file, without duplicate keys.
    Mapping(Vec<Entry>),
}

/// A single value.
#[derive(Clone)]
pub struct Scalar {
    pub kind: ScalarKind,
    /// As written, after unquoting and unfolding.
    pub text: String,
}

/// What Kubernetes tools take a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    Null,
    Bool,
    Number,
    String,
}

/// One key of a mapping and its value.
#[derive(Clone)]
pub struct Entry {
    /// The key's text; `1` and `true` are strings here, as in the JSON that Kubernetes makes of it.
    pub key: String,
    /// Where the key stands, for faults about the key itself.
    pub key_mark: Mark,
    pub value: Node,
}

impl Node {
    /// The value of `key` in a mapping; `None` also for an explicit null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|n| !n.is_null())
    }

    /// The node at the end of a path of mapping keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a sequence.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The text of any scalar but null, whatever its kind.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if scalar.kind != ScalarKind::Null => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a string; a number or boolean that was not quoted is none.
    pub fn string(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if scalar.kind == ScalarKind::String => Some(&scalar.text),
            _ => None,
        }
    }

    /// Moves the items of the sequence at `key` out of a mapping.
    pub fn take_items(&mut self, key: &str) -> Option<Vec<Node>> {
        let Value::Mapping(entries) = &mut self.value else { return None };
        let entry = entries.iter_mut().find(|entry| entry.key == key)?;
        match &mut entry.value.value {
            Value::Sequence(items) => Some(std::mem::take(items)),
            _ => None,
        }
    }

    /// Whether nothing is there, written or not: `null`, `~` or no value at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == ScalarKind::Null)
    }

    /// Whether the node has keys.
    pub fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }

    /// For messages: what the node is, never what it says.
    pub fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "null",
                ScalarKind::Bool => "a boolean",
                ScalarKind::Number => "a number",
                ScalarKind::String => "a string",
            },
        }
    }

    /// Whether any scalar or key at or below this node fulfils `test`.
    pub fn any_text(&self, test: &dyn Fn(&str) -> bool) -> bool {
        match &self.value {
            Value::Scalar(scalar) => test(&scalar.text),
            Value::Sequence(items) => items.iter().any(|item| item.any_text(test)),
            Value::Mapping(entries) => entries.iter().any(|e| test(&e.key) || e.value.any_text(test)),
        }
    }
}

/// Shows kind and place only: any node may be below a Secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.kind_name(), self.mark.line, self.mark.column)
    }
}

/// The file and document that nodes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    file: Arc<str>,
    document: Option<usize>,
}

impl Origin {
    /// `document` counts from 1; `None` for files that hold exactly one.
    pub fn new(file: &str, document: Option<usize>) -> Self {
        Self { file: file.into(), document }
    }

    /// The same file with another document number.
    pub fn document(&self, number: usize) -> Self {
        Self { file: Arc::clone(&self.file), document: Some(number) }
    }

    /// The file's name as messages show it; `-` for standard input.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The complete place of a mark.
    pub fn at(&self, mark: Mark) -> Position {
        Position {
            file: self.file.to_string(),
            document: self.document,
            line: mark.line,
            column: mark.column,
        }
    }

    /// A fault at a mark.
    pub fn fault(&self, mark: Mark, message: impl Into<String>) -> Fault {
        Fault::new(self.at(mark), message)
    }
}

#[cfg(test)]
mod tests;
