//! Numbers that JSON lacks, and so Kubernetes: infinities and what is none.

use super::resource::ResMap;
use crate::error::Fault;
use crate::site::yaml::{Mark, Node, ScalarKind, Value, number};

/// Notes the first of each resource, as kustomize, which goes through JSON, stops at it.
pub(super) fn refuse(resources: &ResMap, faults: &mut Vec<Fault>) {
    for resource in &resources.resources {
        if let Some(mark) = unwritable(&resource.node) {
            let message = format!("a number of {} is infinite, or none", resource.shown());
            faults.push(resource.origin.fault(mark, message).coded("not-a-number"));
        }
    }
}

fn unwritable(node: &Node) -> Option<Mark> {
    match &node.value {
        Value::Scalar(scalar) => {
            (scalar.kind == ScalarKind::Number && number(&scalar.text).is_none()).then_some(node.mark)
        }
        Value::Sequence(items) => items.iter().find_map(unwritable),
        Value::Mapping(entries) => entries.iter().find_map(|entry| unwritable(&entry.value)),
    }
}
