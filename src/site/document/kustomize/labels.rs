//! `commonLabels`, `labels` and `commonAnnotations`.

use super::Layer;
use super::resource::ResMap;

pub(super) fn labels(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}

pub(super) fn annotations(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
