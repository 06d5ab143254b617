//! `namePrefix` and `nameSuffix`.

use super::Layer;
use super::fieldspec::Target;
use super::resource::{ResId, ResMap, Resource};
use crate::site::yaml::{Node, ScalarKind};

/// What is never renamed: the name is given by what it stands for (`prefixFieldSpecsToSkip`).
const KEPT: [Target<'static>; 3] = [
    Target::kind("CustomResourceDefinition"),
    Target::of("apiregistration.k8s.io", "APIService"),
    Target::kind("Namespace"),
];

pub(super) fn prefix(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let Some(prefix) = affix(layer, "namePrefix", resources) else { return };
    for resource in renamed(resources) {
        resource.prefixes.push(prefix.clone());
        rename(resource, |name| format!("{prefix}{name}"));
    }
}

pub(super) fn suffix(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let Some(suffix) = affix(layer, "nameSuffix", resources) else { return };
    for resource in renamed(resources) {
        resource.suffixes.push(suffix.clone());
        rename(resource, |name| format!("{name}{suffix}"));
    }
}

fn affix(layer: &mut Layer<'_>, field: &str, resources: &ResMap) -> Option<String> {
    let node = layer.kustomization.get(field)?;
    let text = node.string().filter(|text| !text.is_empty())?;
    layer.pay(node, resources.resources.len(), text.len())?;
    Some(text.to_owned())
}

/// The resources whose names may change; what they were first decides.
fn renamed(resources: &mut ResMap) -> impl Iterator<Item = &mut Resource> {
    resources.resources.iter_mut().filter(|resource| {
        let ResId { group, version, kind, .. } = resource.first_id();
        !KEPT.iter().any(|kept| kept.selects(&group, &version, &kind))
    })
}

fn rename(resource: &mut Resource, new: impl Fn(&str) -> String) {
    resource.remember_id();
    let Some(metadata) = resource.node.get_mut("metadata") else { return };
    let Some(name) = metadata.get("name") else { return };
    let renamed = Node::scalar(ScalarKind::String, new(name.text().unwrap_or_default()), name.mark);
    metadata.set("name", renamed);
}
