//! Strategic merge of two trees (`kyaml/yaml/merge2` and `kyaml/yaml/walk`).
//!
//! Kustomize walks the object and its patch side by side, and what it does to malformed input follows
//! from the order of its steps. They are the same here, so that the same comes out.

use std::collections::HashMap;

use super::associative::{self, Patch};
use super::schema::{self, Content};
use crate::site::yaml::{Entry, Mark, Node, ScalarKind, Style, Value};

/// What a patch made of its target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    Kept,
    /// `$patch: delete` at the top.
    Deleted,
}

/// Why a patch cannot be applied.
#[derive(Debug)]
pub(super) struct Trouble {
    pub code: &'static str,
    /// In the patch, unless only the object is to blame.
    pub mark: Mark,
    /// Never quotes a value.
    pub message: String,
    /// Where the object has what does not fit.
    pub other: Option<Mark>,
}

/// What became of a node that was walked together with its patch.
pub(super) enum Outcome {
    /// It is there, with whatever the patch changed in it.
    Kept,
    Cleared,
    /// This stands in its place; the node itself is as it was.
    Replaced(Node),
}

/// How a node that is only in the patch got there, which decides how its directives are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The object has nothing in this place.
    Top,
    /// It is within something else that only the patch has.
    Below,
}

/// `$patch`, which says how its mapping or list is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Replace,
    Delete,
    Merge,
}

const DIRECTIVE: &str = "$patch";

/// Merges `patch` into `target`, both whole objects; list items are matched by the merge keys of the
/// target's kind. Marks of what the patch brings are the patch's.
pub(super) fn merge(target: &mut Node, patch: &Node) -> Result<Merged, Trouble> {
    match walk(target, Some(patch.clone()), None)? {
        // kustomize loses the replacement of a whole object: it looks at the one it had
        Outcome::Kept | Outcome::Replaced(_) => Ok(Merged::Kept),
        Outcome::Cleared => Ok(Merged::Deleted),
    }
}

/// Merges what a patch has in the place of a node into it; without a patch, only what is left out when
/// any object is walked is left out.
pub(super) fn walk(
    target: &mut Node,
    patch: Option<Node>,
    content: Option<Content>,
) -> Result<Outcome, Trouble> {
    let content = content.or_else(|| own_shape(target)).or_else(|| patch.as_ref().and_then(own_shape));
    let patch = match patch {
        None if target.is_null() => {
            return Ok(if is_written(target) { Outcome::Kept } else { Outcome::Cleared });
        }
        None => None,
        Some(patch) if patch.is_null() => return Ok(Outcome::Cleared),
        Some(patch) if target.is_null() => {
            return Ok(fresh(patch, content, Depth::Top)?.map_or(Outcome::Cleared, Outcome::Replaced));
        }
        Some(patch) => Some(patch),
    };
    if let Some(patch) = patch.as_ref().filter(|patch| !is_alike(target, patch)) {
        return Err(conflict(target, patch));
    }
    match &mut target.value {
        Value::Scalar(_) => Ok(patch.map_or(Outcome::Kept, Outcome::Replaced)),
        Value::Mapping(entries) => merge_mapping(entries, patch, content),
        Value::Sequence(items) => merge_list(items, patch, content),
    }
}

/// The fields of an object that says what it is, wherever it stands.
fn own_shape(node: &Node) -> Option<Content> {
    let text = |key| node.get(key).and_then(Node::text);
    schema::shape_of(text("apiVersion")?, text("kind")?).map(Content::Object)
}

/// Whether a null has a word of its own; kustomize drops `key:` from whatever it patches, but not
/// `key: null`.
pub(super) fn is_written(null: &Node) -> bool {
    match &null.value {
        Value::Scalar(scalar) => !matches!(scalar.text.as_str(), "" | "~") || !null.span.is_empty(),
        _ => true,
    }
}

fn is_alike(a: &Node, b: &Node) -> bool {
    std::mem::discriminant(&a.value) == std::mem::discriminant(&b.value)
}

fn conflict(target: &Node, patch: &Node) -> Trouble {
    let message = format!("{} where the object has {}", patch.kind_name(), target.kind_name());
    Trouble { code: "patch-type-conflict", mark: patch.mark, message, other: Some(target.mark) }
}

fn merge_mapping(
    entries: &mut Vec<Entry>,
    patch: Option<Node>,
    content: Option<Content>,
) -> Result<Outcome, Trouble> {
    let mut patches = Vec::new();
    if let Some(mut patch) = patch {
        match take_directive(&mut patch)? {
            Directive::Delete => return Ok(Outcome::Cleared),
            Directive::Replace => return Ok(Outcome::Replaced(fresh_fields(patch, content)?)),
            Directive::Merge => {}
        }
        if let Value::Mapping(entries) = patch.value {
            patches = entries.into_iter().map(Some).collect();
        }
    }
    merge_fields(entries, &mut patches, content)?;
    for Entry { key, key_mark, value } in patches.into_iter().flatten() {
        if let Some(value) = fresh(value, schema::field(content, &key), Depth::Top)? {
            entries.push(Entry { key, key_mark, value });
        }
    }
    Ok(Outcome::Kept)
}

