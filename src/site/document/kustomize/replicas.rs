//! `replicas`.

use super::Layer;
use super::fieldspec::{Missing, visit};
use super::item::Item;
use super::resource::{ResMap, Resource};
use crate::site::yaml::{Mark, Node, ScalarKind, Value};

const FIELDS: [&str; 2] = ["name", "count"];
/// What has replicas (`replicasFieldSpecs`).
const KINDS: [&str; 4] = ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"];

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    for node in layer.listed("replicas") {
        let Some(item) = Item::of(node, "replicas", &FIELDS, layer) else { continue };
        let Some(name) = item.required("name", layer) else { continue };
        let faults = layer.reading.faults.len();
        let count = item.integer("count", layer).unwrap_or(0);
        if layer.reading.faults.len() > faults {
            continue;
        }
        let mark = item.node.get("count").unwrap_or(node).mark;
        let found: Vec<_> = resources.resources.iter_mut().filter(|found| is_meant(found, name)).collect();
        if found.is_empty() {
            let message = format!("`replicas`: nothing named {name:?} has replicas ({})", KINDS.join(", "));
            layer.error("no-such-replicas", node, message);
        }
        for resource in found {
            if let Err(mark) = set(&mut resource.node, count, mark) {
                let message = format!("`spec` of {} is not a mapping", resource.shown());
                layer.error("not-a-mapping", &Node::null(mark), message);
            }
        }
    }
}

/// By any of the names that it has or had.
fn is_meant(resource: &Resource, name: &str) -> bool {
    resource.ids().iter().any(|id| id.name == name && KINDS.contains(&id.kind.as_str()))
}

fn set(node: &mut Node, count: i64, mark: Mark) -> Result<(), Mark> {
    visit(node, "spec/replicas", Missing::Create, &mut |replicas| match &mut replicas.value {
        // what was in quotes stays so
        Value::Scalar(scalar) if scalar.kind != ScalarKind::Null => {
            scalar.text = count.to_string();
            replicas.mark = mark;
        }
        _ => *replicas = Node::scalar(ScalarKind::Number, count.to_string(), mark),
    })
}
