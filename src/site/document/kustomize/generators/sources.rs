//! What generated data come from: `envs`, `literals` and `files`. Any of it may be secret, so that
//! messages name keys and places, never texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::Layer;
use super::super::item::Item;
use super::Kind;
use crate::site::yaml::{Mark, Node, key_name};

/// Columns of a base64 text; longer ones are folded.
const WIDTH: usize = 70;

/// One key and its value.
pub(super) struct Datum {
    pub key: String,
    pub value: Vec<u8>,
    /// The item of the list that says so.
    pub mark: Mark,
}

/// The data of one generator, sorted by key; what is wrong is noted.
pub(super) fn data(layer: &mut Layer<'_>, item: &Item<'_>, kind: Kind) -> Vec<Datum> {
    let mut data = Vec::new();
    let env = item.text("env", layer).and_then(|_| item.node.get("env"));
    for node in item.texts("envs", layer).into_iter().chain(env) {
        add_env(layer, node, &mut data);
    }
    for node in item.texts("literals", layer) {
        match literal(node.string().unwrap_or_default()) {
            Some((key, value)) => add(layer, node, key, value.as_bytes().to_vec(), &mut data),
            None => {
                let message = "a literal is not of the form KEY=VALUE (its text is not shown)";
                layer.error("bad-literal", node, message);
            }
        }
    }
    for node in item.texts("files", layer) {
        if let Some((key, bytes)) = file(layer, node, kind) {
            add(layer, node, &key, bytes, &mut data);
        }
    }
    data.sort_by(|a, b| a.key.cmp(&b.key));
    data
}

fn add(layer: &mut Layer<'_>, node: &Node, key: &str, value: Vec<u8>, data: &mut Vec<Datum>) {
    if data.iter().any(|datum| datum.key == key) {
        layer.error("repeated-key", node, format!("{} is generated twice", key_name(key)));
        return;
    }
    data.push(Datum { key: key.to_owned(), value, mark: node.mark });
}

/// `KEY=VALUE`; one pair of quotes around the value is taken away.
fn literal(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty())?;
    let inner = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    Some((key, inner('"').or_else(|| inner('\'')).unwrap_or(value)))
}

/// `PATH`, whose key is the file's name, or `KEY=PATH`.
fn file(layer: &mut Layer<'_>, node: &Node, kind: Kind) -> Option<(String, Vec<u8>)> {
    let text = node.string()?;
    let (key, path) = match text.split_once('=') {
        None => (text.trim_end_matches('/').rsplit('/').next().unwrap_or(text), text),
        Some((key, path)) => (key, path),
    };
    if key.is_empty() || path.is_empty() || path.contains('=') {
        layer.error("bad-file-source", node, "a file is not of the form PATH or KEY=PATH");
        return None;
    }
    // a literal that was put among the files would be shown as the path of a missing one
    if kind == Kind::Secret && key.len() < text.len() - path.len() && layer.permitted(path).is_err() {
        let name = key_name(key);
        let message = format!("the file of {name} cannot be read, or is outside (its path is not shown)");
        layer.error("unreadable-file", node, message);
        return None;
    }
    let (bytes, _) = layer.file(&Node::of_text(path, node.mark))?;
    Some((key.to_owned(), bytes))
}

/// The lines `KEY=VALUE` of a file; `KEY` alone has an empty value.
fn add_env(layer: &mut Layer<'_>, node: &Node, data: &mut Vec<Datum>) {
    let Some((bytes, _)) = layer.file(node) else { return };
    let path = node.text().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) else {
        layer.error("bad-env-file", node, format!("`{path}` is not UTF-8; expected lines KEY=VALUE"));
        return;
    };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            let message = format!("`{path}`: line {} has no key before its `=`", number + 1);
            layer.error("bad-env-file", node, message);
            continue;
        }
        add(layer, node, key, value.as_bytes().to_vec(), data);
    }
}

/// Base64 as kustomize writes it: folded, and ended by a line break, where it fills a line.
pub(super) fn base64(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() < WIDTH {
        return text;
    }
    // base64 is ASCII, so that any split is between characters
    let lines = text.as_bytes().chunks(WIDTH);
    lines.map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_around_a_literal_go_if_they_are_a_pair() {
        for (text, expected) in [
            ("a=b", Some(("a", "b"))),
            ("a=\"b\"", Some(("a", "b"))),
            ("a='b'", Some(("a", "b"))),
            ("a='b", Some(("a", "'b"))),
            ("a='b\"", Some(("a", "'b\""))),
            ("a=\"", Some(("a", "\""))),
            ("a=b=c", Some(("a", "b=c"))),
            ("a=", Some(("a", ""))),
            ("=b", None),
            ("ab", None),
        ] {
            assert_eq!(literal(text), expected, "{text}");
        }
    }

    #[test]
    fn base64_is_folded_at_70_columns() {
        assert_eq!(base64(b"word"), "d29yZA==");
        assert_eq!(base64(&[0; 51]).len(), 68);
        assert_eq!(base64(&[0; 52]), format!("{}\n{}\n", "A".repeat(70), "=="));
    }
}
