//! What a build leaves in metadata: annotations as strings, and the traces that `buildMetadata` wants.

use std::path::{Component, Path, PathBuf};

use super::load::Kustomization;
use super::resource::{ResMap, Resource};
use crate::site::yaml::{Node, Origin, Value};

const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What the kustomize within kubectl calls itself.
const MANAGER: &str = "kustomize-(devel)";

/// How often each of the stages of [`super::TRANSFORMERS`] is configured, under kustomize's name.
const STAGES: [(&str, Count); 11] = [
    ("PatchStrategicMergeTransformer", Count::Once("patchesStrategicMerge")),
    ("PatchTransformer", Count::Items("patches")),
    ("NamespaceTransformer", Count::Once("namespace")),
    ("PrefixTransformer", Count::Once("namePrefix")),
    ("SuffixTransformer", Count::Once("nameSuffix")),
    ("LabelTransformer", Count::Labels),
    ("AnnotationsTransformer", Count::Once("commonAnnotations")),
    ("PatchJson6902Transformer", Count::Items("patchesJson6902")),
    ("ReplicaCountTransformer", Count::Items("replicas")),
    ("ImageTagTransformer", Count::Items("images")),
    ("ReplacementTransformer", Count::Once("replacements")),
];

#[derive(Clone, Copy)]
enum Count {
    Once(&'static str),
    Items(&'static str),
    /// One for each item of `labels`, and one more for `commonLabels`, there or not.
    Labels,
}

impl Count {
    fn of(self, kustomization: &Node) -> usize {
        let items = |field: &str| kustomization.get(field).and_then(Node::items).map_or(0, <[Node]>::len);
        let is_there = |field: &str| kustomization.get(field).is_some_and(|node| !is_empty(node));
        match self {
            Self::Once(field) => usize::from(is_there(field)),
            Self::Items(field) => items(field),
            Self::Labels if items("labels") > 0 || is_there("commonLabels") => items("labels") + 1,
            Self::Labels => 0,
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.is_empty(),
    }
}

/// A transformer that a resource went through.
#[derive(Clone)]
pub(super) struct Step {
    /// The number of the kustomization's document.
    source: u32,
    kind: &'static str,
}

/// Whether the transformers are to be told, by the top's `buildMetadata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Traces {
    #[default]
    Dropped,
    Kept,
}

impl Traces {
    pub fn of(top: &Kustomization) -> Self {
        let is_wanted = |node: &Node| node.string() == Some("transformerAnnotations");
        if top.list("buildMetadata").iter().any(is_wanted) { Self::Kept } else { Self::Dropped }
    }
}

/// Notes the stage that was done on all resources.
pub(super) fn note_stage(stage: usize, kustomization: &Kustomization, resources: &mut ResMap) {
    let Some((kind, count)) = STAGES.get(stage) else { return };
    let step = Step { source: kustomization.origin.number(), kind };
    for _ in 0..count.of(&kustomization.node) {
        resources.resources.iter_mut().for_each(|resource| resource.steps.push(step.clone()));
    }
}

/// Completes the metadata of all resources; `wanted` are the items of the top's `buildMetadata`.
pub(super) fn complete(resources: &mut ResMap, wanted: &[Node], top: &Path, sources: &[Origin]) {
    let is_wanted = |option: &str| wanted.iter().any(|node| node.string() == Some(option));
    for resource in &mut resources.resources {
        if is_wanted("originAnnotations") {
            let origin = origin_of(resource, top, sources);
            annotate(&mut resource.node, ORIGIN, origin);
        }
        if is_wanted("transformerAnnotations") && !resource.steps.is_empty() {
            let steps = resource.steps.iter().map(|step| {
                let text = configured(&place(step.source, top, sources), step.kind);
                format!("- {}", text.trim_end().replace('\n', "\n  ") + "\n")
            });
            let steps = steps.collect();
            annotate(&mut resource.node, TRANSFORMATIONS, steps);
        }
        if is_wanted("managedByLabel") {
            set(&mut resource.node, "labels", MANAGED_BY, MANAGER.to_owned());
        }
        make_strings(&mut resource.node);
    }
}

/// Kustomize rewrites annotations on its way out: all are strings, and none is no mapping.
fn make_strings(node: &mut Node) {
    let Some(metadata) = node.get_mut("metadata") else { return };
    let Some(annotations) = metadata.get_mut("annotations") else { return };
    if annotations.is_null() || annotations.is_mapping() && annotations.entries().is_empty() {
        metadata.remove("annotations");
        return;
    }
    for entry in annotations.entries_mut().into_iter().flatten() {
        if let (Value::Scalar(scalar), None) = (&entry.value.value, entry.value.string()) {
            entry.value = Node::of_text(scalar.text.as_str(), entry.value.mark);
        }
    }
}

fn annotate(node: &mut Node, key: &str, text: String) {
    set(node, "annotations", key, text);
}

fn set(node: &mut Node, section: &str, key: &str, text: String) {
    let mark = node.mark;
    let section = node.mapping_at("metadata").and_then(|metadata| metadata.mapping_at(section));
    if let Some(section) = section {
        section.set(key, Node::of_text(text, mark));
    }
}

/// Where a resource was written or generated.
fn origin_of(resource: &Resource, top: &Path, sources: &[Origin]) -> String {
    let generator = match resource.node.get("kind").and_then(Node::text) {
        Some("Secret") => "SecretGenerator",
        _ => "ConfigMapGenerator",
    };
    let number = resource.origin.number();
    match super::is_named(Path::new(resource.origin.file())) {
        true => configured(&place(number, top, sources), generator),
        false => format!("path: {}\n", place(number, top, sources)),
    }
}

fn configured(place: &str, kind: &str) -> String {
    format!("configuredIn: {place}\nconfiguredBy:\n  apiVersion: builtin\n  kind: {kind}\n")
}

/// The path of a document's file from the top's directory.
fn place(source: u32, top: &Path, sources: &[Origin]) -> String {
    let file = sources.get(source as usize).map_or("", Origin::file);
    let (file, top) = (cleaned(Path::new(file)), cleaned(top));
    let shared = file.components().zip(top.components()).take_while(|(a, b)| a == b).count();
    let up = top.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(file.components().skip(shared)).collect();
    path.display().to_string()
}

/// A path without `.` and without `..` behind a name, as kustomize shortens it.
fn cleaned(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) =>
            {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}
