//! YAML as a tree that remembers the place of every node, so that each fault can name it.
//!
//! Built on the parser events that `serde-saphyr` re-exports: serde's data model has no room for
//! the place of a mapping that lacks a key, nor for the text of a scalar.

mod compose;
mod edit;
mod fields;
mod json;
mod merge;
mod origin;
mod scalar;
mod stream;
mod write;

use std::fmt;
use std::ops::Range;

pub use fields::Fields;
pub use json::{from_json, number, read_as_yaml_1_1, scalar_to_json, to_json};
pub use merge::{entry_name, key_name};
pub use origin::Origin;
pub use stream::{Budget, MAX_BYTES, MAX_DEPTH, MAX_NODES, Numbered, parse, parse_as, too_large};
pub use write::write;

/// Whose reading of YAML is followed where readers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// kubectl and kustomize: of two equal keys neither is right.
    #[default]
    Kubernetes,
    /// PyYAML's safe loader, as cloud-init uses it: the last of equal keys counts, and there are
    /// `!!binary` and the like. A scalar with a tag that makes it a string has [`Style::Quoted`].
    CloudInit,
    /// As that, of a network configuration, in which bytes have no place: netplan takes them for text.
    NetworkConfig,
}

/// Line and column in the file, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    /// Which of several files that one document was put together from; see [`Origin::numbered`].
    pub source: u32,
}

impl Mark {
    /// A place in the document's own file. Files are bounded far below what a u32 counts.
    pub fn new(line: usize, column: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column), source: 0 }
    }
}

/// A value and where it was written. An alias has the place of its use, what is below it that of
/// the definition.
#[derive(Clone)]
pub struct Node {
    pub value: Value,
    pub mark: Mark,
    /// The bytes of the file that a scalar or alias covers; meaningless for collections.
    pub span: Range<u32>,
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
    pub style: Style,
}

/// How a scalar stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A block scalar with `|`: each line of the value is a line of the file, the first at the mark.
    Literal,
    /// A block scalar with `>`.
    Folded,
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

#[cfg(test)]
mod tests;
