//! Values of Secrets: taken out as bytes, never shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::choice::ENCRYPTED;
use crate::error::{Fault, Position};
use crate::site::document::Document;
use crate::site::report::Report;
use crate::site::yaml::{Mark, Node, Origin, Style, Value, key_name};

/// A Secret's value, and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretValue {
    pub bytes: Vec<u8>,
    pub place: ValuePlace,
}

/// Where a value stands in the site's documents, so that a place within it can be told too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePlace {
    origin: Origin,
    /// Where the value begins.
    mark: Mark,
    key: String,
    /// Whether each line of the value is a line of the file.
    is_literal: bool,
}

impl ValuePlace {
    fn new(document: &Document, key: &str, node: &Node, is_encoded: bool) -> Self {
        let is_literal = match &node.value {
            Value::Scalar(scalar) => scalar.style == Style::Literal && !is_encoded,
            _ => false,
        };
        Self { origin: document.origin().clone(), mark: node.mark, key: key.to_owned(), is_literal }
    }

    /// Where the value begins.
    pub fn position(&self) -> Position {
        self.origin.at(self.mark)
    }

    /// A fault at a place within the value, both counted from 1: the line of the file if the value is
    /// written there as it is, else the place of the value and the line within it.
    pub fn fault(&self, within: Mark, message: &str) -> Fault {
        let key = key_name(&self.key);
        if !self.is_literal || within.line == 0 {
            let line = if within.line == 0 { String::new() } else { format!("line {} of ", within.line) };
            return Fault::new(self.position(), format!("{line}{key}: {message}"));
        }
        let mark = Mark {
            line: self.mark.line + within.line - 1,
            column: self.mark.column + within.column - 1,
            source: self.mark.source,
        };
        self.origin.fault(mark, format!("{key}: {message}"))
    }
}

/// The value of `key`: `stringData` wins over `data`, as in Kubernetes. Messages name the key and
/// the place, nothing of the value.
pub(super) fn value(document: &Document, key: &str, report: &mut Report) -> Option<SecretValue> {
    let node = document.node();
    let (found, is_encoded) = match (node.at(&["stringData", key]), node.at(&["data", key])) {
        (Some(text), _) => (text, false),
        (None, Some(encoded)) => (encoded, true),
        (None, None) => {
            report.errors.push(document.fault(node, missing(document, key)));
            return None;
        }
    };
    let value = text_of(found).and_then(|text| if is_encoded { decode(text) } else { Ok(text.into()) });
    match value.and_then(checked) {
        Ok(bytes) => {
            let place = ValuePlace::new(document, key, found, is_encoded);
            warn_placeholders(&place, &bytes, report);
            Some(SecretValue { bytes, place })
        }
        Err(message) => {
            let fault = document.fault(found, format!("{}: {message}", key_name(key)));
            report.errors.push(if message == ENCRYPTED { fault.coded("sops-encrypted") } else { fault });
            None
        }
    }
}

/// Lists the keys that are there: most often the key was misspelt.
fn missing(document: &Document, key: &str) -> String {
    let keys: Vec<String> = ["stringData", "data"]
        .iter()
        .filter_map(|section| document.node().get(section))
        .flat_map(|section| section.entries().iter().filter(|entry| !entry.value.is_null()))
        .map(|entry| key_name(&entry.key))
        .collect();
    let there = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
    format!("{document} has no {} in stringData or data; it has {there}", key_name(key))
}

/// Kubernetes refuses `0644` or `no` for a string; guessing which text was meant would be worse.
fn text_of(node: &Node) -> Result<&str, String> {
    node.string().ok_or_else(|| match node.text() {
        Some(_) => format!("expected a string, found {}; put it in quotes", node.kind_name()),
        None => format!("expected a string, found {}", node.kind_name()),
    })
}

/// The decoder's own message would quote a character of the value.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).map_err(|_| "is not base64".into())
}

/// An empty value, or one encrypted before it was encoded, configures nothing.
fn checked(value: Vec<u8>) -> Result<Vec<u8>, String> {
    match value {
        value if value.iter().all(u8::is_ascii_whitespace) => Err("is empty".into()),
        value if contains(&value, b"ENC[AES256_GCM,") => Err(ENCRYPTED.into()),
        value => Ok(value),
    }
}

fn contains(value: &[u8], needle: &[u8]) -> bool {
    value.windows(needle.len()).any(|window| window == needle)
}

/// Names the line only: what follows the placeholder's name may be a secret.
fn warn_placeholders(place: &ValuePlace, value: &[u8], report: &mut Report) {
    let lines = value.split(|byte| *byte == b'\n').enumerate();
    for (index, _) in lines.filter(|(_, line)| contains(line, b"REPLACEMENT_")) {
        let fault = place.fault(Mark::new(index + 1, 1), "a REPLACEMENT_ placeholder that nothing replaced");
        report.warnings.push(fault.coded("placeholder"));
    }
}
