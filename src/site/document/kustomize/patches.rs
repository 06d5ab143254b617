//! `patchesStrategicMerge`, `patches` and `patchesJson6902`.

mod content;

use super::Layer;
use super::json6902::{self, Operation};
use super::merge::{self, Merged, Trouble};
use super::resource::{ResMap, Resource};
use super::targets::{Index, Target};
use crate::site::yaml::{Node, Value};
use content::{Change, Empty, Options, Patch, check_name, object_kind};

pub(super) fn strategic_merge(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let kustomization = layer.kustomization;
    let Some(items) = kustomization.get("patchesStrategicMerge").and_then(Node::items) else { return };
    let mut run = Run::new(layer, resources);
    for item in items {
        let Some(patches) = run.layer.documents(item).and_then(|found| run.objects(item, found)) else {
            continue;
        };
        for patch in patches {
            if let Some(at) = run.matching(&patch) {
                let patch = as_selected(&patch, &run.resources.resources[at]);
                run.merge(at, &patch, &Options::default());
            }
        }
    }
    run.finish();
}

pub(super) fn patches(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let kustomization = layer.kustomization;
    let Some(items) = kustomization.get("patches").and_then(Node::items) else { return };
    let mut run = Run::new(layer, resources);
    for item in items {
        run.layer.refuse_unknown(item, "patches", &["path", "patch", "target", "options"]);
        if let Some((patch, target)) = run.read(item, Empty::WithTarget) {
            run.apply(item, patch, target.as_ref());
        }
    }
    run.finish();
}

/// `patchesJson6902`, which kustomize applies after names and labels were given.
pub(super) fn json_patches(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let kustomization = layer.kustomization;
    let Some(items) = kustomization.get("patchesJson6902").and_then(Node::items) else { return };
    let mut run = Run::new(layer, resources);
    for item in items {
        run.layer.refuse_unknown(item, "patchesJson6902", &["path", "patch", "target", "options"]);
        match run.read(item, Empty::Never) {
            Some((_, None)) => run.layer.error("patch-without-target", item, "`target` is missing"),
            Some((_, Some(target))) if !target.names_one() => {
                run.layer.error("patch-without-target", item, "`target`: `name` is missing");
            }
            Some((Patch::Json(operations), Some(target))) => run.edit_all(item, &operations, &target),
            Some((Patch::Merge(..), Some(_))) => {
                run.layer.error("patch-unreadable", item, "is no JSON patch; put it into `patches`");
            }
            None => {}
        }
    }
    run.finish();
}

/// The patches of one field on their way into the resources.
struct Run<'a, 'l> {
    layer: &'a mut Layer<'l>,
    resources: &'a mut ResMap,
    index: Index,
}

impl<'a, 'l> Run<'a, 'l> {
    fn new(layer: &'a mut Layer<'l>, resources: &'a mut ResMap) -> Self {
        let index = Index::of(resources);
        Self { layer, resources, index }
    }

    /// Drops the resources that patches deleted.
    fn finish(self) {
        let mut at = 0;
        self.resources.resources.retain(|_| {
            at += 1;
            !self.index.is_removed(at - 1)
        });
    }

    /// The value, or nothing once the trouble is noted in its place.
    fn noted<T>(&mut self, result: Result<T, Trouble>) -> Option<T> {
        result.map_err(|trouble| self.note(&trouble, None)).ok()
    }

    /// Notes what is wrong, and with which resource if that is not clear from the place.
    fn note(&mut self, trouble: &Trouble, resource: Option<&str>) {
        let mut message = trouble.message.clone();
        if let Some(mark) = trouble.other {
            message.push_str(&format!(", at {}", self.layer.origin_of(mark).at(mark)));
        } else if let Some(resource) = resource {
            message = format!("patching {resource}: {message}");
        }
        let fault = self.layer.origin_of(trouble.mark).fault(trouble.mark, message);
        self.layer.reading.faults.push(fault.coded(trouble.code));
    }

    fn apply(&mut self, item: &Node, patch: Patch, target: Option<&Target>) {
        match (patch, target) {
            (Patch::Json(operations), Some(target)) => self.remember_and_edit(item, &operations, target),
            (Patch::Json(_), None) => {
                self.layer.error("patch-without-target", item, "a JSON patch needs a `target`");
            }
            (Patch::Merge(objects, options), None) => {
                for object in objects {
                    if let Some(at) = self.matching(&object) {
                        self.merge(at, &object, &options);
                    }
                }
            }
            (Patch::Merge(objects, _), Some(_)) if objects.len() > 1 => {
                let message = "a patch of several documents cannot have a `target`";
                self.layer.error("patch-of-several-objects", item, message);
            }
            (Patch::Merge(objects, options), Some(target)) => {
                let selected = self.selected(item, target);
                for (object, at) in objects.iter().flat_map(|o| selected.iter().map(move |&at| (o, at))) {
                    self.merge(at, &as_selected(object, &self.resources.resources[at]), &options);
                }
            }
        }
    }

    /// The one resource that a patch names.
    fn matching(&mut self, patch: &Node) -> Option<usize> {
        let named = Resource::new(self.layer.origin.clone(), patch.clone());
        let (code, message) = match *self.index.with_id(&named.id()) {
            [at] => return Some(at),
            [] => ("patch-without-match", format!("no resource is {}", described(&named))),
            _ => ("patch-ambiguous", format!("more than one resource is {}", described(&named))),
        };
        self.layer.error(code, patch, message);
        None
    }

