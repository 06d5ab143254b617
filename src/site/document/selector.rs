//! Choosing documents by what they are, what they are called and how they are labelled.

use std::fmt;

use super::{Document, LabelSelector};

/// Every part that is given has to match; names are compared literally, never as patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Of `apiVersion`; empty for the core group.
    pub group: Option<String>,
    pub version: Option<String>,
    pub kind: Option<String>,
    /// Compared after `default` stands in where a document has no namespace.
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// Annotations are selected in the grammar of labels.
    pub annotations: LabelSelector,
    pub labels: LabelSelector,
}

impl Selector {
    /// Selects by kind and by a label that has one of several values.
    pub fn labelled(kind: &str, label: &str, values: &[&str]) -> Self {
        Self { kind: Some(kind.to_owned()), labels: LabelSelector::one_of(label, values), ..Self::default() }
    }

    /// Whether a document is one of those meant.
    pub fn matches(&self, document: &Document) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| match wanted {
            Some(wanted) => found == Some(wanted),
            None => true,
        };
        same(&self.group, Some(document.group()))
            && same(&self.version, Some(document.version()))
            && same(&self.kind, Some(document.kind()))
            && same(&self.namespace, Some(document.effective_namespace()))
            && same(&self.name, document.name())
            && self.annotations.matches(|key| document.annotation(key))
            && self.labels.matches(|key| document.label(key))
    }
}

/// As users wrote it: `kind Secret, label a in (b,c)`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (word, value) in [
            ("group", &self.group),
            ("version", &self.version),
            ("kind", &self.kind),
            ("namespace", &self.namespace),
            ("name", &self.name),
        ] {
            parts.extend(value.as_ref().map(|value| format!("{word} {}", value.escape_debug())));
        }
        for (word, selector) in [("label", &self.labels), ("annotation", &self.annotations)] {
            parts.extend((!selector.is_empty()).then(|| format!("{word} {selector}")));
        }
        match parts.is_empty() {
            true => f.write_str("everything"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}
