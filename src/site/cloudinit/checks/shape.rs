//! What a value may look like, and telling where it does not.

use std::collections::HashSet;
use std::fmt;

use super::findings::{Findings, Region};
use super::spelling::suggestion;
use super::types::Kind;
use crate::site::yaml::{Entry, Node, Value, entry_name, key_name};

/// What cloud-init's schema asks of a value. Strings and booleans come twice: as modules that need
/// them, and as modules that convert other scalars themselves.
pub(super) enum Shape {
    Any,
    Null,
    Text,
    /// A string; its module makes one of any scalar.
    Word,
    Flag,
    /// A boolean; its module understands words for it.
    Switch,
    /// `false` alone.
    Off,
    Whole,
    /// An integer that is not negative.
    Natural,
    /// A string, one of these.
    OneOf(&'static [&'static str]),
    /// A string that passes, and what one that passes looks like.
    Like(fn(&str) -> bool, &'static str),
    List(&'static Shape, Count),
    Table(&'static Table),
    /// Any keys, all with such values.
    Dict(&'static Shape),
    /// A mapping with something in it.
    Filled(&'static Shape),
    /// The first one that fits the kind of the value.
    Either(&'static [Shape]),
}

/// How many items a list has.
pub(super) struct Count {
    pub least: usize,
    pub most: usize,
}

/// A mapping with known keys; others are ignored by whoever reads it.
pub(super) struct Table {
    pub fields: &'static [(&'static str, Shape)],
    pub required: &'static [&'static str],
}

pub(super) const ANY: Count = Count { least: 0, most: usize::MAX };
pub(super) const SOME: Count = Count { least: 1, most: usize::MAX };
pub(super) const TEXTS: Shape = Shape::List(&Shape::Text, ANY);
pub(super) const SOME_TEXTS: Shape = Shape::List(&Shape::Text, SOME);

/// How a kind of value fits a shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// Not by the schema, but the module makes of it what was meant.
    Converted,
    Yes,
}

/// The way from the root to a value.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Item(above, index) => write!(f, "{above}[{index}]"),
            Self::Key(above, key) => {
                let point = if matches!(above, Self::Root) { "" } else { "." };
                // what is no name may be a value gone astray
                let name = key_name(key);
                let name = if name.starts_with('`') { name.trim_matches('`') } else { "(a key)" };
                write!(f, "{above}{point}{name}")
            }
        }
    }
}

impl Shape {
    /// What is expected, for messages.
    fn name(&self) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Null => "nothing".into(),
            Self::Text | Self::Word | Self::OneOf(_) | Self::Like(..) => "a string".into(),
            Self::Flag | Self::Switch => "a boolean".into(),
            Self::Off => "false".into(),
            Self::Whole | Self::Natural => "an integer".into(),
            Self::List(..) => "a list".into(),
            Self::Table(_) | Self::Dict(_) | Self::Filled(_) => "a mapping".into(),
            Self::Either(shapes) => {
                let mut names: Vec<String> = shapes.iter().map(Self::name).collect();
                names.dedup();
                names.join(" or ")
            }
        }
    }

    /// How a value of this kind fits, whatever it says.
    fn fit(&self, kind: Kind) -> Fit {
        let exact = match self {
            Self::Any => true,
            Self::Null => kind == Kind::Null,
            Self::Text | Self::Word | Self::OneOf(_) | Self::Like(..) => kind == Kind::Text,
            Self::Flag | Self::Switch => matches!(kind, Kind::Bool(_)),
            Self::Off => kind == Kind::Bool(false),
            Self::Whole | Self::Natural => matches!(kind, Kind::Whole | Kind::Sexagesimal),
            Self::List(..) => kind == Kind::List,
            Self::Table(_) | Self::Dict(_) | Self::Filled(_) => kind == Kind::Map,
            Self::Either(shapes) => {
                return shapes
                    .iter()
                    .map(|shape| shape.fit(kind))
                    .max_by_key(|fit| *fit as u8)
                    .unwrap_or(Fit::No);
            }
        };
        let converts = match self {
            // what `22:30` or `yes` becomes is not what was written
            Self::Word => {
                matches!(kind, Kind::Whole | Kind::Float | Kind::Date | Kind::Bool(_) | Kind::Sexagesimal)
            }
            Self::Switch => matches!(kind, Kind::Text | Kind::Whole),
            _ => false,
        };
        match (exact, converts) {
            (true, _) => Fit::Yes,
            (false, true) => Fit::Converted,
            (false, false) => Fit::No,
        }
    }

    /// The alternative that a value of this kind is to be held against.
    fn chosen(&self, kind: Kind) -> &Shape {
        match self {
            Self::Either(shapes) => shapes
                .iter()
                .find(|shape| shape.fit(kind) == Fit::Yes)
                .or(shapes.iter().find(|shape| shape.fit(kind) == Fit::Converted))
                .unwrap_or(self),
            _ => self,
        }
    }
}

/// Holds values against shapes.
pub(super) struct Shapes<'a, 'f> {
    pub region: Region<'a>,
    pub findings: &'f mut Findings,
}

