//! `vars`: collected by the layers, resolved once at the top (`api/internal/accumulator`).

mod expand;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Layer;
use super::item::Item;
use super::resource::{ResId, ResMap, Resource};
use super::schema::is_cluster_scoped;
use crate::error::Fault;
use crate::site::yaml::{Mark, Node, Value, to_json};

const FIELDS: [&str; 3] = ["name", "objref", "fieldref"];
const OBJECT: [&str; 6] = ["apiVersion", "group", "version", "kind", "name", "namespace"];
const FIELD: [&str; 2] = ["fieldpath", "fieldPath"];
const DEFAULT_PATH: &str = "metadata.name";

/// One of `vars`, which a layer has collected.
#[derive(Clone)]
pub(super) struct Var {
    pub name: String,
    /// The item of the kustomization's list.
    pub node: Node,
    /// Where in its object the value is: `spec.containers[0].image`.
    path: String,
}

/// Adds the layer's own to those of the layers below, which are in `resources.vars` already.
pub(super) fn collect(layer: &mut Layer<'_>, resources: &mut ResMap) {
    for node in layer.listed("vars") {
        let faults = layer.reading.faults.len();
        let Some(item) = Item::of(node, "vars", &FIELDS, layer) else { continue };
        let name = item.text("name", layer).unwrap_or_default();
        let object = item.section("objref", &OBJECT, layer);
        let field = item.section("fieldref", &FIELD, layer);
        let path = field.and_then(|field| FIELD.iter().find_map(|key| field.text(key, layer)));
        let wanted = object.map(|object| Wanted::read(layer, &object));
        if layer.reading.faults.len() > faults {
            continue;
        }
        if let Some(wanted) = wanted {
            attach(layer, node, name, &wanted, resources);
        }
        let path = path.unwrap_or(DEFAULT_PATH).to_owned();
        resources.vars.push(Var { name: name.to_owned(), node: node.clone(), path });
    }
    let mut seen = BTreeSet::new();
    for var in resources.vars.iter().filter(|var| !seen.insert(var.name.as_str())) {
        layer.error("repeated-var", &var.node, format!("`vars`: {:?} is there twice", var.name));
    }
}

/// Notes at the object that is meant that it gives the variable's value.
fn attach(layer: &mut Layer<'_>, node: &Node, name: &str, wanted: &Wanted<'_>, resources: &mut ResMap) {
    let mut found: Vec<_> =
        resources.resources.iter_mut().filter(|resource| wanted.fits(&resource.first_id())).collect();
    match found.as_mut_slice() {
        [] => {}
        [only] => only.vars.push(name.to_owned()),
        several => {
            let message =
                format!("`vars`: {} resources fit `objref` of {name:?}; name the namespace", several.len());
            layer.error("ambiguous-var", node, message);
        }
    }
}

/// `objref`; group and version have to be there as the object has them.
struct Wanted<'k> {
    group: &'k str,
    version: &'k str,
    kind: &'k str,
    name: &'k str,
    /// Empty for any.
    namespace: &'k str,
}

impl<'k> Wanted<'k> {
    fn read(layer: &mut Layer<'_>, object: &Item<'k>) -> Self {
        let mut text = |key| object.text(key, layer).unwrap_or_default();
        let (group, version) = match text("apiVersion") {
            "" => (text("group"), text("version")),
            both => both.split_once('/').unwrap_or(("", both)),
        };
        Self { group, version, kind: text("kind"), name: text("name"), namespace: text("namespace") }
    }

    fn fits(&self, id: &ResId) -> bool {
        let any_namespace = self.namespace.is_empty() || is_cluster_scoped(self.group, self.kind);
        id.name == self.name
            && id.kind == self.kind
            && id.group == self.group
            && id.version == self.version
            && (any_namespace || id.namespace == self.namespace)
    }
}

