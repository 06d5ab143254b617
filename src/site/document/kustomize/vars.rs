//! `vars`: collected by the layers, resolved once at the top.

use super::Layer;
use super::resource::ResMap;
use crate::error::Fault;
use crate::site::yaml::Node;

/// One of `vars`, which a layer has collected.
#[derive(Clone)]
pub(super) struct Var {
    pub name: String,
    /// The item of the kustomization's list.
    pub node: Node,
}

/// Adds the layer's own to those of the layers below, which are in `resources.vars` already.
pub(super) fn collect(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let _ = (layer, resources);
}

/// Puts the values of `resources.vars` in their places; called once, after the name references were
/// brought to their final names. The origins of the resources find the places of all marks.
pub(super) fn resolve(resources: &mut ResMap, faults: &mut Vec<Fault>) {
    let _ = (resources, faults);
}