    fn merge(&mut self, at: usize, patch: &Node, options: &Options) {
        let resource = &mut self.resources.resources[at];
        let shown = resource.shown();
        match merge_into(resource, patch, options) {
            Err(trouble) => self.note(&trouble, Some(&shown)),
            Ok(Merged::Deleted) => self.index.remove(at),
            Ok(Merged::Kept) => self.check_id(at, patch),
        }
    }

    /// Refuses that a patch gives a resource the id of another.
    fn check_id(&mut self, at: usize, patch: &Node) {
        self.index.update(at, &self.resources.resources[at]);
        if self.index.twin(at).is_some() {
            let message = format!("{} is there already", self.resources.resources[at].shown());
            self.layer.error("patch-makes-duplicate", patch, message);
        }
    }

    fn edit_all(&mut self, item: &Node, operations: &[Operation], target: &Target) {
        let selected = self.selected(item, target);
        selected.into_iter().for_each(|at| self.edit(at, operations));
    }

    /// What a target means; to mean nothing is no fault in kustomize.
    fn selected(&self, item: &Node, target: &Target) -> Vec<usize> {
        let selected = self.index.selected(target, self.resources);
        if selected.is_empty() {
            let place = item.get("target").unwrap_or(item).mark;
            tracing::warn!("{}: the patch is for no resource", self.layer.origin_of(place).at(place));
        }
        selected
    }

    /// As `patches` does it: references follow where a JSON patch changes the name.
    fn remember_and_edit(&mut self, item: &Node, operations: &[Operation], target: &Target) {
        for at in self.selected(item, target) {
            self.resources.resources[at].remember_id();
            self.edit(at, operations);
        }
    }

    fn edit(&mut self, at: usize, operations: &[Operation]) {
        let shown = self.resources.resources[at].shown();
        let node = &mut self.resources.resources[at].node;
        let edited = json6902::apply(node, operations).and_then(|()| {
            let kind = object_kind(node)?;
            if kind.ends_with("List") { Ok(()) } else { check_name(node) }
        });
        match edited {
            Err(trouble) => self.note(&trouble, Some(&shown)),
            Ok(()) => {
                metadata_texts(node, &["annotations"]);
                self.index.update(at, &self.resources.resources[at]);
            }
        }
    }
}

/// What a patch names, as it names it.
fn described(named: &Resource) -> String {
    let id = named.id();
    let namespace = match id.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" in namespace {:?}", namespace),
    };
    let api_version = named.node.get("apiVersion").and_then(Node::text).unwrap_or("(no apiVersion)");
    format!("{} of {}{namespace}", named.shown(), api_version.escape_debug())
}

/// Merges a patch into a resource, whose kind, name and namespace stay.
fn merge_into(resource: &mut Resource, patch: &Node, options: &Options) -> Result<Merged, Trouble> {
    let part = |path: &[&str]| resource.node.at(path).cloned();
    let (kind, name) = (part(&["kind"]), part(&["metadata", "name"]));
    let namespace = part(&["metadata", "namespace"]);
    if options.name == Change::Allowed || options.kind == Change::Allowed {
        resource.remember_id();
    }
    let merged = merge::merge(&mut resource.node, patch)?;
    if merged == Merged::Deleted {
        return Ok(merged);
    }
    if let Some(kind) = kind.filter(|_| options.kind == Change::Forbidden) {
        resource.node.set("kind", kind);
    }
    let Some(metadata) = resource.node.mapping_at("metadata") else { return Ok(merged) };
    if let Some(name) = name.filter(|_| options.name == Change::Forbidden) {
        metadata.set("name", name);
    }
    match namespace {
        Some(namespace) => metadata.set("namespace", namespace),
        None => drop(metadata.remove("namespace")),
    }
    Ok(merged)
}

/// A patch as kustomize makes it for a resource that it was not written for: of the resource's version,
/// with labels and annotations that are texts, so that null deletes none.
fn as_selected(patch: &Node, resource: &Resource) -> Node {
    let mut patch = patch.clone();
    if let Some(version) = resource.node.get("apiVersion") {
        patch.set("apiVersion", version.clone());
    }
    metadata_texts(&mut patch, &["labels", "annotations"]);
    patch
}

/// Makes all values of labels or annotations texts, and takes out what has none.
fn metadata_texts(object: &mut Node, fields: &[&str]) {
    let Some(metadata) = object.get_mut("metadata") else { return };
    for field in fields {
        let Some(values) = metadata.get_mut(field) else { continue };
        match &mut values.value {
            Value::Mapping(entries) if !entries.is_empty() => {
                entries.iter_mut().for_each(|entry| become_text(&mut entry.value));
            }
            // a fault of its own where it is merged
            Value::Sequence(_) => {}
            _ => drop(metadata.remove(field)),
        }
    }
}

fn become_text(node: &mut Node) {
    if node.string().is_some() {
        return;
    }
    let text = match &node.value {
        Value::Scalar(scalar) if !node.is_null() || merge::is_written(node) => scalar.text.clone(),
        _ => String::new(),
    };
    *node = Node::of_text(text, node.mark);
}

#[cfg(test)]
mod tests;
