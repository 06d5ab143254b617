//! From the documents of a resource file to resources.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Layer;
use super::resource::{ResId, ResMap, Resource};
use crate::error::Fault;
use crate::site::yaml::{Fields, Node, Origin};

/// The resources of a layer with their present ids, each of which only one may have.
pub(super) struct Ids {
    seen: HashMap<ResId, usize>,
}

impl Ids {
    pub fn of(resources: &ResMap) -> Self {
        let ids = resources.resources.iter().enumerate().map(|(index, resource)| (resource.id(), index));
        Self { seen: ids.collect() }
    }

    /// Adds a resource, or the fault that another has its id.
    pub fn add(&mut self, resource: Resource, resources: &mut ResMap, layer: &mut Layer<'_>) {
        match self.seen.entry(resource.id()) {
            Entry::Vacant(entry) => {
                entry.insert(resources.resources.len());
                resources.resources.push(resource);
            }
            Entry::Occupied(entry) => {
                let earlier = &resources.resources[*entry.get()].node;
                let at = layer.origin_of(earlier.mark).at(earlier.mark);
                let message = format!("{} is listed before, at {at}", resource.shown());
                layer.error("listed-twice", &resource.node, message);
            }
        }
    }
}

/// The resources of a file's documents. Lists are flattened as kustomize does it: their items come after
/// all other documents of the file.
pub(super) fn of_documents(documents: Vec<(Origin, Node)>, faults: &mut Vec<Fault>) -> Vec<Resource> {
    let mut resources = Vec::with_capacity(documents.len());
    let mut waiting = documents;
    while !waiting.is_empty() {
        let mut items = Vec::new();
        for (origin, node) in waiting {
            take(node, origin, &mut resources, &mut items, faults);
        }
        // a list within a list is bounded by the depth of the tree
        waiting = items;
    }
    resources
}

/// Puts a document with the resources, or its items with those that wait.
fn take(
    mut node: Node,
    origin: Origin,
    resources: &mut Vec<Resource>,
    items: &mut Vec<(Origin, Node)>,
    faults: &mut Vec<Fault>,
) {
    if node.is_mapping() && node.entries().is_empty() || node.items().is_some_and(<[Node]>::is_empty) {
        return;
    }
    // a list without the key is an object like others
    let has_items = node.entries().iter().any(|entry| entry.key == "items");
    if !has_items || !node.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List")) {
        resources.extend(checked(node, origin, faults));
        return;
    }
    match node.get("items") {
        None => {}
        Some(list) if list.items().is_none() => {
            let message = format!("`items`: expected a list, found {}", list.kind_name());
            faults.push(origin.fault(list.mark, message).coded("bad-object"));
        }
        Some(_) => {
            items.extend(node.take_items("items").into_iter().flatten().map(|item| (origin.clone(), item)))
        }
    }
}

/// A resource, if the document is an object that can be told from others.
fn checked(node: Node, origin: Origin, faults: &mut Vec<Fault>) -> Option<Resource> {
    let before = faults.len();
    if let Some(fields) = Fields::of_root(&node, &origin, faults) {
        fields.required_string("apiVersion", faults);
        fields.required_string("kind", faults);
        if let Some(metadata) = fields.required_section("metadata", faults)
            && metadata.get("name").and_then(Node::text).is_none_or(str::is_empty)
        {
            metadata.required_string("name", faults);
        }
    }
    for fault in &mut faults[before..] {
        fault.code = Some("bad-object".into());
    }
    (faults.len() == before).then(|| Resource::new(origin, node))
}
