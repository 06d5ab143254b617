//! `vars`: collected by the layers, resolved once at the top.

use super::Layer;
use super::resource::ResMap;

pub(super) fn collect(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}
