//! Lists whose items are told apart by keys (`kyaml/yaml/walk`, `walkAssociativeSequence`).
//!
//! What the patch brings comes first, in its order, then what the object has besides. Lists in which keys
//! are missing or repeated lose items in kustomize; [`Slots`] takes its steps one by one and loses the
//! same ones.

use std::collections::{HashMap, HashSet};

use super::merge::{Depth, Outcome, Trouble, drop_directive, fresh, walk};
use super::schema::{Content, Shape};
use crate::site::yaml::{Node, Value};

/// What a list is merged with.
pub(super) enum Patch {
    /// Nothing: the list is only walked.
    None,
    /// Itself: it came from the patch as a whole.
    Same,
    Items(Vec<Node>),
}

type Keys = &'static [&'static str];

/// Most items of a list that is merged step by step, which takes time that grows with the square.
const MAX_IRREGULAR: usize = 2_000;

/// Merges a list with its patch. Without keys, items are scalars that stand for themselves.
pub(super) fn merge(items: &mut Vec<Node>, patch: Patch, keys: Keys, shape: Shape) -> Result<(), Trouble> {
    let patched = if let Patch::Items(patched) = &patch { patched.as_slice() } else { &[] };
    if is_regular(items, keys) && is_regular(patched, keys) {
        *items = merge_regular(std::mem::take(items), patch, keys, shape)?;
        return Ok(());
    }
    if let Some(first) =
        items.first().or(patched.first()).filter(|_| items.len() + patched.len() > MAX_IRREGULAR)
    {
        let message = format!("a list of more than {MAX_IRREGULAR} items whose keys are missing or repeated");
        return Err(Trouble { code: "patch-irregular-list", mark: first.mark, message, other: None });
    }
    let mut slots = Slots::new(std::mem::take(items), patch, keys, shape);
    *items = slots.merge()?;
    Ok(())
}

/// The text of a scalar as it was written, null or not; collections have none.
pub(super) fn text(node: &Node) -> &str {
    match &node.value {
        Value::Scalar(scalar) => &scalar.text,
        _ => "",
    }
}

/// What kustomize does not count as an item.
pub(super) fn is_empty(node: &Node) -> bool {
    node.is_null() || matches!(&node.value, Value::Mapping(entries) if entries.is_empty())
}

fn value_of<'a>(item: &'a Node, key: &str) -> Option<&'a Node> {
    item.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// What tells an item of a regular list from others.
fn identity(item: &Node, keys: Keys) -> Option<&str> {
    let value = match keys {
        [] => item,
        [key] => value_of(item, key)?,
        _ => return None,
    };
    Some(text(value)).filter(|text| !text.is_empty() && !value.is_null())
}

/// Whether each item has a key, and each a key of its own.
fn is_regular(items: &[Node], keys: Keys) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|item| identity(item, keys).is_some_and(|identity| seen.insert(identity)))
}

fn merge_regular(items: Vec<Node>, patch: Patch, keys: Keys, shape: Shape) -> Result<Vec<Node>, Trouble> {
    let content = Some(Content::Object(shape));
    let mut merged = Vec::with_capacity(items.len());
    let patched = match patch {
        Patch::Same => {
            for item in items {
                merged.extend(fresh(item, content, Depth::Below)?.filter(|item| !is_empty(item)));
            }
            return Ok(merged);
        }
        Patch::None => Vec::new(),
        Patch::Items(patched) => patched,
    };
    let own = |item: &Node| identity(item, keys).unwrap_or_default().to_owned();
    let index: HashMap<String, usize> = items.iter().enumerate().map(|(at, item)| (own(item), at)).collect();
    let mut items: Vec<_> = items.into_iter().map(Some).collect();
    for patch in patched {
        match index.get(&own(&patch)).and_then(|&at| items[at].take()) {
            Some(item) => merged.extend(walked(item, Some(patch), content)?),
            None => merged.extend(fresh(patch, content, Depth::Top)?.filter(|item| !is_empty(item))),
        }
    }
    for item in items.into_iter().flatten() {
        merged.extend(walked(item, None, content)?);
    }
    Ok(merged)
}

