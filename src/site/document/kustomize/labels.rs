//! `commonLabels`, `labels` and `commonAnnotations`.

use super::Layer;
use super::fieldspec::{FieldSpec, Missing, Target, visit};
use super::resource::{ResMap, Resource};
use crate::site::yaml::{Mark, Node, ScalarKind, Value};

type Spec = FieldSpec<'static>;

const ITEM: [&str; 4] = ["pairs", "includeSelectors", "includeTemplates", "fields"];
const FIELD: [&str; 5] = ["group", "version", "kind", "path", "create"];

const METADATA_LABELS: Spec = create(Target::ANY, "metadata/labels");

const fn create(target: Target<'static>, path: &'static str) -> Spec {
    FieldSpec { target, path, missing: Missing::Create }
}

const fn skip(target: Target<'static>, path: &'static str) -> Spec {
    FieldSpec { target, path, missing: Missing::Skip }
}

/// Labels of objects and of what they make (`templateLabels`).
const TEMPLATES: [Spec; 10] = [
    METADATA_LABELS,
    create(Target::versioned("", "v1", "ReplicationController"), "spec/template/metadata/labels"),
    create(Target::kind("Deployment"), "spec/template/metadata/labels"),
    create(Target::kind("ReplicaSet"), "spec/template/metadata/labels"),
    create(Target::kind("DaemonSet"), "spec/template/metadata/labels"),
    create(Target::of("apps", "StatefulSet"), "spec/template/metadata/labels"),
    create(Target::of("apps", "StatefulSet"), "spec/volumeClaimTemplates[]/metadata/labels"),
    create(Target::of("batch", "Job"), "spec/template/metadata/labels"),
    create(Target::of("batch", "CronJob"), "spec/jobTemplate/metadata/labels"),
    create(Target::of("batch", "CronJob"), "spec/jobTemplate/spec/template/metadata/labels"),
];

/// Selectors that look for such labels (`commonLabels`, without the affinities of [`AFFINITIES`]).
const SELECTORS: [Spec; 12] = [
    create(Target::versioned("", "v1", "Service"), "spec/selector"),
    create(Target::versioned("", "v1", "ReplicationController"), "spec/selector"),
    create(Target::kind("Deployment"), "spec/selector/matchLabels"),
    create(Target::kind("ReplicaSet"), "spec/selector/matchLabels"),
    create(Target::kind("DaemonSet"), "spec/selector/matchLabels"),
    create(Target::of("apps", "StatefulSet"), "spec/selector/matchLabels"),
    skip(Target::of("batch", "Job"), "spec/selector/matchLabels"),
    skip(Target::of("batch", "CronJob"), "spec/jobTemplate/spec/selector/matchLabels"),
    skip(Target::of("policy", "PodDisruptionBudget"), "spec/selector/matchLabels"),
    skip(Target::of("networking.k8s.io", "NetworkPolicy"), "spec/podSelector/matchLabels"),
    skip(Target::of("networking.k8s.io", "NetworkPolicy"), "spec/ingress/from/podSelector/matchLabels"),
    skip(Target::of("networking.k8s.io", "NetworkPolicy"), "spec/egress/to/podSelector/matchLabels"),
];

/// The same within pods, of `apps` Deployments and StatefulSets.
const AFFINITIES: [&str; 5] = [
    "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels",
];

/// Annotations of objects and of what they make (`commonAnnotations`).
const ANNOTATIONS: [Spec; 9] = [
    create(Target::ANY, "metadata/annotations"),
    create(Target::versioned("", "v1", "ReplicationController"), "spec/template/metadata/annotations"),
    create(Target::kind("Deployment"), "spec/template/metadata/annotations"),
    create(Target::kind("ReplicaSet"), "spec/template/metadata/annotations"),
    create(Target::kind("DaemonSet"), "spec/template/metadata/annotations"),
    create(Target::kind("StatefulSet"), "spec/template/metadata/annotations"),
    create(Target::of("batch", "Job"), "spec/template/metadata/annotations"),
    create(Target::of("batch", "CronJob"), "spec/jobTemplate/metadata/annotations"),
    create(Target::of("batch", "CronJob"), "spec/jobTemplate/spec/template/metadata/annotations"),
];

/// Everything that `commonLabels` changes.
fn with_selectors() -> Vec<Spec> {
    let kinds = ["Deployment", "StatefulSet"].map(|kind| Target::of("apps", kind));
    let affinities = kinds.into_iter().flat_map(|kind| AFFINITIES.map(|path| skip(kind, path)));
    SELECTORS.into_iter().chain(affinities).chain(TEMPLATES).collect()
}

/// First the items of `labels`, then `commonLabels`, which win.
pub(super) fn labels(layer: &mut Layer<'_>, resources: &mut ResMap) {
    let kustomization = layer.kustomization;
    for item in kustomization.get("labels").and_then(Node::items).unwrap_or_default() {
        let before = layer.reading.faults.len();
        layer.refuse_unknown(item, "labels", &ITEM);
        let specs = specs_of(item, layer);
        let pairs = item.get("pairs").map(|pairs| pairs_of(pairs, layer)).unwrap_or_default();
        if layer.reading.faults.len() == before {
            set_all(item, &pairs, &specs, layer, resources);
        }
    }
    if let Some(common) = kustomization.get("commonLabels") {
        let pairs = pairs_of(common, layer);
        set_all(common, &pairs, &with_selectors(), layer, resources);
    }
}

