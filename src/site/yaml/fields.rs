//! Reading a mapping field by field, noting what is wrong instead of stopping at it.

use super::merge::key_name;
use super::scalar::boolean;
use super::{Entry, Mark, Node, Origin};
use crate::error::Fault;

/// A mapping on its way into a structure of ours.
pub struct Fields<'a> {
    origin: &'a Origin,
    node: &'a Node,
    /// Dotted path of the mapping in its document, empty for the root.
    path: String,
}

impl<'a> Fields<'a> {
    /// The root of a document. Adds a fault, and is `None`, if it is not a mapping.
    pub fn of_root(node: &'a Node, origin: &'a Origin, faults: &mut Vec<Fault>) -> Option<Self> {
        Self::of(node, origin, String::new(), faults)
    }

    /// As [`Fields::of_root`], for the mapping at `path`.
    fn of(node: &'a Node, origin: &'a Origin, path: String, faults: &mut Vec<Fault>) -> Option<Self> {
        if node.is_mapping() {
            return Some(Self { origin, node, path });
        }
        let name = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
        faults.push(origin.fault(node.mark, format!("{name}expected a mapping, found {}", node.kind_name())));
        None
    }

    /// The dotted path of a field of this mapping.
    pub fn path(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// Where the mapping begins.
    pub fn mark(&self) -> Mark {
        self.node.mark
    }

    /// The field, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    /// A fault at the place of a node of this document.
    pub fn fault(&self, node: &Node, message: impl Into<String>) -> Fault {
        self.origin.fault(node.mark, message)
    }

    /// The field; a fault at this mapping if it is missing.
    pub fn required(&self, key: &str, faults: &mut Vec<Fault>) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            faults.push(self.origin.fault(self.node.mark, format!("`{}` is missing", self.path(key))));
        }
        found
    }

    /// A string that may be missing; a fault if it is anything else or empty.
    pub fn string(&self, key: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        self.string_of(key, self.get(key)?, faults)
    }

    /// A string that has to be there and not be empty.
    pub fn required_string(&self, key: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        self.string_of(key, self.required(key, faults)?, faults)
    }

    /// Turns the text of a field into its value, or adds a fault with the error's text at the field.
    pub fn parsed<T>(
        &self,
        key: &str,
        text: Option<&str>,
        faults: &mut Vec<Fault>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (parsed, node) = (parse(text?), self.get(key)?);
        parsed
            .map_err(|message| faults.push(self.fault(node, format!("`{}`: {message}", self.path(key)))))
            .ok()
    }

    fn string_of(&self, key: &str, node: &'a Node, faults: &mut Vec<Fault>) -> Option<&'a str> {
        let message = match node.string() {
            Some("") => "is empty".to_owned(),
            Some(text) => return Some(text),
            None if node.text().is_some() => {
                format!("expected a string, found {}; put it in quotes", node.kind_name())
            }
            None => format!("expected a string, found {}", node.kind_name()),
        };
        faults.push(self.fault(node, format!("`{}`: {message}", self.path(key))));
        None
    }

    /// A boolean that may be missing; quoted ones are strings and a fault.
    pub fn boolean(&self, key: &str, faults: &mut Vec<Fault>) -> Option<bool> {
        let node = self.get(key)?;
        let value = node.text().filter(|_| node.string().is_none()).and_then(boolean);
        if value.is_none() {
            let found = node.kind_name();
            let message = format!("`{}`: expected true or false, found {found}", self.path(key));
            faults.push(self.fault(node, message));
        }
        value
    }

    /// A mapping that may be missing.
    pub fn section(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Fields<'a>> {
        Self::of(self.get(key)?, self.origin, self.path(key), faults)
    }

    /// The mapping's own entries as mappings: a table by name. A fault for each that is none.
    pub fn sections(&self, faults: &mut Vec<Fault>) -> Vec<(&'a Entry, Fields<'a>)> {
        let section = |entry: &'a Entry, faults: &mut Vec<Fault>| {
            let path = self.path(&entry.key.escape_debug().to_string());
            Some((entry, Self::of(&entry.value, self.origin, path, faults)?))
        };
        self.node.entries().iter().filter_map(|entry| section(entry, faults)).collect()
    }

    /// A mapping that has to be there.
    pub fn required_section(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Fields<'a>> {
        Self::of(self.required(key, faults)?, self.origin, self.path(key), faults)
    }

    /// Notes each key that nothing here reads.
    pub fn warn_unknown(&self, known: &[&str], warnings: &mut Vec<Fault>) {
        for entry in self.node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let within = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let message = format!("unknown key {}{within} is ignored", key_name(&entry.key));
            warnings.push(self.origin.fault(entry.key_mark, message).coded("unknown-key"));
        }
    }
}