/// Walks every field that the object has; those of the patch are taken out.
fn merge_fields(
    entries: &mut Vec<Entry>,
    patches: &mut [Option<Entry>],
    content: Option<Content>,
) -> Result<(), Trouble> {
    let keys = patches.iter().enumerate();
    let index: HashMap<String, usize> =
        keys.filter_map(|(at, entry)| Some((entry.as_ref()?.key.clone(), at))).collect();
    let mut kept = Vec::with_capacity(entries.len());
    for mut entry in entries.drain(..) {
        let patch = index.get(&entry.key).and_then(|&at| patches[at].take());
        match walk(&mut entry.value, patch.map(|patch| patch.value), schema::field(content, &entry.key))? {
            Outcome::Cleared => continue,
            Outcome::Kept => {}
            Outcome::Replaced(value) => replace(&mut entry.value, value),
        }
        kept.push(entry);
    }
    *entries = kept;
    Ok(())
}

/// Puts a value in place of another, in whose style it is written: a number that replaces a quoted string
/// becomes a string, as it does in kustomize.
fn replace(target: &mut Node, mut value: Node) {
    if let (Value::Scalar(old), Value::Scalar(new)) = (&target.value, &mut value.value) {
        if old.style != Style::Plain {
            (new.kind, new.style) = (ScalarKind::String, old.style);
        } else if new.kind != ScalarKind::String {
            new.style = old.style;
        }
    }
    *target = value;
}

fn merge_list(
    items: &mut Vec<Node>,
    patch: Option<Node>,
    content: Option<Content>,
) -> Result<Outcome, Trouble> {
    let Some(Content::List { keys, items: shape }) = content else {
        return Ok(patch.map_or(Outcome::Kept, Outcome::Replaced));
    };
    let patch = match patch {
        None => Patch::None,
        Some(mut patch) => match take_list_directive(&mut patch)? {
            Directive::Delete => return Ok(Outcome::Cleared),
            Directive::Replace => {
                if let Value::Sequence(items) = &mut patch.value {
                    associative::merge(items, Patch::Same, keys, shape)?;
                }
                return Ok(Outcome::Replaced(patch));
            }
            Directive::Merge => Patch::Items(patch.items_mut().map(std::mem::take).unwrap_or_default()),
        },
    };
    associative::merge(items, patch, keys, shape)?;
    Ok(Outcome::Kept)
}

/// What comes of a node that only the patch has: without its directives, and without what is null or
/// to be deleted.
pub(super) fn fresh(
    mut patch: Node,
    content: Option<Content>,
    depth: Depth,
) -> Result<Option<Node>, Trouble> {
    let content = content.or_else(|| own_shape(&patch));
    if patch.is_null() {
        return Ok(None);
    }
    if patch.is_mapping() {
        return match take_directive(&mut patch) {
            Err(trouble) if depth == Depth::Below => Err(trouble),
            Ok(Directive::Delete) => Ok(None),
            // on the way in kustomize does not look what it says
            _ => fresh_fields(patch, content).map(Some),
        };
    }
    let Some(Content::List { keys, items: shape }) = content else { return Ok(Some(patch)) };
    if patch.items().is_some()
        && depth == Depth::Below
        && take_list_directive(&mut patch)? == Directive::Delete
    {
        return Ok(None);
    }
    if let Value::Sequence(items) = &mut patch.value {
        associative::merge(items, Patch::Same, keys, shape)?;
    }
    Ok(Some(patch))
}

fn fresh_fields(mut patch: Node, content: Option<Content>) -> Result<Node, Trouble> {
    let Some(entries) = patch.entries_mut() else { return Ok(patch) };
    let mut kept = Vec::with_capacity(entries.len());
    for Entry { key, key_mark, value } in entries.drain(..) {
        if let Some(value) = fresh(value, schema::field(content, &key), Depth::Below)? {
            kept.push(Entry { key, key_mark, value });
        }
    }
    *entries = kept;
    Ok(patch)
}

/// The directive of a mapping, which is taken out of it.
fn take_directive(patch: &mut Node) -> Result<Directive, Trouble> {
    let found = patch.entries().iter().find(|entry| entry.key == DIRECTIVE);
    let Some(found) = found else { return Ok(Directive::Merge) };
    let directive = directive(&found.value)?;
    patch.remove(DIRECTIVE);
    Ok(directive)
}

/// Takes a known directive out of a mapping.
pub(super) fn drop_directive(node: &mut Node) {
    // one that is not known stays, and is a fault where it is heeded
    let _ = take_directive(node);
}

/// The directive of a list is an item with nothing else in it; items that say the same of themselves go
/// with it, as do empty ones.
fn take_list_directive(patch: &mut Node) -> Result<Directive, Trouble> {
    let items = patch.items().unwrap_or_default();
    let found = items.iter().find(|item| item.entries().iter().any(|entry| entry.key == DIRECTIVE));
    let Some([Entry { value, .. }]) = found.map(Node::entries) else { return Ok(Directive::Merge) };
    let (directive, word) = (directive(value)?, associative::text(value).to_owned());
    let says_so = |item: &Node| {
        item.entries().iter().any(|entry| entry.key == DIRECTIVE && associative::text(&entry.value) == word)
    };
    if let Some(items) = patch.items_mut() {
        items.retain(|item| !associative::is_empty(item) && !says_so(item));
    }
    Ok(directive)
}

fn directive(value: &Node) -> Result<Directive, Trouble> {
    match associative::text(value) {
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        "merge" => Ok(Directive::Merge),
        _ => Err(Trouble {
            code: "patch-bad-directive",
            mark: value.mark,
            message: "`$patch` is none of replace, delete and merge".into(),
            other: None,
        }),
    }
}

#[cfg(test)]
mod tests;
