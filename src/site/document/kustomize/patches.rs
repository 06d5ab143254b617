//! `patchesStrategicMerge` and `patches`.

use super::Layer;
use super::resource::ResMap;

pub(super) fn strategic_merge(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}

pub(super) fn patches(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
