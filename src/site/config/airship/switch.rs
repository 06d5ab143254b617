//! `currentContext` changed in the text of the file, every other byte as it was.

use super::replace::Replacing;
use super::{AirshipConfig, locate, normal, read};
use crate::error::Result;
use crate::site::config::patch;
use crate::site::yaml::{Entry, Mark, Node};

const KEY: &str = "currentContext";
const DOING: &str = "changing the current context";

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    Changed,
    /// That was the current context already.
    Unchanged,
}

impl AirshipConfig {
    /// Makes `name` the current context, in place of the file and at once. Fails with
    /// [`crate::error::ErrorKind::Usage`] for a context that is not there, and where the file cannot be
    /// changed; then it is as it was.
    pub fn use_context(&self, name: &str) -> Result<Switched> {
        let path = &self.path;
        let replacing = Replacing::open(path).map_err(|error| locate::unreadable(path, &error))?;
        let busy = || "another process is changing the file".to_owned();
        let replacing =
            replacing.ok_or_else(|| self.refusal(DOING, "airshipctl-config-busy", None, busy()))?;
        let bytes = replacing.content().map_err(|error| locate::unreadable(path, &error))?;
        // it may have changed since it was read, and is locked only now
        let config = read::parse(path, self.home.as_deref(), &bytes)?;
        config.select(Some(name))?;
        let patched = config.with_current(&bytes, name)?;
        if patched == bytes {
            return Ok(Switched::Unchanged);
        }
        replacing.replace(&patched).map_err(|error| {
            config.refusal(DOING, "airshipctl-config-not-written", None, error.to_string())
        })?;
        Ok(Switched::Changed)
    }

    /// The file's `bytes` with another current context.
    pub fn with_current(&self, bytes: &[u8], name: &str) -> Result<Vec<u8>> {
        let patched = patch::only_document(bytes).and_then(|root| with_current(bytes, &root, name));
        patched.ok_or_else(|| {
            let mark = self.current_context.as_ref().map(|written| written.mark);
            let message = format!("`{KEY}` cannot be set in place; write {name:?} there");
            self.refusal(DOING, "current-context-not-patched", mark, message)
        })
    }
}

fn with_current(bytes: &[u8], root: &Node, name: &str) -> Option<Vec<u8>> {
    let dashed = normal::dashed(KEY);
    let is_it = |entry: &&Entry| entry.key == KEY || entry.key == dashed;
    let Some(entry) = root.entries().iter().find(is_it) else {
        let key = if is_dashed(root) { dashed.as_str() } else { KEY };
        return inserted(bytes, root, key, name);
    };
    let key = entry.key.as_str();
    patch::scalar(bytes, root, &[key], name).or_else(|| {
        // no value at all: behind the colon
        let colon = offset(bytes, entry.key_mark)? + key.len();
        let at = colon + 1;
        let is_plain = bytes.get(..colon)?.ends_with(key.as_bytes()) && bytes.get(colon) == Some(&b':');
        let notations = patch::notations(name, b' ').map(|text| format!(" {text}"));
        is_plain.then(|| reading_as(bytes, root, (key, name), at, notations))?
    })
}

/// A new key in front of the others, in the style of the file.
fn inserted(bytes: &[u8], root: &Node, key: &str, name: &str) -> Option<Vec<u8>> {
    let first = root.entries().first()?.key_mark;
    let at = offset(bytes, first)?;
    let insertions = if bytes.get(offset(bytes, root.mark)?) == Some(&b'{') {
        // as JSON has it
        patch::notations(name, b'"').map(|text| format!("\"{key}\": {text}, "))
    } else {
        let line_break = if bytes.windows(2).any(|two| two == b"\r\n") { "\r\n" } else { "\n" };
        let indent = " ".repeat(first.column.saturating_sub(1) as usize);
        patch::notations(name, b' ').map(|text| format!("{key}: {text}{line_break}{indent}"))
    };
    reading_as(bytes, root, (key, name), at, insertions)
}

/// Whether the file is of the shape with dashes.
fn is_dashed(root: &Node) -> bool {
    let below = |entry: &Entry| entry.value.entries().iter().any(|entry| entry.key.contains('-'));
    let tables = root.entries().iter().filter(|entry| matches!(entry.key.as_str(), "contexts" | "manifests"));
    tables.flat_map(|table| table.value.entries()).any(below)
}

/// The first of the insertions that only adds the current context.
fn reading_as(
    bytes: &[u8],
    root: &Node,
    (key, name): (&str, &str),
    at: usize,
    insertions: [String; 3],
) -> Option<Vec<u8>> {
    let without = |node: &Node| {
        let mut node = node.clone();
        node.remove(key);
        node
    };
    let before = without(root);
    let patched = insertions.into_iter().map(|text| [&bytes[..at], text.as_bytes(), &bytes[at..]].concat());
    let reads = |after: Node| {
        after.get(key).and_then(Node::string) == Some(name) && patch::same(&before, &without(&after), None)
    };
    patched.into_iter().find(|patched| patch::only_document(patched).is_some_and(reads))
}

/// Where in the file a place is. Lines end with a line feed; columns count characters, from after the
/// byte order mark.
fn offset(bytes: &[u8], mark: Mark) -> Option<usize> {
    let start = if bytes.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[start..]).ok()?;
    let lines = text.split_inclusive('\n').take(mark.line.checked_sub(1)? as usize);
    let line: usize = lines.map(str::len).sum();
    let column = text[line..].char_indices().nth(mark.column.checked_sub(1)? as usize)?.0;
    Some(start + line + column)
}
