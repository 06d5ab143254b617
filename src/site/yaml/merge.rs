//! Keys of mappings: duplicates, and the merge key `<<` that Kubernetes tools understand.

use std::collections::HashSet;

use super::{Entry, Mark, Node, Value};

/// Removes every entry whose key stands earlier in the mapping, and returns those removed.
pub(super) fn take_duplicates(entries: &mut Vec<Entry>) -> Vec<Entry> {
    let mut seen = HashSet::with_capacity(entries.len());
    let duplicate: Vec<bool> = entries.iter().map(|entry| !seen.insert(entry.key.as_str())).collect();
    if !duplicate.contains(&true) {
        return Vec::new();
    }
    let all = std::mem::take(entries).into_iter().zip(duplicate);
    let (removed, kept): (Vec<_>, Vec<_>) = all.partition(|(_, duplicate)| *duplicate);
    entries.extend(kept.into_iter().map(|(entry, _)| entry));
    removed.into_iter().map(|(entry, _)| entry).collect()
}

/// Adds what `<<` refers to: keys of the mapping itself win, then those of earlier mappings
/// (the merge key specification, yaml.org/type/merge.html).
pub(super) fn apply(entries: &mut Vec<Entry>, merged: Vec<Node>) -> Result<(), (Mark, String)> {
    if merged.is_empty() {
        return Ok(());
    }
    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for mapping in merged.into_iter().flat_map(listed) {
        let Value::Mapping(more) = mapping.value else {
            return Err((mapping.mark, "`<<` takes a mapping or a list of mappings".into()));
        };
        entries.extend(more.into_iter().filter(|entry| known.insert(entry.key.clone())));
    }
    Ok(())
}

/// The items of a list; anything else is its own only item.
fn listed(node: Node) -> Vec<Node> {
    match node.value {
        Value::Sequence(items) => items,
        _ => vec![node],
    }
}

/// An entry's key for messages about keys that nobody knows. One without a value is most probably the
/// rest of a value: `{password: a,b}` is a password `a` and a key `b`.
pub fn entry_name(entry: &Entry) -> String {
    match entry.value.is_null() {
        true => "a key".into(),
        false => key_name(&entry.key),
    }
}

/// A key for messages. Keys are names, but a broken file may have turned a value into a key:
/// only what looks like a name is shown.
pub fn key_name(key: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    match key.len() <= 63 && !key.is_empty() && key.chars().all(is_name) {
        true => format!("`{key}`"),
        false => "a key".into(),
    }
}
