//! The hash suffixes of generated names, as kustomize computes them (`api/hasher`).

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::resource::{ResMap, Resource};
use crate::site::yaml::{Node, to_json};

/// Adds the hash of its content to the name of every resource that wants one.
pub(super) fn add(resources: &mut ResMap) {
    for resource in resources.resources.iter_mut().filter(|resource| resource.needs_hash) {
        let Some(suffix) = suffix(&resource.node) else { continue };
        append(resource, &suffix);
    }
}

fn append(resource: &mut Resource, suffix: &str) {
    resource.remember_id();
    let Some(metadata) = resource.node.get_mut("metadata") else { return };
    let mark = metadata.get("name").map_or(metadata.mark, |name| name.mark);
    let name = metadata.get("name").and_then(Node::text).unwrap_or_default();
    let name = format!("{name}-{suffix}");
    metadata.set("name", Node::of_text(name, mark));
}

/// Ten characters; only ConfigMaps and Secrets are generated.
fn suffix(node: &Node) -> Option<String> {
    let (kind, optional, fields): (_, _, &[&str]) = match node.get("kind")?.text()? {
        "ConfigMap" => ("ConfigMap", "binaryData", &["binaryData", "data", "kind", "name"]),
        "Secret" => ("Secret", "stringData", &["data", "kind", "name", "stringData", "type"]),
        _ => return None,
    };
    let mut text = String::from("{");
    for field in fields {
        let value = match *field {
            "kind" => Json::from(kind),
            // kustomize looks for a key `metadata/name`, which there never is
            "name" => Json::from(""),
            field => hashed(node.get(field)),
        };
        if *field == optional && !value.is_object() {
            continue;
        }
        if text.len() > 1 {
            text.push(',');
        }
        write_string(field, &mut text);
        text.push(':');
        write_json(&value, &mut text);
    }
    text.push('}');
    Some(encode(&Sha256::digest(text.as_bytes())))
}

/// What is missing counts as an empty text.
fn hashed(node: Option<&Node>) -> Json {
    match node {
        None => Json::from(""),
        Some(node) => node.text().map_or_else(|| to_json(node), Json::from),
    }
}

/// The first ten hexadecimal digits, those that could make words or be mistaken replaced.
fn encode(digest: &[u8]) -> String {
    let hex = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect::<String>();
    let letter = |c| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        c => c,
    };
    hex.chars().map(letter).collect()
}

/// As Go's `json.Marshal` writes it: keys sorted, and what HTML would take for markup escaped.
fn write_json(value: &Json, out: &mut String) {
    match value {
        Json::String(text) => write_string(text, out),
        Json::Number(number) => out.push_str(&number.as_f64().map_or_else(|| number.to_string(), go_float)),
        Json::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (number, (key, value)) in entries.into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Go has read every number as a float before (`encoding/json`, `floatEncoder`).
fn go_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => text,
    }
}
