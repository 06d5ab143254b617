//! Paths into objects, as kustomize's transformer configurations write them.

use crate::site::yaml::Node;

/// Whether a path is made where it is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Skip,
    Create,
}

/// Calls `change` for each node at `path`, such as `spec/template/spec/containers[]/image`; items of
/// lists are visited with or without `[]`, and `\/` is a slash within a key (`filters/fieldspec`).
pub(super) fn visit(node: &mut Node, path: &str, missing: Missing, change: &mut dyn FnMut(&mut Node)) {
    let _ = (node, path, missing, change);
}
