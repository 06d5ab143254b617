//! JSON patches (RFC 6902), with what `evanphx/json-patch` does beyond the RFC: indices from the end of a
//! list, `replace` of a key that is not there, `test` for null of one.

use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use serde_json::Value as Json;

use super::Layer;
use super::merge::Trouble;
use super::resource::ResMap;
use crate::site::yaml::{Mark, Node, Value, from_json, read_as_yaml_1_1, scalar_to_json, to_json};

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    super::patches::json_patches(layer, resources);
}

/// One step of a patch.
pub(super) struct Operation {
    action: Action,
    path: String,
    mark: Mark,
}

enum Action {
    Add(Node),
    Remove,
    Replace(Node),
    Test(Node),
    Move { from: String },
    Copy { from: String },
}

/// The steps of a patch, or what is wrong with it.
pub(super) fn operations(patch: &Node) -> Result<Vec<Operation>, Trouble> {
    let mut patch = patch.clone();
    read_as_yaml_1_1(&mut patch);
    let items = patch.items().ok_or_else(|| bad(&patch, "a JSON patch is a list of operations"))?;
    items.iter().map(operation).collect()
}

/// Applies all steps. What did not change keeps its place and its text; what the patch brings has the
/// place that it has in the patch.
pub(super) fn apply(target: &mut Node, operations: &[Operation]) -> Result<(), Trouble> {
    let mut json = to_json(target);
    for operation in operations {
        operation.apply(target, &mut json)?;
    }
    round_numbers(target);
    Ok(())
}

/// Rounds integers that an f64 does not hold: kustomize reads a patched object back as JSON.
fn round_numbers(node: &mut Node) {
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(round_numbers),
        Value::Mapping(entries) => entries.iter_mut().for_each(|entry| round_numbers(&mut entry.value)),
        Value::Scalar(scalar) => {
            let Json::Number(number) = scalar_to_json(scalar) else { return };
            let whole = number.as_i128().filter(|whole| whole.unsigned_abs() > 1 << 53);
            if let Some(rounded) = whole.map(|whole| (whole, whole as f64)).filter(|(a, b)| *b as i128 != *a)
            {
                scalar.text = format!("{}", rounded.1);
            }
        }
    }
}

fn bad(node: &Node, message: impl Into<String>) -> Trouble {
    Trouble { code: "json-patch-malformed", mark: node.mark, message: message.into(), other: None }
}

fn operation(node: &Node) -> Result<Operation, Trouble> {
    if !node.is_mapping() {
        return Err(bad(node, format!("expected an operation, found {}", node.kind_name())));
    }
    let word = node.get("op").and_then(Node::string).ok_or_else(|| bad(node, "`op` is missing"))?;
    let value = || value(node);
    let action = match word {
        "add" => Action::Add(value().unwrap_or_else(|| Node::null(node.mark))),
        "remove" => Action::Remove,
        "replace" => Action::Replace(value().unwrap_or_else(|| Node::null(node.mark))),
        "test" => Action::Test(value().ok_or_else(|| bad(node, "`value` is missing"))?),
        "move" => Action::Move { from: pointer(node, "from")? },
        "copy" => Action::Copy { from: pointer(node, "from")? },
        _ => return Err(bad(node, "`op` is none of add, remove, replace, move, copy and test")),
    };
    Ok(Operation { action, path: pointer(node, "path")?, mark: node.mark })
}

/// The value of an operation, which may be null.
fn value(node: &Node) -> Option<Node> {
    node.entries().iter().find(|entry| entry.key == "value").map(|entry| entry.value.clone())
}

/// A JSON pointer (RFC 6901). What is before the first slash goes for nothing, as in kustomize.
fn pointer(node: &Node, key: &str) -> Result<String, Trouble> {
    let value = node.get(key).ok_or_else(|| bad(node, format!("`{key}` is missing")))?;
    let text = value.string().ok_or_else(|| bad(value, format!("`{key}` is {}", value.kind_name())))?;
    match text.is_empty() || text.contains('/') {
        true => Ok(text.to_owned()),
        false => Err(bad(value, format!("`{key}` has to begin with a slash"))),
    }
}

