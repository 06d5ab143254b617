//! `namespace`.

use std::collections::HashMap;

use super::Layer;
use super::fieldspec::{FieldSpec, Missing, Target, visit};
use super::resource::{ResMap, Resource};
use super::schema::is_cluster_scoped;
use crate::site::yaml::{Mark, Node};

/// Namespaces beside the object's own (`builtinpluginconsts/namespace.go`).
const PLACES: [FieldSpec<'static>; 3] = [
    FieldSpec { target: Target::kind("Namespace"), path: "metadata/name", missing: Missing::Create },
    FieldSpec {
        target: Target::of("apiregistration.k8s.io", "APIService"),
        path: "spec/service/namespace",
        missing: Missing::Create,
    },
    FieldSpec {
        target: Target::of("apiextensions.k8s.io", "CustomResourceDefinition"),
        path: "spec/conversion/webhook/clientConfig/service/namespace",
        missing: Missing::Skip,
    },
];

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let node = layer.kustomization.get("namespace");
    let text = node.and_then(Node::string).filter(|text| !text.is_empty());
    let (Some(node), Some(namespace)) = (node, text) else { return };
    if layer.pay(node, resources.resources.len(), namespace.len()).is_none() {
        return;
    }
    for resource in &mut resources.resources {
        resource.remember_id();
        if let Err(mark) = move_to(resource, namespace) {
            let message = format!("{} has a scalar where `namespace` goes through", resource.shown());
            layer.error("not-a-mapping", &Node::null(mark), message);
        }
    }
    refuse_conflicts(layer, resources);
}

fn move_to(resource: &mut Resource, namespace: &str) -> Result<(), Mark> {
    let id = resource.id();
    let mut set = |node: &mut Node| *node = Node::of_text(namespace, node.mark);
    if !is_cluster_scoped(&id.group, &id.kind) {
        visit(&mut resource.node, "metadata/namespace", Missing::Create, &mut set)?;
    }
    if matches!(id.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
        move_default_subjects(&mut resource.node, namespace)?;
    }
    let places = PLACES.iter().filter(|place| place.target.selects(&id.group, &id.version, &id.kind));
    places.into_iter().try_for_each(|place| visit(&mut resource.node, place.path, place.missing, &mut set))
}

/// Of the subjects only service accounts named `default` are sure to be the namespace's own; others
/// follow as name references (`roleBindingHack`).
fn move_default_subjects(node: &mut Node, namespace: &str) -> Result<(), Mark> {
    let mut change = |subject: &mut Node| {
        if subject.get("name").and_then(Node::text) == Some("default") {
            let mark = subject.mark;
            subject.set("namespace", Node::of_text(namespace, mark));
        }
    };
    let Some(subjects) = node.get_mut("subjects").and_then(Node::items_mut) else { return Ok(()) };
    subjects.iter_mut().for_each(&mut change);
    Ok(())
}

/// Two objects of one name from several namespaces cannot be in one.
fn refuse_conflicts(layer: &mut Layer<'_>, resources: &ResMap) {
    let mut seen = HashMap::with_capacity(resources.resources.len());
    for resource in &resources.resources {
        let earlier: &Resource = seen.entry(resource.id()).or_insert(resource);
        if !std::ptr::eq(earlier, resource) {
            let at = layer.origin_of(earlier.node.mark).at(earlier.node.mark);
            let message = format!("`namespace` makes {} the same as the one at {at}", resource.shown());
            layer.error("namespace-conflict", &resource.node, message);
        }
    }
}
