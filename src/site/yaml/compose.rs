//! From parser events to one tree: aliases expanded within the budget, merge keys applied.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, ScalarStyle, Span, Tag};

use super::merge;
use super::scalar::{check_collection_tag, resolve};
use super::stream::{Budget, MAX_COPIED_NODES, MAX_COPIED_TEXT, MAX_DEPTH, MAX_NODES};
use super::{Dialect, Entry, Mark, Node, Origin, Scalar, ScalarKind, Style, Value};
use crate::error::Fault;

/// Why a document cannot be read.
pub(super) struct Trouble {
    pub mark: Mark,
    pub message: String,
    /// The rest of the stream shall not be read either: a budget is used up.
    pub fatal: bool,
}

impl Trouble {
    pub fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into(), fatal: false }
    }

    fn fatal(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into(), fatal: true }
    }
}

/// A collection whose end has not been seen yet.
struct Open {
    mark: Mark,
    anchor: usize,
    content: Content,
}

/// What of an open collection has been seen.
enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merged: Vec<Node>, key: Option<PendingKey> },
}

/// A key whose value has not been seen yet.
struct PendingKey {
    text: String,
    mark: Mark,
    is_merge: bool,
}

/// A copy of an anchored node, kept for its aliases, and what each further copy costs.
struct Anchored {
    node: Node,
    size: Size,
}

/// Builds the tree of one document from its events. A stack instead of recursion: how deep the
/// input goes shall not decide how deep our stack goes.
pub(super) struct Composer<'a> {
    origin: Origin,
    dialect: Dialect,
    offset: usize,
    budget: &'a mut Budget,
    faults: &'a mut Vec<Fault>,
    open: Vec<Open>,
    /// By the number that the parser gave the anchor; a name may be used again.
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
}

impl<'a> Composer<'a> {
    pub fn new(
        origin: Origin,
        dialect: Dialect,
        offset: usize,
        budget: &'a mut Budget,
        faults: &'a mut Vec<Fault>,
    ) -> Self {
        let (open, anchors) = (Vec::new(), HashMap::new());
        Self { origin, dialect, offset, budget, faults, open, anchors, root: None }
    }

    /// The finished tree; null if the document had no node.
    pub fn root(self) -> Node {
        self.root.unwrap_or_else(|| {
            let scalar = Scalar { kind: ScalarKind::Null, text: String::new(), style: Style::Plain };
            Node { value: Value::Scalar(scalar), mark: Mark::default(), span: 0..0 }
        })
    }

