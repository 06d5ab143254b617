//! Making and changing trees: what a renderer does to documents.

use super::{Entry, Mark, Node, Scalar, ScalarKind, Style, Value};

impl Node {
    /// A scalar as if written at `mark`; a string is quoted when it is written, if it has to be.
    pub fn scalar(kind: ScalarKind, text: impl Into<String>, mark: Mark) -> Self {
        let style = if kind == ScalarKind::String { Style::Quoted } else { Style::Plain };
        Self::made(Value::Scalar(Scalar { kind, text: text.into(), style }), mark)
    }

    /// A string as if written at `mark`.
    pub fn of_text(text: impl Into<String>, mark: Mark) -> Self {
        Self::scalar(ScalarKind::String, text, mark)
    }

    /// What a text without quotes at `mark` is: a number, a boolean, null or a string.
    pub fn plain(text: impl Into<String>, mark: Mark) -> Self {
        let text = text.into();
        let kind = super::scalar::plain_kind(&text);
        Self::made(Value::Scalar(Scalar { kind, text, style: Style::Plain }), mark)
    }

    /// Nothing, as if written at `mark`.
    pub fn null(mark: Mark) -> Self {
        Self::scalar(ScalarKind::Null, "null", mark)
    }

    /// A mapping without keys.
    pub fn empty_mapping(mark: Mark) -> Self {
        Self::made(Value::Mapping(Vec::new()), mark)
    }

    /// A list.
    pub fn sequence(items: Vec<Node>, mark: Mark) -> Self {
        Self::made(Value::Sequence(items), mark)
    }

    fn made(value: Value, mark: Mark) -> Self {
        Self { value, mark, span: 0..0 }
    }

    /// The value of `key` in a mapping, null or not, for changes.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries_mut()?.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// The entries of a mapping, for changes. Keys have to stay unique.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a sequence, for changes.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Puts `value` under `key` in a mapping, in place of what is there or behind the other keys;
    /// does nothing to what is no mapping.
    pub fn set(&mut self, key: &str, value: Node) {
        if let Some(there) = self.get_mut(key) {
            *there = value;
        } else if let Some(entries) = self.entries_mut() {
            entries.push(Entry { key: key.to_owned(), key_mark: value.mark, value });
        }
    }

    /// Takes `key` out of a mapping.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let entries = self.entries_mut()?;
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index).value)
    }

    /// The mapping under `key`, made where nothing or null is; `None` where something else is.
    pub fn mapping_at(&mut self, key: &str) -> Option<&mut Node> {
        if self.get(key).is_none() {
            let mark = self.mark;
            self.set(key, Node::empty_mapping(mark));
        }
        self.get_mut(key).filter(|node| node.is_mapping())
    }

    /// Whether two trees say the same, wherever and however they were written: keys in any order,
    /// scalars by kind and text.
    pub fn same_as(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a.kind == b.kind && a.text == b.text,
            (Value::Sequence(a), Value::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
            }
            (Value::Mapping(a), Value::Mapping(b)) => {
                let found = |key: &str| b.iter().find(|entry| entry.key == key);
                a.len() == b.len()
                    && a.iter().all(|e| found(&e.key).is_some_and(|other| e.value.same_as(&other.value)))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_replaced_in_place_added_behind_and_removed() {
        let mark = Mark::new(1, 1);
        let mut node = Node::empty_mapping(mark);
        node.set("a", Node::of_text("1", mark));
        node.set("b", Node::of_text("2", mark));
        node.set("a", Node::of_text("3", mark));
        let keys: Vec<_> = node.entries().iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!((keys, node.get("a").and_then(Node::text)), (vec!["a", "b"], Some("3")));
        assert!(node.remove("a").is_some() && node.get("a").is_none());
        node.mapping_at("c").unwrap().set("d", Node::of_text("4", mark));
        assert_eq!(node.at(&["c", "d"]).and_then(Node::text), Some("4"));
        assert!(node.mapping_at("b").is_none());
    }
}
