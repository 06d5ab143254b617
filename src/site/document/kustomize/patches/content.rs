//! What an item of `patches` holds: objects to merge or operations, told apart as kustomize does.

use super::super::Layer;
use super::super::json6902::{self, Operation};
use super::super::merge::Trouble;
use super::super::targets::Target;
use super::Run;
use crate::site::yaml::{Node, Origin, read_as_yaml_1_1, to_json};

/// What a patch may change besides; all else of them kustomize ignores.
#[derive(Default)]
pub(super) struct Options {
    pub name: Change,
    pub kind: Change,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Change {
    #[default]
    Forbidden,
    Allowed,
}

/// Where an empty file is no fault: kustomize lets it pass in `patches`, if there is a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Never,
    WithTarget,
}

pub(super) enum Patch {
    /// Objects to merge.
    Merge(Vec<Node>, Options),
    Json(Vec<Operation>),
}

impl<'l> Run<'_, 'l> {
    /// Reads an item of `patches`, with its target.
    pub(super) fn read(&mut self, item: &Node, empty: Empty) -> Option<(Patch, Option<Target>)> {
        let target = item.get("target").map(Target::read).transpose();
        let target = self.noted(target);
        let options = options(item);
        let options = self.noted(options);
        let patch = self.content(item, empty)?;
        let patch = match patch {
            Patch::Merge(objects, _) => Patch::Merge(objects, options?),
            json => json,
        };
        Some((patch, target?))
    }

    /// The patch that a file or the text of an item holds.
    fn content(&mut self, item: &Node, empty: Empty) -> Option<Patch> {
        let given =
            |key| item.get(key).filter(|node: &&Node| node.text().is_none_or(|t| !t.trim().is_empty()));
        let (node, bytes, documents) = match (given("path"), given("patch")) {
            (Some(node), None) => {
                let (bytes, origin) = self.layer.file(node)?;
                let documents = self.documents(&bytes, |layer| layer.parse(origin.file(), &bytes), node)?;
                (node, bytes, documents)
            }
            (None, Some(node)) => {
                let Some(text) = node.string() else {
                    let message = format!("`patch` is {}; expected a string", node.kind_name());
                    self.layer.error("patch-unreadable", node, message);
                    return None;
                };
                let bytes = text.trim().as_bytes().to_vec();
                let documents = self.documents(&bytes, |layer| layer.inline(node), node)?;
                (node, bytes, documents)
            }
            (None, None) => {
                self.layer.error("patch-without-content", item, "has neither `path` nor `patch`");
                return None;
            }
            (Some(_), Some(node)) => {
                self.layer.error("patch-with-two-contents", node, "`path` and `patch` exclude each other");
                return None;
            }
        };
        match documents.first() {
            None if bytes.is_empty() && empty == Empty::WithTarget && item.get("target").is_some() => None,
            None => self.empty(node),
            Some((_, first)) if first.items().is_some() => {
                let operations = json6902::operations(first);
                let operations = self.noted(operations)?;
                if operations.is_empty() { self.empty(node) } else { Some(Patch::Json(operations)) }
            }
            Some(_) => Some(Patch::Merge(self.objects(node, documents)?, Options::default())),
        }
    }

    fn empty<T>(&mut self, node: &Node) -> Option<T> {
        self.layer.error("patch-empty", node, "holds no patch");
        None
    }

    /// The documents of a patch; what begins as JSON has to be JSON, as kustomize has it.
    fn documents(
        &mut self,
        bytes: &[u8],
        parse: impl FnOnce(&mut Layer<'l>) -> Option<Vec<(Origin, Node)>>,
        node: &Node,
    ) -> Option<Vec<(Origin, Node)>> {
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        if bytes.first() == Some(&b'[') && !is_json() {
            let message = "a patch that begins with `[` has to be JSON; begin each operation with `- `";
            self.layer.error("patch-unreadable", node, message);
            return None;
        }
        let before = self.layer.reading.faults.len();
        let documents = parse(self.layer);
        self.layer.code_faults(before, "patch-unreadable");
        documents
    }

    /// The objects of a patch, lists taken apart; what kustomize ignores is left out.
    pub(super) fn objects(&mut self, place: &Node, documents: Vec<(Origin, Node)>) -> Option<Vec<Node>> {
        let mut objects = Vec::new();
        let mut waiting: Vec<Node> = documents.into_iter().rev().map(|(_, node)| node).collect();
        while let Some(mut node) = waiting.pop() {
            let checked = object_kind(&node);
            let is_list = self.noted(checked)?.ends_with("List");
            match is_list {
                true => waiting.extend(node.take_items("items").into_iter().flatten().rev()),
                false
                    if node
                        .at(&["metadata", "annotations", "config.kubernetes.io/local-config"])
                        .is_some() => {}
                false => {
                    let checked = check_name(&node);
                    self.noted(checked)?;
                    objects.push(node);
                }
            }
        }
        if objects.is_empty() {
            return self.empty(place);
        }
        Some(objects)
    }
}

/// The kind of an object.
pub(super) fn object_kind(node: &Node) -> Result<&str, Trouble> {
    let bad = |message: String| Trouble { code: "patch-unreadable", mark: node.mark, message, other: None };
    if !node.is_mapping() {
        return Err(bad(format!("expected an object or a list of operations, found {}", node.kind_name())));
    }
    let kind = node.get("kind").and_then(Node::text).filter(|kind| !kind.is_empty());
    kind.ok_or_else(|| bad("`kind` is missing".into()))
}

pub(super) fn check_name(node: &Node) -> Result<(), Trouble> {
    match node.at(&["metadata", "name"]).and_then(Node::text) {
        Some(name) if !name.is_empty() => Ok(()),
        _ => {
            let message = "`metadata.name` is missing".into();
            Err(Trouble { code: "patch-unreadable", mark: node.mark, message, other: None })
        }
    }
}

/// `options` of an item of `patches`.
fn options(item: &Node) -> Result<Options, Trouble> {
    let mut options = Options::default();
    let Some(mut node) = item.get("options").cloned() else { return Ok(options) };
    read_as_yaml_1_1(&mut node);
    let bad = |node: &Node, message: String| Trouble {
        code: "patch-bad-options",
        mark: node.mark,
        message,
        other: None,
    };
    if !node.is_mapping() {
        return Err(bad(&node, format!("`options` is {}; expected a mapping", node.kind_name())));
    }
    for entry in node.entries() {
        let value = match to_json(&entry.value) {
            serde_json::Value::Bool(value) => value,
            serde_json::Value::Null => false,
            _ => {
                let found = entry.value.kind_name();
                let message = format!("expected true or false, found {found}");
                return Err(bad(&entry.value, message));
            }
        };
        let change = if value { Change::Allowed } else { Change::Forbidden };
        match entry.key.as_str() {
            "allowNameChange" => options.name = change,
            "allowKindChange" => options.kind = change,
            _ => {}
        }
    }
    Ok(options)
}