/// Puts the values of `resources.vars` in their places; called once, after the name references were
/// brought to their final names. The origins of the resources find the places of all marks.
pub(super) fn resolve(resources: &mut ResMap, faults: &mut Vec<Fault>) {
    let before = faults.len();
    let mut values = BTreeMap::new();
    for var in &resources.vars {
        match value_of(var, &resources.resources) {
            Ok(value) => drop(values.insert(var.name.clone(), value)),
            Err((code, message)) => {
                let at = resources.resources.first().map(|resource| resource.origin.at(var.node.mark));
                faults.push(Fault::new(at, message).coded(code));
            }
        }
    }
    if values.is_empty() || faults.len() > before {
        return;
    }
    let mut used = BTreeSet::new();
    for resource in &mut resources.resources {
        let (origin, shown) = (resource.origin.clone(), resource.shown());
        let kind = resource.node.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        for path in &places::of(&kind) {
            if let Err((mark, why)) = put(&mut resource.node, path, &values, &mut used) {
                let message = format!("`vars`: `{path}` of {shown} {why}");
                faults.push(origin.fault(mark, message).coded("bad-var-place"));
            }
        }
    }
    let unused: Vec<_> = values.keys().filter(|name| !used.contains(*name)).cloned().collect();
    if !unused.is_empty() {
        tracing::warn!("vars that stand nowhere: {}", unused.join(", "));
    }
}

/// The value, which is never quoted in messages.
fn value_of(var: &Var, resources: &[Resource]) -> Result<Json, (&'static str, String)> {
    let Some(resource) = resources.iter().find(|resource| resource.vars.contains(&var.name)) else {
        let message =
            format!("`vars`: no resource fits `objref` of {:?} (apiVersion, kind and name)", var.name);
        return Err(("unmapped-var", message));
    };
    let found = steps(&var.path).iter().try_fold(&resource.node, |node, step| step.of(node));
    match found.map(to_json) {
        // as kustomize has it
        Some(Json::Null) => Ok(Json::from("null")),
        Some(value) => Ok(value),
        None => {
            let path = var.path.escape_debug();
            let message =
                format!("`vars`: {:?} takes `{path}` of {}, which is not there", var.name, resource.shown());
            Err(("no-var-value", message))
        }
    }
}

enum Step {
    Field(String),
    Index(usize),
}

impl Step {
    /// A null that is there is found.
    fn of<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        match self {
            Self::Field(key) => {
                node.entries().iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
            }
            Self::Index(index) => node.items()?.get(*index),
        }
    }
}

/// `a.b\.c[0]`: keys at dots without a backslash, numbers of items in brackets.
fn steps(path: &str) -> Vec<Step> {
    let mut keys: Vec<String> = Vec::new();
    for part in path.split('.') {
        match keys.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => {
                last.pop();
                last.push('.');
                last.push_str(part);
            }
            None => keys.push(part.to_owned()),
        }
    }
    let mut steps = Vec::new();
    for key in keys {
        let indexes = key.strip_suffix(']').and_then(|rest| {
            let mut parts = rest.split('[').map(|part| part.trim_end_matches(']'));
            let key = parts.next()?.to_owned();
            Some((key, parts.map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>()?))
        });
        let (key, indexes) = indexes.unwrap_or((key, Vec::new()));
        steps.push(Step::Field(key));
        steps.extend(indexes.into_iter().map(Step::Index));
    }
    steps
}

/// Expands the texts at a path: one alone, those of a list, or those directly in a mapping.
fn put(
    node: &mut Node,
    path: &str,
    values: &BTreeMap<String, Json>,
    used: &mut BTreeSet<String>,
) -> Result<(), (Mark, &'static str)> {
    let mut wrong = None;
    let mut change = |node: &mut Node| match &mut node.value {
        Value::Scalar(_) => expand::text(node, values, used),
        Value::Mapping(entries) => {
            entries.iter_mut().for_each(|entry| expand::text(&mut entry.value, values, used));
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| match to_json(item) {
            Json::String(_) => expand::text(item, values, used),
            _ => drop(wrong.get_or_insert(item.mark)),
        }),
    };
    super::fieldspec::visit(node, path, super::fieldspec::Missing::Skip, &mut change)
        .map_err(|mark| (mark, "leads through what is neither a mapping nor a list"))?;
    wrong.map_or(Ok(()), |mark| Err((mark, "is a list with an item that is no text; put it in quotes")))
}
