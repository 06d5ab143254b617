//! One scalar of a file changed, every other byte as it was: the volume in the builder's copy of the
//! configuration, the current context in the airshipctl config.

use std::ops::Range;

use crate::error::Fault;
use crate::site::yaml::{self, Budget, Fields, Node, Origin, ScalarKind, Value};

const VOLUME: [&str; 2] = ["container", "volume"];

/// `bytes` with the volume written as `wanted`. Adds a fault where the scalar cannot be replaced
/// without changing something else, which takes anchors or merge keys.
pub(super) fn volume(
    bytes: &[u8],
    root: &Node,
    wanted: &str,
    fields: &Fields<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Vec<u8>> {
    let node = root.at(&VOLUME)?;
    let patched = scalar(bytes, root, &VOLUME, wanted);
    if patched.is_none() {
        let message = format!("`container.volume` cannot be cleaned in place; write it as {wanted:?}");
        faults.push(fields.fault(node, message));
    }
    patched
}

/// `bytes`, which read as `root`, with the scalar at `path` written as `wanted`; `None` where it has
/// no place of its own, or none that can hold it.
pub(super) fn scalar(bytes: &[u8], root: &Node, path: &[&str], wanted: &str) -> Option<Vec<u8>> {
    let node = path.iter().try_fold(root, |node, key| {
        // null or not, unlike `Node::at`
        node.entries().iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
    })?;
    if node.string() == Some(wanted) {
        return Some(bytes.to_vec());
    }
    places(bytes, node).into_iter().find_map(|place| {
        let fits = |text: String| {
            let patched = place.filled(bytes, &text);
            reads_as(&patched, root, path, wanted).then_some(patched)
        };
        notations(wanted, bytes[place.token.start]).into_iter().find_map(fits)
    })
}

/// From the plainest to the most careful notation, but first the one that was used.
pub(super) fn notations(wanted: &str, first: u8) -> [String; 3] {
    let plain = wanted.to_owned();
    let single = format!("'{}'", wanted.replace('\'', "''"));
    // JSON's strings are YAML's double-quoted ones
    let double = serde_json::Value::from(wanted).to_string();
    match first {
        b'"' => [double, single, plain],
        b'\'' => [single, double, plain],
        _ => [plain, single, double],
    }
}

/// What is replaced by the new scalar, and what goes without replacement.
struct Place {
    token: Range<usize>,
    dropped: Range<usize>,
}

impl Place {
    fn filled(&self, bytes: &[u8], text: &str) -> Vec<u8> {
        let between = &bytes[self.token.end..self.dropped.start];
        [&bytes[..self.token.start], text.as_bytes(), between, &bytes[self.dropped.end..]].concat()
    }
}

/// Where the scalar may be written: in its own place, or, since the span of a block scalar is its
/// content, in place of the indicator above.
fn places(bytes: &[u8], node: &Node) -> Vec<Place> {
    let span = node.span.start as usize..node.span.end as usize;
    if bytes.get(span.clone()).is_none_or(<[u8]>::is_empty) {
        return Vec::new();
    }
    let inline = Place { token: span.clone(), dropped: span.end..span.end };
    match block_header(bytes, span.start) {
        Some(header) => {
            let line_end = header.end + line_length(&bytes[header.end..]);
            // blank lines and the indentation of the next line belong to the span, but stay
            let content = span.start + bytes[span].trim_ascii_end().len();
            vec![Place { token: header, dropped: line_end..content.max(line_end) }]
        }
        None => vec![inline],
    }
}

/// The indicator (`|`, `>-`, ...) of the block scalar whose content begins at `content`.
fn block_header(bytes: &[u8], content: usize) -> Option<Range<usize>> {
    let above = bytes[..content].trim_ascii_end();
    let line_start = above.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = &above[line_start..];
    // on the same line it is no block scalar
    if !bytes[above.len()..content].contains(&b'\n') {
        return None;
    }
    let code = line.windows(2).position(|pair| pair == b" #").map_or(line, |comment| &line[..comment]);
    let code = code.trim_ascii_end();
    let modifiers = code.iter().rev().take_while(|byte| b"+-123456789".contains(byte)).count();
    let start = code.len().checked_sub(modifiers + 1)?;
    matches!(code[start], b'|' | b'>').then_some(line_start + start..line_start + code.len())
}

/// Bytes before the next line break.
fn line_length(bytes: &[u8]) -> usize {
    let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    length - usize::from(bytes[..length].ends_with(b"\r"))
}

/// Whether the patched bytes are the same tree but for the string at `path`.
fn reads_as(patched: &[u8], before: &Node, path: &[&str], wanted: &str) -> bool {
    only_document(patched).is_some_and(|after| {
        after.at(path).and_then(Node::string) == Some(wanted) && same(before, &after, Some(path))
    })
}

/// The tree of bytes that are one document without fault.
pub(super) fn only_document(bytes: &[u8]) -> Option<Node> {
    let mut faults = Vec::new();
    let documents = yaml::parse(&Origin::new("", None), bytes, &mut Budget::default(), &mut faults);
    let mut nodes = documents.into_iter().map(|(_, node)| node);
    nodes.next().filter(|_| faults.is_empty() && nodes.next().is_none())
}

/// Compares two trees by content, keys in order, leaving out what is at the path `except`.
pub(super) fn same(a: &Node, b: &Node, except: Option<&[&str]>) -> bool {
    if except == Some(&[]) {
        return true;
    }
    match (&a.value, &b.value) {
        // null has many spellings
        (Value::Scalar(a), Value::Scalar(b)) => {
            a.kind == b.kind && (a.text == b.text || a.kind == ScalarKind::Null)
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, None))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    let except = except.and_then(|path| path.split_first()).filter(|(key, _)| **key == a.key);
                    a.key == b.key && same(&a.value, &b.value, except.map(|(_, rest)| rest))
                })
        }
        _ => false,
    }
}