/// An item after its merge. One that was replaced is as it was: kustomize puts the items that the list
/// had in again at the end.
fn walked(mut item: Node, patch: Option<Node>, content: Option<Content>) -> Result<Option<Node>, Trouble> {
    match walk(&mut item, patch, content)? {
        Outcome::Cleared => Ok(None),
        Outcome::Kept | Outcome::Replaced(_) => Ok(Some(item).filter(|item| !is_empty(item))),
    }
}

/// The values of an item's keys, empty where it has none.
type Values = Vec<String>;

/// A merge step by step. Lists hold numbers of nodes: one node may stand in several of them, and a change
/// shows in all.
struct Slots {
    nodes: Vec<Node>,
    items: Vec<usize>,
    patch: Vec<usize>,
    /// The patch is the list itself.
    is_same: bool,
    added: Vec<usize>,
    keys: Keys,
    content: Option<Content>,
}

impl Slots {
    fn new(items: Vec<Node>, patch: Patch, keys: Keys, shape: Shape) -> Self {
        let (count, is_same) = (items.len(), matches!(patch, Patch::Same));
        let mut nodes = items;
        if let Patch::Items(patched) = patch {
            nodes.extend(patched);
        }
        let (items, patch) = ((0..count).collect(), (count..nodes.len()).collect());
        let content = Some(Content::Object(shape));
        Self { nodes, items, patch, is_same, added: Vec::new(), keys, content }
    }

    fn merge(&mut self) -> Result<Vec<Node>, Trouble> {
        let mut all = self.values();
        if self.keys.len() > 1 {
            unite(&mut all);
        }
        let used: Vec<bool> =
            (0..self.keys.len().max(1)).map(|at| all.iter().any(|values| !values[at].is_empty())).collect();
        let used = some_or_all(used);
        self.keys_used(&used, &all)
    }

    fn keys_used(&mut self, used: &[bool], all: &[Values]) -> Result<Vec<Node>, Trouble> {
        let keys: Vec<&str> = filtered(self.keys.iter().copied(), used).collect();
        for values in all {
            let values: Values = filtered(values.iter().cloned(), used).collect();
            match self.merged(&keys, &values)? {
                Some(slot) => set(&mut self.added, &self.nodes, Some(slot), &keys, &values)?,
                None => set(&mut self.items, &self.nodes, None, &keys, &values)?,
            }
        }
        if !all.is_empty() {
            self.append(&keys)?;
        }
        Ok(self.taken())
    }

    /// The values of all items, the patch's first, each once.
    fn values(&self) -> Vec<Values> {
        let mut seen = HashSet::new();
        let slots = self.patch.iter().chain(&self.items);
        let values = slots.map(|&slot| match self.keys {
            [] => vec![text(&self.nodes[slot]).to_owned()],
            keys => keys.iter().map(|key| key_text(&self.nodes[slot], key).to_owned()).collect(),
        });
        values.filter(|values| seen.insert(values.clone())).collect()
    }

    /// What becomes of the items with these values.
    fn merged(&mut self, keys: &[&str], values: &[String]) -> Result<Option<usize>, Trouble> {
        let item = self.find(&self.items, keys, values);
        let patch = if self.is_same { None } else { self.find(&self.patch, keys, values) };
        let node = match (item, patch) {
            (None, None) => None,
            (Some(item), _) if self.is_same => {
                let node = self.used(item);
                let node = fresh(node, self.content, Depth::Below)?;
                return Ok(node.filter(|node| !is_empty(node)).map(|node| {
                    self.nodes[item] = node;
                    item
                }));
            }
            (Some(item), patch) => {
                let patch = patch.map(|patch| self.used(patch));
                match walk(&mut self.nodes[item], patch, self.content)? {
                    Outcome::Kept => return Ok(Some(item).filter(|&item| !is_empty(&self.nodes[item]))),
                    Outcome::Cleared => None,
                    Outcome::Replaced(node) => Some(node),
                }
            }
            (None, Some(patch)) => {
                let patch = self.used(patch);
                fresh(patch, self.content, Depth::Top)?
            }
        };
        Ok(node.filter(|node| !is_empty(node)).map(|node| {
            self.nodes.push(node);
            self.nodes.len() - 1
        }))
    }

