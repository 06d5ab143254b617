//! The builder's copy of a configuration that has no file of its own: written from the tree, aliases
//! and merge keys resolved, since they may lead out of it.

use super::patch;
use crate::site::yaml::{Entry, Node, Scalar, ScalarKind, Style, Value};

/// Readers look no further than 1,024 characters for the `:` behind a key (YAML 1.2, 7.4.3); longer keys, in
/// bytes as they are written, get `? ` before them.
const LONGEST_SIMPLE_KEY: usize = 1000;

/// `node` in block style, the volume as `wanted`; shell builders take it from a line of its own.
pub(super) fn with_volume(node: &Node, wanted: &str) -> String {
    let mut node = node.clone();
    if let Some(container) = node.get_mut("container") {
        let mark = container.mark;
        let scalar = Scalar { kind: ScalarKind::String, text: wanted.to_owned(), style: Style::Plain };
        container.set("volume", Node { value: Value::Scalar(scalar), mark, span: 0..0 });
    }
    written(&node)
}

/// A tree as one YAML document that reads the same: words quoted or not as they were, `"no"` apart
/// from `no`.
pub(super) fn written(node: &Node) -> String {
    let as_before = text(node, Quoting::AsBefore);
    // what was plain over several lines, or by its tag, is not plain on one line
    match patch::only_document(as_before.as_bytes()).is_some_and(|read| patch::same(node, &read, None)) {
        true => as_before,
        false => text(node, Quoting::Strings),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    AsBefore,
    Strings,
}

fn text(node: &Node, quoting: Quoting) -> String {
    let mut text = lines(node, quoting).join("\n");
    text.push('\n');
    text
}

/// Trees are at most [`crate::site::yaml::MAX_DEPTH`] deep.
fn lines(node: &Node, quoting: Quoting) -> Vec<String> {
    match &node.value {
        Value::Scalar(scalar) => vec![word(scalar, quoting)],
        Value::Sequence(items) if items.is_empty() => vec!["[]".into()],
        Value::Mapping(entries) if entries.is_empty() => vec!["{}".into()],
        Value::Sequence(items) => items.iter().flat_map(|item| item_lines(item, quoting)).collect(),
        Value::Mapping(entries) => entries.iter().flat_map(|entry| entry_lines(entry, quoting)).collect(),
    }
}

fn item_lines(item: &Node, quoting: Quoting) -> Vec<String> {
    let prefixed = |(at, line)| format!("{}{line}", if at == 0 { "- " } else { "  " });
    lines(item, quoting).into_iter().enumerate().map(prefixed).collect()
}

fn entry_lines(entry: &Entry, quoting: Quoting) -> Vec<String> {
    let (key, below) = (key(&entry.key), lines(&entry.value, quoting));
    if key.len() > LONGEST_SIMPLE_KEY {
        let value =
            below.iter().enumerate().map(|(at, line)| format!("{}{line}", if at == 0 { ": " } else { "  " }));
        return std::iter::once(format!("? {key}")).chain(value).collect();
    }
    let indent = match &entry.value.value {
        Value::Mapping(entries) if !entries.is_empty() => "  ",
        Value::Sequence(items) if !items.is_empty() => "",
        _ => return vec![format!("{key}: {}", below.concat())],
    };
    std::iter::once(format!("{key}:"))
        .chain(below.into_iter().map(|line| format!("{indent}{line}")))
        .collect()
}

/// A key that is a word needs no quotes, whatever word it is: keys are strings.
fn key(key: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    match key.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && key.chars().all(is_word) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

fn word(scalar: &Scalar, quoting: Quoting) -> String {
    match scalar.kind {
        ScalarKind::Null => "null".into(),
        ScalarKind::String if quoting == Quoting::Strings || scalar.style != Style::Plain => {
            quoted(&scalar.text)
        }
        _ => scalar.text.clone(),
    }
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        written(&patch::only_document(text.as_bytes()).unwrap_or_else(|| panic!("{text}")))
    }

    #[test]
    fn a_tree_is_written_as_it_reads() {
        for (before, after) in [
            ("a: 'no'\nb: no\nc: 0644\nd: \"0644\"\n", "a: \"no\"\nb: no\nc: 0644\nd: \"0644\"\n"),
            (
                "a: {b: [], c: {}, d: [1, {e: f, g: h}]}\n",
                "a:\n  b: []\n  c: {}\n  d:\n  - 1\n  - e: f\n    g: h\n",
            ),
            ("- [a, [b]]\n-\n- ''\n", "- - a\n  - - b\n- null\n- \"\"\n"),
            ("a: |\n  x\n  y\nb: x\n", "a: \"x\\ny\\n\"\nb: x\n"),
            ("\"a b\": 1\n? '- x'\n: y\n\"\": z\n", "\"a b\": 1\n\"- x\": y\n\"\": z\n"),
            ("x: &x {a: 1}\ny: {<<: *x}\nz: *x\n", "x:\n  a: 1\ny:\n  a: 1\nz:\n  a: 1\n"),
            ("a: !!str 12\nb: c\n", "a: \"12\"\nb: \"c\"\n"),
            ("a: b\n  # c\n", "a: b\n"),
            ("# only a word\nword\n", "word\n"),
        ] {
            assert_eq!(rewritten(before), after, "{before}");
            assert_eq!(rewritten(after), after, "{before}");
        }
    }

    #[test]
    fn keys_too_long_to_be_looked_for_are_announced() {
        for length in [998, 999, 1000, 1001, 1100, 3000] {
            for long in ["k".repeat(length), " ".repeat(length), "\u{e9}\n".repeat(length / 2)] {
                let before = format!("a:\n- ? {}\n  : x: [1, {{y: z}}]\nb: c\n", quoted(&long));
                let read = |text: &str| patch::only_document(text.as_bytes()).unwrap();
                let after = rewritten(&before);
                assert!(patch::same(&read(&before), &read(&after), None), "{after}");
                assert_eq!(rewritten(&after), after);
            }
        }
    }

    #[test]
    fn the_volume_stands_plain_where_it_can() {
        let read = |text: &str| patch::only_document(text.as_bytes()).unwrap();
        let node = read("container: {volume: \"~/a\", image: b}\n");
        assert_eq!(with_volume(&node, "/a:/b"), "container:\n  volume: /a:/b\n  image: b\n");
        assert_eq!(with_volume(&node, "/a #b:/b"), "container:\n  volume: \"/a #b:/b\"\n  image: \"b\"\n");
    }
}
