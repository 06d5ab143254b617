//! Selectors in the configuration, and the defaults that sites rely on.

use crate::error::Fault;
use crate::site::document::{LabelSelector, Selector};
use crate::site::yaml::Fields;

/// Which document a value is taken from, and which key of the Secret holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSelection {
    /// `None` means the label that sites of this kind carry.
    pub selector: Option<Selector>,
    /// The key of the Secret's `stringData` or `data`.
    pub key: String,
}

/// The fields of a selector.
pub(super) const KEYS: [&str; 7] =
    ["group", "version", "kind", "namespace", "name", "annotationSelector", "labelSelector"];

/// Reads `<what>Selector` and `<what>Key` of the builder's section.
pub(super) fn read(
    builder: &Fields<'_>,
    selector: &str,
    key: (&str, &str),
    faults: &mut Vec<Fault>,
) -> SecretSelection {
    let (key, default) = key;
    let key = builder.string(key, faults).unwrap_or(default).to_owned();
    let selector = builder.section(selector, faults).map(|fields| read_selector(&fields, faults));
    // one that says nothing would select everything, which nobody means
    let selector = selector.filter(|selector| *selector != Selector::default());
    SecretSelection { selector, key }
}

/// The fields that Kubernetes-style selectors have; all are optional.
fn read_selector(fields: &Fields<'_>, faults: &mut Vec<Fault>) -> Selector {
    // in selectors an empty string has always meant the same as none
    let mut text = |key: &str| match fields.get(key)?.string() {
        Some("") => None,
        _ => fields.string(key, faults).map(str::to_owned),
    };
    let (group, version, kind) = (text("group"), text("version"), text("kind"));
    let (namespace, name) = (text("namespace"), text("name"));
    let (annotations, labels) = (text("annotationSelector"), text("labelSelector"));
    let annotations = label_selector(fields, "annotationSelector", annotations, faults);
    let labels = label_selector(fields, "labelSelector", labels, faults);
    Selector { group, version, kind, namespace, name, annotations, labels }
}

/// A selector's text, parsed; a fault at the field if that fails.
fn label_selector(
    fields: &Fields<'_>,
    key: &str,
    text: Option<String>,
    faults: &mut Vec<Fault>,
) -> LabelSelector {
    let (Some(text), Some(node)) = (text, fields.get(key)) else { return LabelSelector::default() };
    LabelSelector::parse(&text).unwrap_or_else(|reason| {
        faults.push(fields.fault(node, format!("`{}`: {reason}", fields.path(key))));
        LabelSelector::default()
    })
}
