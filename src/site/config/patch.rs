//! The builder's copy of the configuration: one scalar changed, every other byte as it was.

use crate::error::Fault;
use crate::site::yaml::{self, Budget, Fields, Node, Origin, Value};

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
    if node.text() == Some(wanted) {
        return Some(bytes.to_vec());
    }
    let patched = candidates(wanted).into_iter().find_map(|text| {
        let patched = replaced(bytes, node, &text)?;
        reads_as(&patched, root, wanted).then_some(patched)
    });
    if patched.is_none() {
        let message = format!("`container.volume` cannot be cleaned in place; write it as {wanted:?}");
        faults.push(fields.fault(node, message));
    }
    patched
}

/// From the plainest to the most careful notation.
fn candidates(wanted: &str) -> [String; 3] {
    // JSON's strings are YAML's double-quoted ones
    let double = serde_json::Value::from(wanted).to_string();
    [wanted.to_owned(), format!("'{}'", wanted.replace('\'', "''")), double]
}

fn replaced(bytes: &[u8], node: &Node, text: &str) -> Option<Vec<u8>> {
    let old = bytes.get(node.span.clone())?;
    // the span of a block scalar ends after its line break, which has to stay
    let end = match old {
        [.., b'\r', b'\n'] => "\r\n",
        [.., b'\n'] => "\n",
        _ => "",
    };
    let parts = [&bytes[..node.span.start], text.as_bytes(), end.as_bytes(), &bytes[node.span.end..]];
    Some(parts.concat())
}

/// Whether the patched bytes are the same tree but for the volume.
fn reads_as(patched: &[u8], before: &Node, wanted: &str) -> bool {
    let mut faults = Vec::new();
    let documents = yaml::parse(&Origin::new("", None), patched, &mut Budget::default(), &mut faults);
    let [(_, after)] = documents.as_slice() else { return false };
    let volume = after.at(&VOLUME).and_then(Node::string);
    faults.is_empty() && volume == Some(wanted) && same(before, after, Some(&VOLUME))
}

/// Compares two trees by content, leaving out what is at the path `except`.
fn same(a: &Node, b: &Node, except: Option<&[&str]>) -> bool {
    if except == Some(&[]) {
        return true;
    }
    match (&a.value, &b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => a.kind == b.kind && a.text == b.text,
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
