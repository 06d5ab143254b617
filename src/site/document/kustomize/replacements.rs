//! `replacements`: values of one object, copied into others (`api/filters/replacement`).

mod path;
mod read;
mod value;

use super::Layer;
use super::resource::{ResId, ResMap, Resource};
use crate::site::document::LabelSelector;
use crate::site::yaml::{Node, Value};
use path::{Creating, Found, Path};
use read::Replacement;

/// `delimiter` and `index`.
struct Part<'k> {
    delimiter: &'k str,
    index: i64,
}

/// Objects by id, labels and annotations; what is not given fits all.
#[derive(Default)]
struct Select<'k> {
    group: Option<&'k str>,
    version: Option<&'k str>,
    kind: Option<&'k str>,
    namespace: Option<&'k str>,
    name: Option<&'k str>,
    labels: LabelSelector,
    annotations: LabelSelector,
}

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let files = read::files(layer);
    let mut files = files.iter();
    for node in layer.listed("replacements") {
        let nodes = match node.get("path") {
            None => vec![node],
            Some(_) => files.next().map(|nodes| nodes.iter().collect()).unwrap_or_default(),
        };
        for node in nodes {
            let faults = layer.reading.faults.len();
            let replacement = read::replacement(layer, node);
            if let Some(replacement) = replacement.filter(|_| layer.reading.faults.len() == faults) {
                apply(layer, &replacement, resources);
            }
        }
    }
}

fn apply(layer: &mut Layer<'_>, replacement: &Replacement<'_>, resources: &mut ResMap) {
    let Some(value) = source_value(layer, replacement, resources) else { return };
    for target in &replacement.targets {
        for resource in &mut resources.resources {
            if !selected(&target.select, &target.reject, resource) {
                continue;
            }
            for (field, path) in &target.paths {
                if let Err(message) = put(resource, path, &value, target) {
                    layer.error("bad-replacement", field, message);
                }
            }
        }
    }
}

/// The value to be copied; what is wrong is noted. It is never quoted: it may be a Secret's.
fn source_value(layer: &mut Layer<'_>, replacement: &Replacement<'_>, resources: &ResMap) -> Option<Node> {
    let source = &replacement.source;
    let fits = |resource: &&Resource| resource.ids().iter().any(|id| source.select.fits_id(id));
    let mut found = resources.resources.iter().filter(fits);
    let resource = match (found.next(), found.next()) {
        (Some(resource), None) => resource,
        (None, _) => {
            let message = format!("`replacements.source`: there is no {}", source.select.shown());
            layer.error("no-such-source", source.node, message);
            return None;
        }
        (Some(_), Some(_)) => {
            let message = format!("`replacements.source`: there is more than one {}", source.select.shown());
            layer.error("ambiguous-source", source.node, message);
            return None;
        }
    };
    let found = source.path.get(&resource.node).map(|found| found.filter(|node| !is_empty(node)));
    let message = match found {
        Ok(Some(node)) => match value::refined(node, source.part.as_ref()) {
            Ok(node) => return Some(node),
            Err(message) => {
                format!("`replacements.source`: {} of {}: {message}", source.path, resource.shown())
            }
        },
        Ok(None) => format!("`replacements.source`: {} is not in {}", source.path, resource.shown()),
        Err(why) => format!("`replacements.source`: {} of {}: {why}", source.path, resource.shown()),
    };
    layer.error("no-source-value", source.node, message);
    None
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(_) => node.is_null(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.is_empty(),
    }
}

fn selected(select: &Select<'_>, reject: &[Select<'_>], resource: &Resource) -> bool {
    let rejected_by_labels = |reject: &Select<'_>| {
        !(reject.labels.is_empty() && reject.annotations.is_empty()) && reject.fits_labels(resource)
    };
    if !select.fits_labels(resource) || reject.iter().any(rejected_by_labels) {
        return false;
    }
    let rejected = |id: &ResId| reject.iter().any(|reject| reject.names_ids() && reject.fits_id(id));
    resource.ids().iter().any(|id| select.fits_id(id) && !rejected(id))
}

/// Copies the value to every place that a path leads to.
fn put(resource: &mut Resource, path: &Path, value: &Node, target: &read::Target<'_>) -> Result<(), String> {
    let shown = resource.shown();
    let wrong = |why: String| format!("`replacements`: {path} of {shown}: {why}");
    let creating = match (target.creates, &value.value) {
        (false, _) => Creating::Nothing,
        (true, Value::Scalar(_)) => Creating::Scalar,
        (true, Value::Sequence(_)) => Creating::Sequence,
        (true, Value::Mapping(_)) => Creating::Mapping,
    };
    let mut count = 0;
    let mut change = |node: &mut Node, found: Found| {
        count += 1;
        value::put(node, found, value, target.part.as_ref())
    };
    path.visit(&mut resource.node, creating, &mut change).map_err(&wrong)?;
    match count {
        0 if target.creates => Err(wrong("is not there and cannot be made".into())),
        0 => Err(wrong("is not there; `options.create` makes it".into())),
        _ => Ok(()),
    }
}

impl Select<'_> {
    fn names_ids(&self) -> bool {
        [self.group, self.version, self.kind, self.namespace, self.name].iter().any(Option::is_some)
    }

    fn fits_id(&self, id: &ResId) -> bool {
        let fits = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        fits(self.group, &id.group)
            && fits(self.version, &id.version)
            && fits(self.kind, &id.kind)
            && fits(self.namespace, &id.namespace)
            && fits(self.name, &id.name)
    }

    fn fits_labels(&self, resource: &Resource) -> bool {
        let text =
            |of: &str, key: &str| -> Option<&str> { resource.node.at(&["metadata", of])?.get(key)?.text() };
        self.labels.matches(|key| text("labels", key))
            && self.annotations.matches(|key| text("annotations", key))
    }

    /// For messages.
    fn shown(&self) -> String {
        let kind = self.kind.unwrap_or("resource").escape_debug();
        let name = self.name.map(|name| format!(" named {name:?}")).unwrap_or_default();
        let namespace = self.namespace.map(|name| format!(" in namespace {name:?}")).unwrap_or_default();
        format!("{kind}{name}{namespace}")
    }
}
