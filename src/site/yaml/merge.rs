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
    for node in merged {
        let mark = node.mark;
        match node.value {
            Value::Mapping(more) => extend(entries, more),
            Value::Sequence(items) => {
                for item in items {
                    let Value::Mapping(more) = item.value else { return Err(refused(item.mark)) };
                    extend(entries, more);
                }
            }
            Value::Scalar(_) => return Err(refused(mark)),
        }
    }
    Ok(())
}

fn refused(mark: Mark) -> (Mark, String) {
    (mark, "`<<` takes a mapping or a list of mappings".into())
}

fn extend(entries: &mut Vec<Entry>, more: Vec<Entry>) {
    let known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    entries.extend(more.into_iter().filter(|entry| !known.contains(&entry.key)));
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
