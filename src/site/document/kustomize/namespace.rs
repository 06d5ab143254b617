//! `namespace`.

use super::Layer;
use super::resource::ResMap;

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