    /// Takes the next event; an error makes the document unreadable.
    pub fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Trouble> {
        let source = self.origin.number();
        let mark = Mark { source, ..Mark::new(span.start.line(), span.start.col() + 1) };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(text.into_owned(), style, tag.as_deref(), mark)?;
                self.take_scalar(scalar, style, anchor, mark, &span)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_collection_tag(tag.as_deref(), "seq").map_err(|m| Trouble::new(mark, m))?;
                self.start(mark, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                check_collection_tag(tag.as_deref(), "map").map_err(|m| Trouble::new(mark, m))?;
                self.start(
                    mark,
                    anchor,
                    Content::Mapping { entries: Vec::new(), merged: Vec::new(), key: None },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => self.alias(id, mark, &span),
            _ => Ok(()),
        }
    }

    /// The scalar with its kind, or what is wrong with its tag.
    fn scalar(
        &mut self,
        mut text: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
        mark: Mark,
    ) -> Result<Scalar, Trouble> {
        let kind = resolve(&text, style, tag, self.dialect).map_err(|message| Trouble::new(mark, message))?;
        let style = match style {
            // without it, who reads the text by its looks would take `!!str 5` for a number
            ScalarStyle::Plain if tag.is_some() && self.is_pyyaml() && kind == ScalarKind::String => {
                Style::Quoted
            }
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
            _ => Style::Quoted,
        };
        text.shrink_to_fit();
        Ok(Scalar { kind, text, style })
    }

    /// A scalar is a key where the open mapping waits for one, else a value.
    fn take_scalar(
        &mut self,
        scalar: Scalar,
        style: ScalarStyle,
        anchor: usize,
        mark: Mark,
        span: &Span,
    ) -> Result<(), Trouble> {
        if let Some(key) = self.expected_key() {
            // the parser gives an empty node the text `~`
            if scalar.kind == ScalarKind::Null && matches!(scalar.text.as_str(), "" | "~") {
                return Err(Trouble::new(mark, "a mapping has a value without a key"));
            }
            let is_merge = style == ScalarStyle::Plain && scalar.text == "<<";
            *key = Some(PendingKey { text: scalar.text, mark, is_merge });
            return Ok(());
        }
        let span = self.bytes(span);
        self.finish(Node { value: Value::Scalar(scalar), mark, span }, anchor)
    }

    /// The place for a key, if the mapping that is open waits for one.
    fn expected_key(&mut self) -> Option<&mut Option<PendingKey>> {
        match &mut self.open.last_mut()?.content {
            Content::Mapping { key: key @ None, .. } => Some(key),
            _ => None,
        }
    }

    /// The span in the file; the parser counts from after the byte order mark.
    fn bytes(&self, span: &Span) -> std::ops::Range<u32> {
        let range = span.byte_range().unwrap_or(0..0);
        let number = |n: usize| u32::try_from(n + self.offset).unwrap_or(u32::MAX);
        number(range.start)..number(range.end)
    }

    /// Opens a collection.
    fn start(&mut self, mark: Mark, anchor: usize, content: Content) -> Result<(), Trouble> {
        self.refuse_as_key(mark)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(mark));
        }
        self.open.push(Open { mark, anchor, content });
        Ok(())
    }

    /// JSON, and so Kubernetes, has no collections as keys. `{{ x }}` of a template is one.
    fn refuse_as_key(&mut self, mark: Mark) -> Result<(), Trouble> {
        match self.expected_key() {
            Some(_) => Err(Trouble::new(
                mark,
                "a key of a mapping is not a plain word; is this a template that was not rendered?",
            )),
            None => Ok(()),
        }
    }

    /// Closes the innermost collection.
    fn end(&mut self) -> Result<(), Trouble> {
        // the parser balances starts and ends
        let Some(Open { mark, anchor, content }) = self.open.pop() else { return Ok(()) };
        // collections grow by doubling, and most are small: what was not used would be half of a tree
        let value = match content {
            Content::Sequence(mut items) => {
                items.shrink_to_fit();
                Value::Sequence(items)
            }
            Content::Mapping { mut entries, merged, .. } => {
                self.take_duplicates(&mut entries);
                merge::apply(&mut entries, merged).map_err(|(mark, message)| Trouble::new(mark, message))?;
                entries.shrink_to_fit();
                Value::Mapping(entries)
            }
        };
        self.finish(Node { value, mark, span: 0..0 }, anchor)
    }

    fn is_pyyaml(&self) -> bool {
        self.dialect != Dialect::Kubernetes
    }

    /// Takes all entries but one of each key, with a fault for each that is taken.
    fn take_duplicates(&mut self, entries: &mut Vec<Entry>) {
        if !self.is_pyyaml() {
            for entry in merge::take_duplicates(entries) {
                let message = format!("{} is there twice", merge::key_name(&entry.key));
                self.faults.push(self.origin.fault(entry.key_mark, message));
            }
            return;
        }
        entries.reverse();
        for entry in merge::take_duplicates(entries).iter().rev() {
            let message =
                format!("{} is there again further down; only the last counts", merge::key_name(&entry.key));
            self.faults.push(self.origin.fault(entry.key_mark, message).coded("duplicate-key"));
        }
        entries.reverse();
    }

    /// Puts a copy of the anchored node in place of the alias, once it is paid for.
    fn alias(&mut self, id: usize, mark: Mark, span: &Span) -> Result<(), Trouble> {
        self.refuse_as_key(mark)?;
        let Some(Anchored { node, size }) = self.anchors.get(&id) else {
            return Err(Trouble::new(mark, "an alias stands within the node it refers to"));
        };
        if self.open.len() + size.depth > MAX_DEPTH {
            return Err(too_deep(mark));
        }
        let (value, size) = (node.value.clone(), *size);
        self.pay(size, mark)?;
        let span = self.bytes(span);
        self.finish(Node { value, mark, span }, 0)
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Trouble> {
        let mark = node.mark;
        self.budget.nodes = self.budget.nodes.checked_sub(1).ok_or_else(|| too_many(mark))?;
        if anchor > 0 {
            let size = Size::of(&node);
            self.pay(size, mark)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, merged, key }) => match key.take() {
                Some(key) if key.is_merge => merged.push(node),
                Some(key) => entries.push(Entry { key: key.text, key_mark: key.mark, value: node }),
                // scalars became keys before, collections and aliases were refused
                None => return Err(Trouble::new(mark, "a mapping has a value without a key")),
            },
        }
        Ok(())
    }

    /// Takes the cost of one copy from the budget.
    fn pay(&mut self, size: Size, mark: Mark) -> Result<(), Trouble> {
        self.budget.pay(size.nodes, size.text).ok_or_else(|| bomb(mark))
    }
}

fn too_many(mark: Mark) -> Trouble {
    Trouble::fatal(mark, format!("holds more than {MAX_NODES} values"))
}

fn bomb(mark: Mark) -> Trouble {
    let message = format!(
        "holds more than {MAX_COPIED_NODES} values or {} MiB, aliases expanded; a YAML bomb?",
        MAX_COPIED_TEXT >> 20
    );
    Trouble::fatal(mark, message)
}

fn too_deep(mark: Mark) -> Trouble {
    Trouble::new(mark, format!("is nested deeper than {MAX_DEPTH} levels"))
}

/// What a copy of a node costs.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    /// Bytes of scalars and keys.
    text: usize,
    /// Levels of collections; a scalar has none.
    depth: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        let mut size = Self { nodes: 1, text: 0, depth: 0 };
        match &node.value {
            Value::Scalar(scalar) => size.text = scalar.text.len(),
            Value::Sequence(items) => items.iter().for_each(|item| size.add(Self::of(item))),
            Value::Mapping(entries) => entries.iter().for_each(|entry| {
                size.text += entry.key.len();
                size.add(Self::of(&entry.value));
            }),
        }
        size.depth += usize::from(!matches!(node.value, Value::Scalar(_)));
        size
    }

    fn add(&mut self, below: Self) {
        self.nodes += below.nodes;
        self.text += below.text;
        self.depth = self.depth.max(below.depth);
    }
}
