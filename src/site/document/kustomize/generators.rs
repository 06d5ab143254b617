//! `configMapGenerator` and `secretGenerator`.

use super::Layer;
use super::resource::ResMap;

pub(super) fn generate(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