/// What a step of its own is made of.
enum Step<'a> {
    Add(&'a Node),
    Remove,
    Replace(&'a Node),
    Test(&'a Node),
}

impl Operation {
    fn apply(&self, target: &mut Node, json: &mut Json) -> Result<(), Trouble> {
        match &self.action {
            Action::Add(value) => self.step(target, json, &self.path, &Step::Add(value)),
            Action::Remove => self.step(target, json, &self.path, &Step::Remove),
            Action::Replace(value) => self.step(target, json, &self.path, &Step::Replace(value)),
            Action::Test(value) => self.step(target, json, &self.path, &Step::Test(value)),
            Action::Copy { from } => {
                let tokens = resolved(json, from, false);
                let value = match node_at(target, &tokens) {
                    None if is_in_mapping(target, &tokens) => Node::null(self.mark),
                    _ => self.found(target, json, from)?,
                };
                self.step(target, json, &self.path, &Step::Add(&value))
            }
            // in this order, so that indices of the target are those after the removal (RFC 6902, 4.4)
            Action::Move { from } => {
                let value = self.found(target, json, from)?;
                self.step(target, json, from, &Step::Remove)?;
                self.step(target, json, &self.path, &Step::Add(&value))
            }
        }
    }

    fn step(&self, target: &mut Node, json: &mut Json, path: &str, step: &Step<'_>) -> Result<(), Trouble> {
        let is_add = matches!(step, Step::Add(_));
        let tokens = resolved(json, path, is_add);
        let (there, may_be) = (node_at(target, &tokens).is_some(), is_in_mapping(target, &tokens));
        let path_buf = json_patch::jsonptr::PointerBuf::from_tokens(&tokens);
        let operation = match step {
            Step::Test(value) if !there && value.is_null() && may_be => return Ok(()),
            Step::Test(value) => {
                PatchOperation::Test(TestOperation { path: path_buf, value: to_json(value) })
            }
            Step::Remove => PatchOperation::Remove(RemoveOperation { path: path_buf }),
            Step::Replace(value) if there => {
                PatchOperation::Replace(ReplaceOperation { path: path_buf, value: to_json(value) })
            }
            Step::Replace(value) if may_be => {
                PatchOperation::Add(AddOperation { path: path_buf, value: to_json(value) })
            }
            Step::Replace(_) => return Err(self.failed(path, "there is nothing to replace")),
            Step::Add(_) if tokens.is_empty() => return Err(self.failed(path, "the whole object is there")),
            Step::Add(value) => PatchOperation::Add(AddOperation { path: path_buf, value: to_json(value) }),
        };
        json_patch::patch(json, &[operation]).map_err(|error| self.failed(path, reason(&error)))?;
        let brought = match step {
            Step::Add(value) | Step::Replace(value) => Some(*value),
            Step::Remove | Step::Test(_) => None,
        };
        reconcile(target, json, &Brought { node: brought, mark: self.mark });
        Ok(())
    }

    /// The node that is copied or moved.
    fn found(&self, target: &Node, json: &Json, from: &str) -> Result<Node, Trouble> {
        let found = node_at(target, &resolved(json, from, false));
        found.cloned().ok_or_else(|| self.failed(from, "there is no such place in the object"))
    }

    fn failed(&self, path: &str, reason: &str) -> Trouble {
        let word = match &self.action {
            Action::Add(_) => "add",
            Action::Remove => "remove",
            Action::Replace(_) => "replace",
            Action::Test(_) => "test",
            Action::Move { .. } => "move",
            Action::Copy { .. } => "copy",
        };
        let message = format!("{word} at `{}`: {reason}", path.escape_debug());
        Trouble { code: "json-patch-failed", mark: self.mark, message, other: None }
    }
}

fn reason(error: &json_patch::PatchError) -> &'static str {
    match error.kind {
        json_patch::PatchErrorKind::TestFailed => "the object has another value there",
        _ => "there is no such place in the object",
    }
}

/// The parts of a path, with the indices of lists counted from their beginning.
fn resolved(json: &Json, path: &str, is_add: bool) -> Vec<String> {
    let mut tokens: Vec<String> =
        path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    let mut place = Some(json);
    let last = tokens.len().saturating_sub(1);
    for (at, token) in tokens.iter_mut().enumerate() {
        if let Some(Json::Array(items)) = place {
            let count = items.len() + usize::from(is_add && at == last);
            if let Some(index) = index(token, count) {
                *token = index.to_string();
            }
        }
        place = match place {
            Some(Json::Array(items)) => token.parse().ok().and_then(|index: usize| items.get(index)),
            Some(Json::Object(map)) => map.get(token.as_str()),
            _ => None,
        };
    }
    tokens
}

/// An index as Go reads numbers; a negative one counts from the end.
fn index(token: &str, count: usize) -> Option<usize> {
    let index: isize = token.parse().ok()?;
    match index < 0 {
        true => count.checked_sub(index.unsigned_abs()),
        false => Some(index.unsigned_abs()),
    }
}

/// Whether a place is, or could be, a key of a mapping that is there.
fn is_in_mapping(node: &Node, tokens: &[String]) -> bool {
    let parents = tokens.split_last().map(|(_, parents)| parents);
    parents.and_then(|parents| node_at(node, parents)).is_some_and(Node::is_mapping)
}

fn node_at<'a>(node: &'a Node, tokens: &[String]) -> Option<&'a Node> {
    tokens.iter().try_fold(node, |node, token| match &node.value {
        Value::Sequence(items) => items.get(token.parse::<usize>().ok()?),
        Value::Mapping(entries) => entries.iter().find(|e| e.key == *token).map(|entry| &entry.value),
        Value::Scalar(_) => None,
    })
}

