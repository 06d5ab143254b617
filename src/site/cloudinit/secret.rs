//! Values of Secrets: taken out as bytes, never shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::choice::ENCRYPTED;
use crate::error::Fault;
use crate::site::document::Document;
use crate::site::yaml::{Node, key_name};

/// The value of `key`: `stringData` wins over `data`, as in Kubernetes. Messages name the key and
/// the place, nothing of the value.
pub(super) fn value(document: &Document, key: &str, faults: &mut Vec<Fault>) -> Option<Vec<u8>> {
    let node = document.node();
    let (found, is_encoded) = match (node.at(&["stringData", key]), node.at(&["data", key])) {
        (Some(text), _) => (text, false),
        (None, Some(encoded)) => (encoded, true),
        (None, None) => {
            faults.push(document.fault(node, missing(document, key)));
            return None;
        }
    };
    let value = text_of(found).and_then(|text| if is_encoded { decode(text) } else { Ok(text.into()) });
    match value.and_then(checked) {
        Ok(value) => {
            warn_placeholders(document, key, &value);
            Some(value)
        }
        Err(message) => {
            faults.push(document.fault(found, format!("{}: {message}", key_name(key))));
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
fn warn_placeholders(document: &Document, key: &str, value: &[u8]) {
    let lines = value.split(|byte| *byte == b'\n').enumerate();
    for (index, _) in lines.filter(|(_, line)| contains(line, b"REPLACEMENT_")) {
        let (line, key) = (index + 1, key_name(key));
        tracing::warn!(
            "{document}: line {line} of {key} has a REPLACEMENT_ placeholder that nothing replaced"
        );
    }
}