    /// An item of the patch; what it says of itself is heeded once, should it be found again.
    fn used(&mut self, slot: usize) -> Node {
        let node = self.nodes[slot].clone();
        drop_directive(&mut self.nodes[slot]);
        node
    }

    /// The first item with these values; empty ones are not compared, unless all are.
    fn find(&self, slots: &[usize], keys: &[&str], values: &[String]) -> Option<usize> {
        let used = some_or_all(values.iter().map(|value| !value.is_empty()).collect());
        let fits = |node: &Node| match keys {
            [] => values.first().is_some_and(|value| text(node) == value),
            _ => {
                node.is_mapping()
                    && keys.iter().zip(values).zip(&used).all(|((key, value), used)| {
                        !used || value_of(node, key).is_some_and(|found| text(found) == value)
                    })
            }
        };
        slots.iter().copied().find(|&slot| fits(&self.nodes[slot]))
    }

    /// Puts the items that the list had behind those that were merged, in place of those with their keys.
    fn append(&mut self, keys: &[&str]) -> Result<(), Trouble> {
        for slot in std::mem::take(&mut self.items) {
            let node = &self.nodes[slot];
            let mut values = Values::new();
            if keys.is_empty() {
                values.push(text(node).to_owned());
            } else if !node.is_null() && !node.is_mapping() {
                return Err(no_mapping(node));
            }
            for key in keys {
                match value_of(node, key) {
                    Some(value) => values.push(text(value).to_owned()),
                    None => self.added.push(slot),
                }
            }
            if keys.len() > 1 {
                set(&mut self.added, &self.nodes, None, keys, &values)?;
            }
            set(&mut self.added, &self.nodes, Some(slot), keys, &values)?;
        }
        self.items = std::mem::take(&mut self.added);
        Ok(())
    }

    fn taken(&mut self) -> Vec<Node> {
        let (items, nodes) = (&self.items, &self.nodes);
        items.iter().map(|&slot| nodes[slot].clone()).collect()
    }
}

/// The text of a key's value, empty for what is nothing.
fn key_text<'a>(item: &'a Node, key: &str) -> &'a str {
    value_of(item, key).filter(|value| !value.is_null()).map(text).unwrap_or_default()
}

fn filtered<'a, T>(all: impl Iterator<Item = T> + 'a, used: &'a [bool]) -> impl Iterator<Item = T> + 'a {
    all.zip(used).filter(|(_, used)| **used).map(|(item, _)| item)
}

/// All of them where none is.
fn some_or_all(used: Vec<bool>) -> Vec<bool> {
    let any = used.contains(&true);
    used.into_iter().map(|used| used || !any).collect()
}

/// Takes items for one that share a key and do not differ in another: a port without protocol and the
/// same one with `TCP` (`mergeValues`).
fn unite(all: &mut [Values]) {
    for a in 0..all.len() {
        let first = all[a].clone();
        for b in 0..all.len() {
            if let Some(united) = united(&first, &all[b]) {
                all[a].clone_from(&united);
                all[b] = united;
            }
        }
    }
}

fn united(a: &[String], b: &[String]) -> Option<Values> {
    let shares = a.iter().zip(b).any(|(a, b)| a == b);
    let pairs = a.iter().zip(b).map(|(a, b)| match (a.as_str(), b.as_str()) {
        (a, b) if a == b || b.is_empty() => Some(a.to_owned()),
        ("", b) => Some(b.to_owned()),
        _ => None,
    });
    pairs.collect::<Option<Values>>().filter(|_| shares)
}

/// Puts an item in place of those with these values, or behind all others; without an item, takes them
/// out (`ElementSetter`). With fewer values than keys the rest is not compared, with none everything
/// else goes.
fn set(
    list: &mut Vec<usize>,
    nodes: &[Node],
    item: Option<usize>,
    keys: &[&str],
    values: &[String],
) -> Result<(), Trouble> {
    let is_for_mappings = !keys.is_empty() && values.first().is_some_and(|value| !value.is_empty());
    let (mut kept, mut is_placed) = (Vec::with_capacity(list.len() + 1), false);
    for slot in list.drain(..) {
        let node = &nodes[slot];
        if is_empty(node) {
            continue;
        }
        if is_for_mappings && !node.is_mapping() {
            kept.push(slot);
        } else if fits(node, keys, values)? {
            is_placed = true;
            kept.extend(item);
        } else if !values.is_empty() {
            kept.push(slot);
        }
    }
    kept.extend(item.filter(|_| !is_placed));
    *list = kept;
    Ok(())
}

