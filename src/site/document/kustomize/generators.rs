//! `configMapGenerator` and `secretGenerator`.

mod absorb;
mod sources;

use super::Layer;
use super::item::Item;
use super::resource::{Behavior, ResMap, Resource};
use crate::site::yaml::{Entry, Node, ScalarKind};
use sources::Datum;

const FIELDS: [&str; 9] =
    ["name", "namespace", "behavior", "files", "literals", "envs", "env", "options", "type"];
const OPTIONS: [&str; 4] = ["labels", "annotations", "disableNameSuffixHash", "immutable"];

/// What a generator makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn field(self) -> &'static str {
        match self {
            Self::ConfigMap => "configMapGenerator",
            Self::Secret => "secretGenerator",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Adds what the generators of a kustomization make, or merges it into what is there already.
pub(super) fn generate(layer: &mut Layer<'_>, resources: &mut ResMap) {
    for kind in [Kind::ConfigMap, Kind::Secret] {
        for node in layer.listed(kind.field()) {
            let faults = layer.reading.faults.len();
            let made = make(layer, kind, node);
            if let Some(made) = made.filter(|_| layer.reading.faults.len() == faults) {
                absorb::absorb(layer, node, made, resources);
            }
        }
    }
}

/// The resource that one item describes.
fn make<'k>(layer: &mut Layer<'k>, kind: Kind, node: &'k Node) -> Option<Resource> {
    // a type is only known for Secrets
    let known = &FIELDS[..FIELDS.len() - usize::from(kind == Kind::ConfigMap)];
    let item = Item::of(node, kind.field(), known, layer)?;
    let name = item.required("name", layer)?;
    let options = Options::read(layer, &item);
    let data = sources::data(layer, &item, kind);
    let mark = node.mark;
    let mut object = Node::empty_mapping(mark);
    object.set("apiVersion", Node::of_text("v1", mark));
    object.set("kind", Node::of_text(kind.name(), mark));
    let metadata = object.mapping_at("metadata")?;
    metadata.set("name", Node::of_text(name, mark));
    if let Some(namespace) = item.text("namespace", layer) {
        metadata.set("namespace", Node::of_text(namespace, mark));
    }
    options.put_into(metadata);
    if options.is_immutable {
        object.set("immutable", Node::scalar(ScalarKind::Bool, "true", mark));
    }
    if kind == Kind::Secret {
        let text = item.text("type", layer).unwrap_or("Opaque");
        object.set("type", Node::of_text(text, mark));
        object.set("data", Node::empty_mapping(mark));
    }
    put_data(kind, data, &mut object);
    let mut resource = Resource::new(layer.origin.clone(), object);
    resource.behavior = behavior(&item, layer);
    resource.needs_hash = !options.without_hash;
    Some(resource)
}

fn put_data(kind: Kind, data: Vec<Datum>, object: &mut Node) {
    for datum in data {
        let (field, text) = match (kind, String::from_utf8(datum.value)) {
            (Kind::ConfigMap, Ok(text)) => ("data", text),
            (Kind::ConfigMap, Err(error)) => ("binaryData", sources::base64(error.as_bytes())),
            (Kind::Secret, Ok(text)) => ("data", sources::base64(text.as_bytes())),
            (Kind::Secret, Err(error)) => ("data", sources::base64(error.as_bytes())),
        };
        if let Some(mapping) = object.mapping_at(field) {
            mapping.set(&datum.key, Node::of_text(text, datum.mark));
        }
    }
}

/// Words that kustomize does not know are `create` for it too.
fn behavior(item: &Item<'_>, layer: &mut Layer<'_>) -> Behavior {
    match item.text("behavior", layer) {
        Some("merge") => Behavior::Merge,
        Some("replace") => Behavior::Replace,
        _ => Behavior::Create,
    }
}

/// `generatorOptions` with the item's own `options` over them.
#[derive(Default)]
struct Options<'k> {
    /// The latter ones count.
    labels: Vec<&'k Entry>,
    annotations: Vec<&'k Entry>,
    without_hash: bool,
    is_immutable: bool,
}

impl<'k> Options<'k> {
    fn read(layer: &mut Layer<'k>, item: &Item<'k>) -> Self {
        let mut options = Self::default();
        let common = layer.kustomization.get("generatorOptions");
        let common = common.and_then(|node| Item::of(node, "generatorOptions", &OPTIONS, layer));
        let own = item.section("options", &OPTIONS, layer);
        for item in common.into_iter().chain(own) {
            options.labels.extend(item.pairs("labels", layer));
            options.annotations.extend(item.pairs("annotations", layer));
            // nothing takes back what the common ones say
            options.without_hash |= item.flag("disableNameSuffixHash", layer);
            options.is_immutable |= item.flag("immutable", layer);
        }
        options
    }

    fn put_into(&self, metadata: &mut Node) {
        for (field, entries) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            for entry in entries {
                if let Some(mapping) = metadata.mapping_at(field) {
                    mapping.set(&entry.key, entry.value.clone());
                }
            }
        }
    }
}
