//! `sortOptions`: the order in which resources are given out.

use std::collections::HashMap;

use super::Layer;
use super::resource::{ResMap, Resource};
use crate::site::yaml::Node;

/// What kustomize puts first and last where nothing else is said (`SortOrderTransformer`).
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// How resources are sorted.
pub(super) enum Order {
    /// As they came.
    Fifo,
    /// By kind, in the order of these ranks; kinds without one have 0.
    Legacy(HashMap<String, i64>),
}

impl Order {
    /// What the top kustomization says; without a word from it kustomize sorts by kind. What is wrong is
    /// noted.
    pub fn read(layer: &mut Layer<'_>) -> Option<Self> {
        let kustomization = layer.kustomization;
        let Some(options) = kustomization.get("sortOptions") else { return Some(Self::legacy(None, None)) };
        let before = layer.reading.faults.len();
        layer.refuse_unknown(options, "sortOptions", &["order", "legacySortOptions"]);
        let legacy = options.get("legacySortOptions");
        if let Some(legacy) = legacy {
            layer.refuse_unknown(legacy, "sortOptions.legacySortOptions", &["orderFirst", "orderLast"]);
        }
        let order = match (options.get("order").and_then(Node::string), legacy) {
            (Some("fifo"), None) => Self::Fifo,
            (Some("fifo"), Some(legacy)) => {
                let message = "`sortOptions.legacySortOptions` goes with the order `legacy` only";
                layer.error("bad-sort-options", legacy, message);
                return None;
            }
            (Some("legacy"), None) => Self::legacy(None, None),
            (Some("legacy"), Some(legacy)) => {
                let first = kinds(layer, legacy, "orderFirst");
                let last = kinds(layer, legacy, "orderLast");
                Self::legacy(Some(first), Some(last))
            }
            _ => {
                let node = options.get("order").unwrap_or(options);
                layer.error("bad-sort-options", node, "`sortOptions.order`: expected fifo or legacy");
                return None;
            }
        };
        (layer.reading.faults.len() == before).then_some(order)
    }

    fn legacy(first: Option<Vec<String>>, last: Option<Vec<String>>) -> Self {
        let first = first.unwrap_or_else(|| FIRST.map(str::to_owned).into());
        let last = last.unwrap_or_else(|| LAST.map(str::to_owned).into());
        // lists of a kustomization are bounded far below what an i64 counts
        let ranks = (-(first.len() as i64)..0).zip(first).chain((1..).zip(last));
        Self::Legacy(ranks.map(|(rank, kind)| (kind, rank)).collect())
    }

    /// Sorts in place.
    pub fn sort(&self, resources: &mut ResMap) {
        if let Self::Legacy(ranks) = self {
            resources.resources.sort_by_cached_key(|resource| key(resource, ranks));
        }
    }
}

/// Rank of the kind; group, version and kind; namespace as written, and name, each with what kustomize
/// writes for nothing (`legacyGVKSortString`, `legacyResIDSortString`).
fn key(resource: &Resource, ranks: &HashMap<String, i64>) -> (i64, String, String) {
    let id = resource.id();
    let or = |text: &str, none: &'static str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
    let rank = ranks.get(&id.kind).copied().unwrap_or(0);
    let kind = format!("{}_{}_{}", or(&id.group, "~G"), or(&id.version, "~V"), or(&id.kind, "~K"));
    let namespace = resource.node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or_default();
    (rank, kind, format!("{}|{}", or(namespace, "~X"), or(&id.name, "~N")))
}

/// A list of kinds; one that is not there is empty.
fn kinds(layer: &mut Layer<'_>, node: &Node, field: &str) -> Vec<String> {
    let Some(list) = node.get(field) else { return Vec::new() };
    let items = list.items().unwrap_or_default();
    if list.items().is_none() || items.iter().any(|item| item.string().is_none()) {
        let message = format!("`sortOptions.legacySortOptions.{field}`: expected a list of kinds");
        layer.error("bad-sort-options", list, message);
    }
    items.iter().filter_map(Node::string).map(str::to_owned).collect()
}