impl Shapes<'_, '_> {
    /// Notes all that does not fit at or below a node. The shapes bound how deep it goes.
    pub fn check(&mut self, node: &Node, shape: &Shape, path: &Path) {
        let kind = Kind::of(node);
        let chosen = shape.chosen(kind);
        match chosen.fit(kind) {
            Fit::Yes => self.contents(node, chosen, path),
            Fit::Converted => self.converted(node, chosen, kind, path),
            Fit::No if kind == Kind::Null => {
                let message = format!("`{path}`: nothing is there; leave the key out");
                self.findings.warning("null-value", &self.region, node.mark, &message);
            }
            Fit::No => self.wrong_type(node, chosen, kind, path),
        }
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, kind: Kind, path: &Path) {
        let quotes =
            if shape.fit(Kind::Text) == Fit::Yes && kind.is_scalar() { "; put it in quotes" } else { "" };
        let message = format!("`{path}`: expected {}, found {}{quotes}", shape.name(), kind.name());
        self.findings.error("wrong-type", &self.region, node.mark, &message);
    }

    fn converted(&mut self, node: &Node, shape: &Shape, kind: Kind, path: &Path) {
        let how = match shape {
            Shape::Switch => "cloud-init takes true, yes, on and 1 for true, all else for false",
            _ => "put it in quotes, or cloud-init takes the text of the value it finds",
        };
        let message = format!("`{path}`: expected {}, found {}; {how}", shape.name(), kind.name());
        self.findings.warning("converted-type", &self.region, node.mark, &message);
    }

    /// What is within a value of the right kind.
    fn contents(&mut self, node: &Node, shape: &Shape, path: &Path) {
        match (shape, &node.value) {
            (Shape::OneOf(words), Value::Scalar(scalar)) if !words.contains(&scalar.text.as_str()) => {
                let message = format!("`{path}`: expected one of {}", words.join(", "));
                self.findings.error("wrong-value", &self.region, node.mark, &message);
            }
            (Shape::Like(passes, like), Value::Scalar(scalar)) if !passes(&scalar.text) => {
                let message = format!("`{path}`: expected {like}");
                self.findings.error("wrong-value", &self.region, node.mark, &message);
            }
            (Shape::List(item, count), Value::Sequence(items)) => {
                self.count(node, items.len(), count, path);
                for (index, node) in items.iter().enumerate() {
                    self.check(node, item, &Path::Item(path, index));
                }
            }
            (Shape::Dict(value), Value::Mapping(entries)) => {
                for entry in entries {
                    self.check(&entry.value, value, &Path::Key(path, &entry.key));
                }
            }
            (Shape::Natural, Value::Scalar(scalar)) if scalar.text.starts_with('-') => {
                let message = format!("`{path}`: is negative");
                self.findings.error("wrong-value", &self.region, node.mark, &message);
            }
            (Shape::Filled(_), Value::Mapping(entries)) if entries.is_empty() => {
                let message = format!("`{path}`: is empty");
                self.findings.warning("empty-value", &self.region, node.mark, &message);
            }
            (Shape::Filled(inner), _) => self.contents(node, inner, path),
            (Shape::Table(table), Value::Mapping(_)) => self.table(node, table, path),
            _ => {}
        }
    }

    fn count(&mut self, node: &Node, found: usize, count: &Count, path: &Path) {
        if found == 0 && count.least == 1 {
            let message = format!("`{path}`: is empty");
            self.findings.warning("empty-value", &self.region, node.mark, &message);
        } else if found < count.least || found > count.most {
            let expected = match (count.least, count.most) {
                (least, most) if least == most => format!("{least}"),
                (least, most) => format!("{least} to {most}"),
            };
            let message = format!("`{path}`: expected {expected} items, found {found}");
            self.findings.error("wrong-value", &self.region, node.mark, &message);
        }
    }

    fn table(&mut self, node: &Node, table: &Table, path: &Path) {
        let mut missing: HashSet<&str> = table.required.iter().copied().collect();
        for entry in node.entries() {
            missing.remove(entry.key.as_str());
            match table.fields.iter().find(|(key, _)| *key == entry.key) {
                Some((key, shape)) => self.check(&entry.value, shape, &Path::Key(path, key)),
                None => {
                    let known = table.fields.iter().map(|(key, _)| *key);
                    let near = match self.findings.is_full("unknown-field") {
                        true => String::new(),
                        false => suggestion(&entry.key, known),
                    };
                    let message = format!("`{path}`: {}{near}", unknown(entry));
                    self.findings.warning("unknown-field", &self.region, entry.key_mark, &message);
                }
            }
        }
        for key in table.required.iter().filter(|key| missing.contains(**key)) {
            let message = format!("`{path}`: `{key}` is missing");
            self.findings.error("missing-field", &self.region, node.mark, &message);
        }
    }
}

/// That nothing reads a key.
pub(super) fn unknown(entry: &Entry) -> String {
    match entry_name(entry) {
        name if name.starts_with('`') => format!("unknown key {name}, which cloud-init ignores"),
        _ => "an unknown key, which cloud-init ignores".into(),
    }
}
