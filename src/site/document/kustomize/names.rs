//! `namePrefix` and `nameSuffix`.

use super::Layer;
use super::resource::ResMap;

pub(super) fn prefix(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}

pub(super) fn suffix(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
