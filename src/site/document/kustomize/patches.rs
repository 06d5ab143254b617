//! `patchesStrategicMerge`, `patches` and `patchesJson6902`.

use super::Layer;
use super::json6902::{self, Operation};
use super::merge::{self, Merged, Trouble};
use super::resource::{ResMap, Resource};
use super::targets::{Index, Target};
use crate::site::yaml::{Node, Origin, Value, read_as_yaml_1_1, to_json};

pub(super) fn strategic_merge(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let kustomization = layer.kustomization;
    let Some(items) = kustomization.get("patchesStrategicMerge").and_then(Node::items) else { return };
    let mut run = Run::new(layer, resources);
    for item in items {
        let Some(patches) = run.layer.documents(item).and_then(|found| run.objects(item, found)) else {
            continue;
        };
        for patch in patches {
            let patch = run.noted(Ok(patch));
            let at = patch.as_ref().and_then(|patch| run.matching(patch));
            if let (Some(at), Some(patch)) = (at, patch) {
                run.merge(at, &as_selected(&patch, &run.resources.resources[at]), &Options::default());
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

/// What a patch may change besides; all else of them kustomize ignores.
#[derive(Default)]
struct Options {
    name: Change,
    kind: Change,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Change {
    #[default]
    Forbidden,
    Allowed,
}

/// Where an empty file is no fault: kustomize lets it pass in `patches`, if there is a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Never,
    WithTarget,
}

enum Patch {
    /// Objects to merge.
    Merge(Vec<Node>, Options),
    Json(Vec<Operation>),
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
    fn note(&mut self, trouble: &Trouble, at: Option<usize>) {
        let mut message = trouble.message.clone();
        if let Some(mark) = trouble.other {
            message.push_str(&format!(", at {}", self.layer.origin_of(mark).at(mark)));
        } else if let Some(at) = at {
            message = format!("patching {}: {message}", self.resources.resources[at].shown());
        }
        let fault = self.layer.origin_of(trouble.mark).fault(trouble.mark, message);
        self.layer.reading.faults.push(fault.coded(trouble.code));
    }

    /// Reads an item of `patches`, with its target.
    fn read(&mut self, item: &Node, empty: Empty) -> Option<(Patch, Option<Target>)> {
        let target = item.get("target").map(|node| Target::read(node)).transpose();
        let target = self.noted(target);
        let options = options(item);
        let options = self.noted(options);
        let patch = self.content(item, empty)?;
        let patch = match patch {
            Patch::Merge(objects, _) => Patch::Merge(objects, options?),
            json => json,
        };
        Some((patch, target?))
    }

    /// The patch that a file or the text of an item holds.
    fn content(&mut self, item: &Node, empty: Empty) -> Option<Patch> {
        let given =
            |key| item.get(key).filter(|node: &&Node| node.text().is_none_or(|t| !t.trim().is_empty()));
        let (node, bytes, documents) = match (given("path"), given("patch")) {
            (Some(node), None) => {
                let (bytes, origin) = self.layer.file(node)?;
                let documents = self.documents(&bytes, |layer| layer.parse(origin.file(), &bytes), node)?;
                (node, bytes, documents)
            }
            (None, Some(node)) => {
                let Some(text) = node.string() else {
                    let message = format!("`patch` is {}; expected a string", node.kind_name());
                    self.layer.error("patch-unreadable", node, message);
                    return None;
                };
                let bytes = text.trim().as_bytes().to_vec();
                let documents = self.documents(&bytes, |layer| layer.inline(node), node)?;
                (node, bytes, documents)
            }
            (None, None) => {
                self.layer.error("patch-without-content", item, "has neither `path` nor `patch`");
                return None;
            }
            (Some(_), Some(node)) => {
                self.layer.error("patch-with-two-contents", node, "`path` and `patch` exclude each other");
                return None;
            }
        };
        match documents.first() {
            None if bytes.is_empty() && empty == Empty::WithTarget && item.get("target").is_some() => None,
            None => self.empty(node),
            Some((_, first)) if first.items().is_some() => {
                let operations = json6902::operations(first);
                let operations = self.noted(operations)?;
                if operations.is_empty() { self.empty(node) } else { Some(Patch::Json(operations)) }
            }
            Some(_) => Some(Patch::Merge(self.objects(node, documents)?, Options::default())),
        }
    }

    fn empty<T>(&mut self, node: &Node) -> Option<T> {
        self.layer.error("patch-empty", node, "holds no patch");
        None
    }

    /// The documents of a patch; what begins as JSON has to be JSON, as kustomize has it.
    fn documents(
        &mut self,
        bytes: &[u8],
        parse: impl FnOnce(&mut Layer<'l>) -> Option<Vec<(Origin, Node)>>,
        node: &Node,
    ) -> Option<Vec<(Origin, Node)>> {
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        if bytes.first() == Some(&b'[') && !is_json() {
            let message = "a patch that begins with `[` has to be JSON; begin each operation with `- `";
            self.layer.error("patch-unreadable", node, message);
            return None;
        }
        let before = self.layer.reading.faults.len();
        let documents = parse(self.layer);
        self.layer.code_faults(before, "patch-unreadable");
        documents
    }

    /// The objects of a patch, lists taken apart; what kustomize ignores is left out.
    fn objects(&mut self, place: &Node, documents: Vec<(Origin, Node)>) -> Option<Vec<Node>> {
        let mut objects = Vec::new();
        let mut waiting: Vec<Node> = documents.into_iter().rev().map(|(_, node)| node).collect();
        while let Some(mut node) = waiting.pop() {
            let checked = object_kind(&node);
            let is_list = self.noted(checked)?.ends_with("List");
            match is_list {
                true => waiting.extend(node.take_items("items").into_iter().flatten().rev()),
                false
                    if node
                        .at(&["metadata", "annotations", "config.kubernetes.io/local-config"])
                        .is_some() => {}
                false => {
                    let checked = check_name(&node);
                    self.noted(checked)?;
                    objects.push(node);
                }
            }
        }
        if objects.is_empty() {
            return self.empty(place);
        }
        Some(objects)
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
        match merge_into(&mut self.resources.resources[at], patch, options) {
            Err(trouble) => self.note(&trouble, Some(at)),
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
        let node = &mut self.resources.resources[at].node;
        let edited = json6902::apply(node, operations).and_then(|()| {
            let kind = object_kind(node)?;
            if kind.ends_with("List") { Ok(()) } else { check_name(node) }
        });
        match edited {
            Err(trouble) => self.note(&trouble, Some(at)),
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

/// The kind of an object.
fn object_kind(node: &Node) -> Result<&str, Trouble> {
    let bad = |message: String| Trouble { code: "patch-unreadable", mark: node.mark, message, other: None };
    if !node.is_mapping() {
        return Err(bad(format!("expected an object or a list of operations, found {}", node.kind_name())));
    }
    let kind = node.get("kind").and_then(Node::text).filter(|kind| !kind.is_empty());
    kind.ok_or_else(|| bad("`kind` is missing".into()))
}

fn check_name(node: &Node) -> Result<(), Trouble> {
    match node.at(&["metadata", "name"]).and_then(Node::text) {
        Some(name) if !name.is_empty() => Ok(()),
        _ => {
            let message = "`metadata.name` is missing".into();
            Err(Trouble { code: "patch-unreadable", mark: node.mark, message, other: None })
        }
    }
}

/// `options` of an item of `patches`.
fn options(item: &Node) -> Result<Options, Trouble> {
    let mut options = Options::default();
    let Some(mut node) = item.get("options").cloned() else { return Ok(options) };
    read_as_yaml_1_1(&mut node);
    let bad = |node: &Node, message: String| Trouble {
        code: "patch-bad-options",
        mark: node.mark,
        message,
        other: None,
    };
    if !node.is_mapping() {
        return Err(bad(&node, format!("`options` is {}; expected a mapping", node.kind_name())));
    }
    for entry in node.entries() {
        let value = match to_json(&entry.value) {
            serde_json::Value::Bool(value) => value,
            serde_json::Value::Null => false,
            _ => {
                let found = entry.value.kind_name();
                let message = format!("expected true or false, found {found}");
                return Err(bad(&entry.value, message));
            }
        };
        let change = if value { Change::Allowed } else { Change::Forbidden };
        match entry.key.as_str() {
            "allowNameChange" => options.name = change,
            "allowKindChange" => options.kind = change,
            _ => {}
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests;
