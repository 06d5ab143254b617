//! Paths of replacements: `spec.containers.[name=web].image` (`kyaml/yaml`, `PathGetter` for sources and
//! `PathMatcher` for targets).

use std::fmt;

use regex::Regex;

use crate::site::yaml::{Mark, Node, Value};

/// A path within an object.
pub(super) struct Path {
    text: String,
    steps: Vec<Step>,
}

enum Step {
    Field(String),
    /// `0`
    Index(usize),
    /// `-`, the last item; sources only.
    Last(String),
    /// `*`
    Every,
    /// `[name=web]`, or `[=web]` for items that are texts themselves. Targets take the value for a
    /// regular expression, which fits anywhere in the text.
    Item {
        field: String,
        value: String,
        pattern: Regex,
    },
}

/// What is put where a path leads to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Creating {
    Nothing,
    Scalar,
    Sequence,
    Mapping,
}

/// Whether a node was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    There,
    Made,
}

type Change<'c> = &'c mut dyn FnMut(&mut Node, Found) -> Result<(), String>;

impl Path {
    pub fn parse(text: &str) -> Result<Self, String> {
        let steps = split(text).into_iter().map(|step| parse_step(&step)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The one node that a source's path leads to.
    pub fn get<'n>(&self, node: &'n Node) -> Result<Option<&'n Node>, String> {
        let mut node = node;
        for step in &self.steps {
            let next = match (step, &node.value) {
                (Step::Every, _) => return Err("`*` is only for targets".into()),
                (Step::Field(key), Value::Mapping(_)) => node.get(key),
                (Step::Last(key), Value::Mapping(_)) => node.get(key),
                (Step::Last(_), Value::Sequence(items)) => items.last(),
                (Step::Index(index), Value::Sequence(items)) => items.get(*index),
                (Step::Item { field, value, .. }, Value::Sequence(items)) => {
                    items.iter().find(|item| inner(item, field).and_then(Node::text) == Some(value))
                }
                (step, _) => return Err(step.unfit(node)),
            };
            let Some(next) = next else { return Ok(None) };
            node = next;
        }
        Ok(Some(node))
    }

    /// Calls `change` for every node that a target's path leads to.
    pub fn visit(&self, node: &mut Node, creating: Creating, change: Change<'_>) -> Result<(), String> {
        walk(node, &self.steps, (creating, Found::There), change)
    }
}

fn walk(
    node: &mut Node,
    steps: &[Step],
    (creating, found): (Creating, Found),
    change: Change<'_>,
) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else { return change(node, found) };
    let (there, made) = ((creating, found), (creating, Found::Made));
    let creates = creating != Creating::Nothing;
    let mark = node.mark;
    if node.is_null() {
        // what kustomize makes below null is lost, and no error
        return if creates { change(&mut Node::of_text("", mark), Found::There) } else { Ok(()) };
    }
    match (step, &mut node.value) {
        (Step::Field(key) | Step::Last(key), Value::Mapping(entries)) => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                return walk(&mut entry.value, rest, there, change);
            }
            if creates {
                let mut value = empty(rest, creating, mark);
                walk(&mut value, rest, made, change)?;
                node.set(key, value);
            }
            Ok(())
        }
        (Step::Index(index), Value::Sequence(items)) => {
            let count = items.len();
            if *index == count && creates {
                let mut value = empty(rest, creating, mark);
                walk(&mut value, rest, made, change)?;
                items.push(value);
                return Ok(());
            }
            let item = items
                .get_mut(*index)
                .ok_or_else(|| format!("item {index} is asked for, and the list has {count}"))?;
            walk(item, rest, there, change)
        }
        (Step::Every, Value::Sequence(items)) => {
            items.iter_mut().try_for_each(|item| walk(item, rest, there, change))
        }
        (Step::Item { field, value, pattern }, Value::Sequence(items)) => {
            let text = |item: &Node| inner(item, field).and_then(Node::text).map(str::to_owned);
            let fits = |item: &Node| text(item).is_some_and(|text| pattern.is_match(&text));
            // what follows an item that is a text itself leads nowhere, and is not looked at
            let rest = if field.is_empty() { &[][..] } else { rest };
            if creates && !items.iter().any(fits) {
                let mut item = item_of(field, value, mark);
                walk(&mut item, rest, made, change)?;
                items.push(item);
                return Ok(());
            }
            items.iter_mut().filter(|item| fits(item)).try_for_each(|item| walk(item, rest, there, change))
        }
        (step, _) => Err(step.unfit(node)),
    }
}

/// What a key of an item says, or for no key the item itself.
fn inner<'n>(item: &'n Node, field: &str) -> Option<&'n Node> {
    if field.is_empty() { Some(item) } else { item.get(field) }
}

fn item_of(field: &str, value: &str, mark: Mark) -> Node {
    if field.is_empty() {
        return Node::plain(value, mark);
    }
    let mut item = Node::empty_mapping(mark);
    item.set(field, Node::plain(value, mark));
    item
}

/// What the rest of a path can go on in.
fn empty(rest: &[Step], creating: Creating, mark: Mark) -> Node {
    match (rest.first(), creating) {
        (Some(Step::Index(_) | Step::Item { .. }), _) | (None, Creating::Sequence) => {
            Node::sequence(Vec::new(), mark)
        }
        (Some(_), _) | (None, Creating::Mapping) => Node::empty_mapping(mark),
        (None, _) => Node::null(mark),
    }
}

impl Step {
    fn unfit(&self, node: &Node) -> String {
        let expected = match self {
            Self::Field(_) | Self::Last(_) => "a mapping",
            _ => "a list",
        };
        format!("expected {expected} on the way, found {}", node.kind_name())
    }
}

/// At dots, unless they are within brackets or behind a backslash.
fn split(text: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut joined = false;
    for part in text.split('.') {
        match steps.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('.');
                last.push_str(part);
            }
            Some(last) if joined => {
                last.push('.');
                last.push_str(part);
            }
            _ => steps.push(part.to_owned()),
        }
        joined = steps.last().is_some_and(|last| last.starts_with('[') && !last.ends_with(']'));
    }
    steps
}

fn parse_step(text: &str) -> Result<Step, String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed.map(|inner| (inner, inner.split_once('='))) {
        Some((_, Some((field, value)))) => match Regex::new(value) {
            Ok(pattern) => Ok(Step::Item { field: field.to_owned(), value: value.to_owned(), pattern }),
            Err(_) => Err(format!("`{}` in a path is no regular expression", value.escape_debug())),
        },
        // only keys with dots may stand in brackets
        Some((inner, None)) if inner.contains('.') => Ok(Step::Field(inner.to_owned())),
        Some((_, None)) => Err(format!("`{}` in a path is not [FIELD=VALUE]", text.escape_debug())),
        None => Ok(match text {
            "*" => Step::Every,
            "-" => Step::Last(text.to_owned()),
            digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_or_else(|_| Step::Field(digits.to_owned()), Step::Index)
            }
            key => Step::Field(key.to_owned()),
        }),
    }
}

/// As messages show it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text.escape_debug())
    }
}
