//! What generated resources do to those of the layers below (`resWrangler.appendReplaceOrMerge`).

use super::super::Layer;
use super::super::resource::{Behavior, ResMap, Resource};
use crate::site::yaml::Node;

/// Adds a generated resource, or lets it change the one of its id, present or earlier.
pub(super) fn absorb(layer: &mut Layer<'_>, place: &Node, made: Resource, resources: &mut ResMap) {
    let found = found(&made, resources);
    let name = made.shown();
    match (found.as_slice(), made.behavior) {
        ([], Behavior::Create) => resources.resources.push(made),
        ([], _) => {
            let message = format!("there is no {name} to merge with or to replace");
            layer.error("nothing-to-merge", place, message);
        }
        ([at], Behavior::Create) => {
            let old = &resources.resources[*at];
            let at = layer.origin_of(old.node.mark).at(old.node.mark);
            let message = format!("{name} is there already, from {at}; set `behavior` to merge or replace");
            layer.error("generated-twice", place, message);
        }
        ([at], behavior) => change(&mut resources.resources[*at], made, behavior),
        _ => {
            let message = format!("there are several resources that are or were {name}");
            layer.error("ambiguous-merge", place, message);
        }
    }
}

/// The resources that have or had the same id.
fn found(made: &Resource, resources: &ResMap) -> Vec<usize> {
    let (id, kind) = (made.id(), made.node.get("kind").and_then(Node::text));
    let may_be = |resource: &Resource| {
        !resource.earlier.is_empty() || resource.node.get("kind").and_then(Node::text) == kind
    };
    let all = resources.resources.iter().enumerate().filter(|(_, resource)| may_be(resource));
    all.filter(|(_, resource)| resource.ids().contains(&id)).map(|(at, _)| at).collect()
}

/// The new object takes the place of the old one, whose name, namespace and metadata it keeps; a merge
/// keeps its data too. Other fields of the old one, such as a Secret's `stringData`, are gone.
fn change(old: &mut Resource, made: Resource, behavior: Behavior) {
    let mut node = made.node;
    let mark = node.mark;
    for key in ["labels", "annotations"] {
        keep(&old.node, &mut node, &["metadata"], key);
    }
    if let Some(metadata) = node.mapping_at("metadata") {
        metadata.remove("namespace");
        for key in ["name", "namespace"] {
            if let Some(value) = old.node.at(&["metadata", key]) {
                metadata.set(key, value.clone());
            }
        }
    }
    if behavior == Behavior::Merge {
        keep(&old.node, &mut node, &[], "data");
        keep(&old.node, &mut node, &[], "binaryData");
    }
    node.mark = mark;
    old.node = node;
    old.origin = made.origin;
    // one that was never meant to have a hash does not get one
    old.needs_hash &= made.needs_hash;
}

/// Adds the entries that the mapping at `key` had before and the new one lacks; all become strings.
fn keep(old: &Node, new: &mut Node, within: &[&str], key: &str) {
    let entries = old.at(within).and_then(|node| node.get(key)).map(Node::entries).unwrap_or_default();
    if entries.is_empty() {
        return;
    }
    let Some(new) = within.iter().try_fold(new, |node, key| node.mapping_at(key)) else { return };
    let Some(new) = new.mapping_at(key) else { return };
    for entry in entries {
        if !new.entries().iter().any(|there| there.key == entry.key) {
            let text = entry.value.text().unwrap_or_default();
            new.set(&entry.key, Node::of_text(text, entry.value.mark));
        }
    }
}