/// Whether an item has these values; an empty one fits whatever the key has.
fn fits(node: &Node, keys: &[&str], values: &[String]) -> Result<bool, Trouble> {
    if keys.is_empty() {
        return match &node.value {
            Value::Scalar(scalar) => Ok(values.first().is_some_and(|value| *value == scalar.text)),
            _ => Err(no_scalar(node)),
        };
    }
    if !values.is_empty() && !node.is_mapping() {
        return Err(no_mapping(node));
    }
    let has = |(key, value): (&&str, &String)| {
        value_of(node, key).is_some_and(|found| value.is_empty() || text(found) == value)
    };
    Ok(!values.is_empty() && keys.iter().zip(values).all(has))
}

fn no_mapping(node: &Node) -> Trouble {
    let message = format!("{} in a list whose items are mappings", node.kind_name());
    Trouble { code: "patch-type-conflict", mark: node.mark, message, other: None }
}

fn no_scalar(node: &Node) -> Trouble {
    let message = format!("{} in a list whose items are plain values", node.kind_name());
    Trouble { code: "patch-type-conflict", mark: node.mark, message, other: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::yaml::{from_json, to_json};

    fn list(json: &str) -> Vec<Node> {
        let json = serde_json::from_str(json).unwrap();
        from_json(&json, crate::site::yaml::Mark::new(1, 1)).items().unwrap().to_vec()
    }

    /// A list with some of the names a to h in some order, each once.
    fn names(mut seed: u64, is_patch: bool) -> String {
        let mut items = Vec::new();
        let mut left: Vec<char> = ('a'..='h').collect();
        for at in 0..(seed % 7) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let name = left.remove((seed >> 33) as usize % left.len());
            let more = match (seed >> 40) % 5 {
                0 if is_patch => r#","$patch":"delete""#.to_owned(),
                1 if is_patch => r#","$patch":"replace","r":1"#.to_owned(),
                2 => format!(r#","v":{at}"#),
                3 => r#","w":null"#.to_owned(),
                _ => String::new(),
            };
            items.push(format!(r#"{{"name":"{name}"{more}}}"#));
        }
        format!("[{}]", items.join(","))
    }

    #[test]
    fn regular_lists_come_out_as_if_they_were_merged_step_by_step() {
        for seed in 0..3_000_u64 {
            let (target, patch) = (names(seed, false), names(seed.wrapping_mul(31) + 7, true));
            let patches = [Patch::None, Patch::Same, Patch::Items(list(&patch))];
            let again = [Patch::None, Patch::Same, Patch::Items(list(&patch))];
            for (one, other) in patches.into_iter().zip(again) {
                let quick = merge_regular(list(&target), one, &["name"], &[]).unwrap();
                let slow = Slots::new(list(&target), other, &["name"], &[]).merge().unwrap();
                let json = |items: &[Node]| items.iter().map(|n| to_json(n).to_string()).collect::<Vec<_>>();
                assert_eq!(json(&quick), json(&slow), "{target} with {patch}");
            }
        }
    }

    #[test]
    fn a_long_list_is_merged_only_if_it_is_regular() {
        let items = |count: usize| -> Vec<Node> {
            let names: Vec<_> = (0..count).map(|n| format!(r#"{{"name":"{n}"}}"#)).collect();
            list(&format!("[{}]", names.join(",")))
        };
        let mut long = items(50_000);
        merge(&mut long, Patch::Items(items(50_001)), &["name"], &[]).unwrap();
        assert_eq!(long.len(), 50_001);
        long.push(long[0].clone());
        let trouble = merge(&mut long, Patch::None, &["name"], &[]).unwrap_err();
        assert_eq!(trouble.code, "patch-irregular-list");
        assert_eq!(trouble.message, "a list of more than 2000 items whose keys are missing or repeated");
    }
}