/// What a step brought into the object.
struct Brought<'a> {
    node: Option<&'a Node>,
    mark: Mark,
}

impl Brought<'_> {
    fn node(&self, json: &Json) -> Node {
        match self.node {
            Some(node) if is_same(node, json) => node.clone(),
            _ => from_json(json, self.mark),
        }
    }
}

/// Changes a tree where it does not say what `json` says.
fn reconcile(node: &mut Node, json: &Json, brought: &Brought<'_>) {
    match (&mut node.value, json) {
        (Value::Mapping(entries), Json::Object(map)) => {
            entries.retain_mut(|entry| match map.get(&entry.key) {
                Some(json) => {
                    reconcile(&mut entry.value, json, brought);
                    true
                }
                None => false,
            });
            // no step brings more than one key
            if entries.len() < map.len() {
                let keys: std::collections::HashSet<&str> = entries.iter().map(|e| e.key.as_str()).collect();
                let new: Vec<_> = map.iter().filter(|(key, _)| !keys.contains(key.as_str())).collect();
                new.into_iter().for_each(|(key, json)| node.set(key, brought.node(json)));
            }
        }
        (Value::Sequence(items), Json::Array(list)) => reconcile_items(items, list, brought),
        (Value::Scalar(scalar), json) if scalar_to_json(scalar) == *json => {}
        _ => *node = brought.node(json),
    }
}

/// A step puts one item in, takes one out or changes one: those before and behind it stay.
fn reconcile_items(items: &mut Vec<Node>, list: &[Json], brought: &Brought<'_>) {
    let same = |(node, json): &(&Node, &Json)| is_same(node, json);
    let front = items.iter().zip(list).take_while(same).count();
    let (rest, new) = (&items[front..], &list[front..]);
    let back = rest.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old_end, new_end) = (items.len() - back, list.len() - back);
    let middle = &list[front..new_end];
    if middle.len() == old_end - front {
        items[front..old_end].iter_mut().zip(middle).for_each(|(node, json)| reconcile(node, json, brought));
        return;
    }
    items.splice(front..old_end, middle.iter().map(|json| brought.node(json)));
}

/// Whether a tree says what a JSON value says.
fn is_same(node: &Node, json: &Json) -> bool {
    match (&node.value, json) {
        (Value::Mapping(entries), Json::Object(map)) => {
            entries.len() == map.len()
                && entries.iter().all(|e| map.get(&e.key).is_some_and(|json| is_same(&e.value, json)))
        }
        (Value::Sequence(items), Json::Array(list)) => {
            items.len() == list.len() && items.iter().zip(list).all(|(item, json)| is_same(item, json))
        }
        (Value::Scalar(_), Json::Object(_) | Json::Array(_)) => false,
        (Value::Scalar(scalar), json) => scalar_to_json(scalar) == *json,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
