//! Items of a kustomization's lists, read field by field; what does not fit is noted.

use super::Layer;
use crate::site::yaml::{self, Entry, Node, ScalarKind, Value};

/// One mapping within a kustomization, or within a file that it names.
pub(super) struct Item<'k> {
    pub node: &'k Node,
    /// Dotted path, for messages.
    path: String,
}

impl<'a> Layer<'a> {
    /// The items of a list of the kustomization.
    pub(super) fn listed(&self, field: &str) -> &'a [Node] {
        self.kustomization.get(field).and_then(Node::items).unwrap_or_default()
    }
}

impl<'k> Item<'k> {
    /// The mapping at `path`, whose fields have to be among the `known` ones.
    pub fn of(node: &'k Node, path: &str, known: &[&str], layer: &mut Layer<'_>) -> Option<Self> {
        let item = Self { node, path: path.to_owned() };
        if !node.is_mapping() {
            item.misfit(layer, None, node, "a mapping");
            return None;
        }
        layer.refuse_unknown(node, path, known);
        Some(item)
    }

    /// A mapping below a field.
    pub fn section(&self, key: &str, known: &[&str], layer: &mut Layer<'_>) -> Option<Item<'k>> {
        Item::of(self.node.get(key)?, &format!("{}.{key}", self.path), known, layer)
    }

    /// The items of a list of mappings.
    pub fn sections(&self, key: &str, known: &[&str], layer: &mut Layer<'_>) -> Vec<Item<'k>> {
        let path = format!("{}.{key}", self.path);
        let items = self.list(key, layer).unwrap_or_default();
        items.iter().filter_map(|node| Item::of(node, &path, known, layer)).collect()
    }

    fn list(&self, key: &str, layer: &mut Layer<'_>) -> Option<&'k [Node]> {
        let node = self.node.get(key)?;
        let items = node.items();
        if items.is_none() {
            self.misfit(layer, Some(key), node, "a list");
        }
        items
    }

    /// A string; an empty one is as good as none.
    pub fn text(&self, key: &str, layer: &mut Layer<'_>) -> Option<&'k str> {
        let node = self.node.get(key)?;
        let text = node.string();
        if text.is_none() {
            self.misfit(layer, Some(key), node, "a string");
        }
        text.filter(|text| !text.is_empty())
    }

    /// A string that has to be there.
    pub fn required(&self, key: &str, layer: &mut Layer<'_>) -> Option<&'k str> {
        let faults = layer.reading.faults.len();
        let text = self.text(key, layer);
        if text.is_none() && layer.reading.faults.len() == faults {
            layer.error("missing-field", self.node, format!("`{}.{key}` is missing", self.path));
        }
        text
    }

    /// The strings of a list.
    pub fn texts(&self, key: &str, layer: &mut Layer<'_>) -> Vec<&'k Node> {
        let items = self.list(key, layer).unwrap_or_default();
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.string() {
                Some(_) => texts.push(item),
                None => self.misfit(layer, Some(key), item, "a list of strings"),
            }
        }
        texts
    }

    /// A boolean, false where none is written.
    pub fn flag(&self, key: &str, layer: &mut Layer<'_>) -> bool {
        match self.node.get(key).map(|node| (node, yaml::to_json(node))) {
            None => false,
            Some((_, serde_json::Value::Bool(value))) => value,
            Some((node, _)) => {
                self.misfit(layer, Some(key), node, "true or false");
                false
            }
        }
    }

    /// A whole number.
    pub fn integer(&self, key: &str, layer: &mut Layer<'_>) -> Option<i64> {
        let node = self.node.get(key)?;
        let is_number = matches!(&node.value, Value::Scalar(scalar) if scalar.kind == ScalarKind::Number);
        let number = yaml::to_json(node).as_i64().filter(|_| is_number);
        if number.is_none() {
            self.misfit(layer, Some(key), node, "a whole number");
        }
        number
    }

    /// The entries of a mapping whose values are strings.
    pub fn pairs(&self, key: &str, layer: &mut Layer<'_>) -> &'k [Entry] {
        let Some(node) = self.node.get(key) else { return &[] };
        if !node.is_mapping() {
            self.misfit(layer, Some(key), node, "a mapping");
        }
        for entry in node.entries().iter().filter(|entry| entry.value.string().is_none()) {
            let name = format!("{key}.{}", entry.key.escape_debug());
            self.misfit(layer, Some(&name), &entry.value, "a string");
        }
        node.entries()
    }

    fn misfit(&self, layer: &mut Layer<'_>, key: Option<&str>, node: &Node, expected: &str) {
        let name = key.map_or_else(|| self.path.clone(), |key| format!("{}.{key}", self.path));
        let quotes =
            if expected.ends_with("string") && node.text().is_some() { "; put it in quotes" } else { "" };
        let message = format!("`{name}`: expected {expected}, found {}{quotes}", node.kind_name());
        layer.error("wrong-type", node, message);
    }
}
