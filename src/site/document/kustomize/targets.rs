//! Which resources a patch is for.

use std::collections::HashMap;

use regex::Regex;

use super::merge::Trouble;
use super::resource::{ResId, ResMap, Resource};
use crate::site::document::LabelSelector;
use crate::site::yaml::{Node, key_name, read_as_yaml_1_1};

/// A patch's `target`; a part that is not given fits everything (`types.SelectorRegex`).
pub(super) struct Target {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: LabelSelector,
    annotations: LabelSelector,
}

const KEYS: [&str; 7] =
    ["group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"];

impl Target {
    /// Reads a target, a mapping.
    pub fn read(node: &Node) -> Result<Self, Trouble> {
        let mut node = node.clone();
        read_as_yaml_1_1(&mut node);
        let node = &node;
        if !node.is_mapping() {
            return Err(bad(node, format!("`target` is {}; expected a mapping", node.kind_name())));
        }
        if let Some(entry) = node.entries().iter().find(|entry| !KEYS.contains(&entry.key.as_str())) {
            let message = format!("{} is not known in a target", key_name(&entry.key));
            return Err(Trouble { mark: entry.key_mark, ..bad(node, message) });
        }
        Ok(Self {
            group: pattern(node, "group")?,
            version: pattern(node, "version")?,
            kind: pattern(node, "kind")?,
            name: pattern(node, "name")?,
            namespace: pattern(node, "namespace")?,
            labels: selector(node, "labelSelector")?,
            annotations: selector(node, "annotationSelector")?,
        })
    }

    /// Whether a name is asked for.
    pub fn names_one(&self) -> bool {
        self.name.is_some()
    }

    /// Names and namespaces are compared with those that the resource had at first, too.
    fn selects(&self, resource: &Resource, ids: &[ResId]) -> bool {
        let (Some(first), Some(now)) = (ids.first(), ids.last()) else { return false };
        let either = |pattern: &Option<Regex>, of: fn(&ResId) -> &str| {
            fits(pattern, of(first)) || fits(pattern, of(now))
        };
        either(&self.namespace, namespace)
            && either(&self.name, |id| &id.name)
            && fits(&self.group, &now.group)
            && fits(&self.version, &now.version)
            && fits(&self.kind, &now.kind)
            && self.labels.matches(|key| resource.node.at(&["metadata", "labels"])?.get(key)?.text())
            && self
                .annotations
                .matches(|key| resource.node.at(&["metadata", "annotations"])?.get(key)?.text())
    }
}

/// What patterns of namespaces are compared with; kinds of the cluster have kustomize's stand-in.
fn namespace(id: &ResId) -> &str {
    if id.namespace.is_empty() { "_non_namespaceable_" } else { &id.namespace }
}

fn fits(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

fn bad(node: &Node, message: impl Into<String>) -> Trouble {
    Trouble { code: "patch-bad-target", mark: node.mark, message: message.into(), other: None }
}

/// The text of a part that is given.
fn part<'a>(node: &'a Node, key: &str) -> Result<Option<(&'a Node, &'a str)>, Trouble> {
    let Some(value) = node.get(key) else { return Ok(None) };
    match value.string() {
        Some("") => Ok(None),
        Some(text) => Ok(Some((value, text))),
        None => Err(bad(value, format!("`{key}` is {}; expected a string", value.kind_name()))),
    }
}

/// A regular expression for the whole of a name.
fn pattern(node: &Node, key: &str) -> Result<Option<Regex>, Trouble> {
    let Some((value, text)) = part(node, key)? else { return Ok(None) };
    let compiled = Regex::new(&format!("^(?:{text})$"));
    compiled.map(Some).map_err(|_| bad(value, format!("`{key}` is not a regular expression")))
}

fn selector(node: &Node, key: &str) -> Result<LabelSelector, Trouble> {
    match part(node, key)? {
        None => Ok(LabelSelector::default()),
        Some((value, text)) => {
            LabelSelector::parse(text).map_err(|message| bad(value, format!("`{key}`: {message}")))
        }
    }
}

/// All resources by the ids they have or had. Kept up to date while patches are applied: to look at each
/// resource for each patch would take time that grows with the square of their number.
pub(super) struct Index {
    ids: Vec<Vec<ResId>>,
    by_id: HashMap<ResId, Vec<usize>>,
}

impl Index {
    pub fn of(resources: &ResMap) -> Self {
        let mut index = Self { ids: Vec::new(), by_id: HashMap::new() };
        for (at, resource) in resources.resources.iter().enumerate() {
            index.ids.push(Vec::new());
            index.update(at, resource);
        }
        index
    }

    /// Notes that a resource may have another id now.
    pub fn update(&mut self, at: usize, resource: &Resource) {
        let ids = resource.ids();
        if ids == self.ids[at] {
            return;
        }
        self.remove(at);
        for id in &ids {
            let found = self.by_id.entry(id.clone()).or_default();
            if !found.contains(&at) {
                found.push(at);
            }
        }
        self.ids[at] = ids;
    }

    /// Notes that a resource is no longer there.
    pub fn remove(&mut self, at: usize) {
        for id in std::mem::take(&mut self.ids[at]) {
            if let Some(found) = self.by_id.get_mut(&id) {
                found.retain(|&other| other != at);
            }
        }
    }

    pub fn is_removed(&self, at: usize) -> bool {
        self.ids[at].is_empty()
    }

    /// Every resource that has or had an id.
    pub fn with_id(&self, id: &ResId) -> &[usize] {
        self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Another resource that now has the id that this one has.
    pub fn twin(&self, at: usize) -> Option<usize> {
        let id = self.ids[at].last()?;
        self.with_id(id).iter().copied().find(|&other| other != at && self.ids[other].last() == Some(id))
    }

    /// Every resource that a target means, in their order.
    pub fn selected(&self, target: &Target, resources: &ResMap) -> Vec<usize> {
        let all = resources.resources.iter().zip(&self.ids).enumerate();
        all.filter(|(_, (resource, ids))| target.selects(resource, ids)).map(|(at, _)| at).collect()
    }
}