pub(super) fn annotations(layer: &mut Layer<'_>, resources: &mut ResMap) {
    if let Some(common) = layer.kustomization.get("commonAnnotations") {
        let pairs = pairs_of(common, layer);
        set_all(common, &pairs, &ANNOTATIONS, layer, resources);
    }
}

/// Keys and values as they are set: strings at their places in the kustomization.
fn pairs_of(node: &Node, layer: &mut Layer<'_>) -> Vec<(String, Node)> {
    if !node.is_mapping() {
        layer.error(
            "wrong-type",
            node,
            format!("`labels.pairs`: expected a mapping, found {}", node.kind_name()),
        );
    }
    let mut pairs = Vec::new();
    for entry in node.entries() {
        match (entry.value.string(), entry.value.is_null()) {
            (None, false) => {
                let found = entry.value.kind_name();
                let message =
                    format!("a label or annotation: expected a string, found {found}; put it in quotes");
                layer.error("wrong-type", &entry.value, message);
            }
            (text, _) => {
                let value = Node::of_text(text.unwrap_or_default(), entry.value.mark);
                pairs.push((entry.key.clone(), value));
            }
        }
    }
    pairs
}

/// The fields that an item of `labels` changes: its own, then those of its switches, unless its own are
/// about the same (`FsSlice.MergeAll`).
fn specs_of<'k>(item: &'k Node, layer: &mut Layer<'_>) -> Vec<FieldSpec<'k>> {
    let mut specs = Vec::new();
    for field in item.get("fields").and_then(Node::items).unwrap_or_default() {
        layer.refuse_unknown(field, "labels.fields", &FIELD);
        let text = |key: &str| field.get(key).and_then(Node::string).unwrap_or_default();
        let target = Target { group: text("group"), version: text("version"), kind: text("kind") };
        let missing = if is_set(field, "create", layer) { Missing::Create } else { Missing::Skip };
        match text("path") {
            "" => layer.error("missing-path", field, "`labels.fields`: `path` is missing"),
            path => specs.push(FieldSpec { target, path, missing }),
        }
    }
    let more = match (is_set(item, "includeSelectors", layer), is_set(item, "includeTemplates", layer)) {
        (true, _) => with_selectors(),
        (_, true) => TEMPLATES.to_vec(),
        _ => vec![METADATA_LABELS],
    };
    for spec in more {
        let same = specs.iter().find(|own| own.path == spec.path && is_selected(&own.target, &spec.target));
        match same.map(|own| own.missing == spec.missing) {
            None => specs.push(spec),
            Some(true) => {}
            Some(false) => {
                let should = match spec.missing {
                    Missing::Create => "has to have",
                    Missing::Skip => "must not have",
                };
                let message = format!("`labels.fields`: `{}` {should} `create: true`", spec.path);
                layer.error("conflicting-fields", item, message);
            }
        }
    }
    specs
}

fn is_selected(own: &Target<'_>, by: &Target<'_>) -> bool {
    by.selects(own.group, own.version, own.kind)
}

/// Whether a switch is on; anything but a boolean is a fault.
fn is_set(node: &Node, key: &str, layer: &mut Layer<'_>) -> bool {
    let Some(switch) = node.get(key) else { return false };
    match &switch.value {
        Value::Scalar(scalar) if scalar.kind == ScalarKind::Bool => {
            matches!(scalar.text.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
        }
        _ => {
            let message = format!("`{key}`: expected true or false, found {}", switch.kind_name());
            layer.error("wrong-type", switch, message);
            false
        }
    }
}

fn set_all(
    node: &Node,
    pairs: &[(String, Node)],
    specs: &[FieldSpec<'_>],
    layer: &mut Layer<'_>,
    resources: &mut ResMap,
) {
    let text = pairs.iter().map(|(key, value)| key.len() + value.text().map_or(0, str::len)).sum();
    let count = resources.resources.len();
    if pairs.is_empty() || layer.pay(node, count, text).is_none() {
        return;
    }
    for resource in &mut resources.resources {
        if let Err(mark) = set(pairs, specs, resource) {
            let message =
                format!("{} has no mapping here to put labels or annotations into", resource.shown());
            layer.error("not-a-mapping", &Node::null(mark), message);
        }
    }
}

fn set(pairs: &[(String, Node)], specs: &[FieldSpec<'_>], resource: &mut Resource) -> Result<(), Mark> {
    let id = resource.id();
    for spec in specs.iter().filter(|spec| spec.target.selects(&id.group, &id.version, &id.kind)) {
        let mut refused = None;
        let mut change = |node: &mut Node| {
            if node.is_null() && spec.missing == Missing::Create {
                *node = Node::empty_mapping(node.mark);
            }
            match node.is_mapping() {
                true => pairs.iter().for_each(|(key, value)| node.set(key, value.clone())),
                false if node.is_null() => {}
                false => refused = Some(node.mark),
            }
        };
        visit(&mut resource.node, spec.path, spec.missing, &mut change)?;
        refused.map_or(Ok(()), Err)?;
    }
    Ok(())
}
