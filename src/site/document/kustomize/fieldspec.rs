//! Paths into objects, as kustomize's transformer configurations write them.

use crate::site::yaml::{Mark, Node, Value};

/// Whether a path is made where it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Skip,
    Create,
}

/// Which objects a rule is about; an empty part fits everything (`resid.Gvk.IsSelected`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
}

/// A place in the objects of some kind (`types.FieldSpec`).
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldSpec<'a> {
    pub target: Target<'a>,
    pub path: &'a str,
    pub missing: Missing,
}

impl<'a> Target<'a> {
    /// Everything.
    pub const ANY: Self = Self::kind("");

    pub const fn kind(kind: &'a str) -> Self {
        Self { group: "", version: "", kind }
    }

    pub const fn of(group: &'a str, kind: &'a str) -> Self {
        Self { group, version: "", kind }
    }

    pub const fn versioned(group: &'a str, version: &'a str, kind: &'a str) -> Self {
        Self { group, version, kind }
    }

    /// Whether an object of this group, version and kind is meant.
    pub fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(self.kind, kind) && fits(self.group, group) && fits(self.version, version)
    }
}

/// Calls `change` for each node at `path`, such as `spec/template/spec/containers[]/image`; items of
/// lists are visited with or without `[]`, and `\/` is a slash within a key (`filters/fieldspec`).
///
/// With [`Missing::Create`] mappings on the way are made where nothing or null is, and `change` is
/// given a null at the end, which it turns into what it wants; keys with `[]` are never made. Fails
/// with the place of a scalar that stands where the path goes on.
pub(super) fn visit(
    node: &mut Node,
    path: &str,
    missing: Missing,
    change: &mut dyn FnMut(&mut Node),
) -> Result<(), Mark> {
    let steps = split(path);
    walk(node, &steps, missing, change)
}

/// The keys of a path.
pub(super) fn split(path: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for part in path.split('/') {
        match steps.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('/');
                last.push_str(part);
            }
            _ => steps.push(part.to_owned()),
        }
    }
    steps
}

fn walk(
    node: &mut Node,
    steps: &[String],
    missing: Missing,
    change: &mut dyn FnMut(&mut Node),
) -> Result<(), Mark> {
    let Some((step, rest)) = steps.split_first() else {
        change(node);
        return Ok(());
    };
    if node.is_null() {
        return Ok(());
    }
    let mark = node.mark;
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().try_for_each(|item| walk(item, steps, missing, change)),
        Value::Mapping(_) => match field(node, step, rest, missing) {
            Some(field) => walk(field, rest, missing, change),
            None => Ok(()),
        },
        Value::Scalar(_) => Err(mark),
    }
}

/// The value under a key, made if that is wanted.
fn field<'n>(node: &'n mut Node, step: &str, rest: &[String], missing: Missing) -> Option<&'n mut Node> {
    let mark = node.mark;
    if let Some(key) = step.strip_suffix("[]") {
        return node.get_mut(key);
    }
    if missing == Missing::Create {
        if rest.is_empty() {
            if node.get_mut(step).is_none() {
                node.set(step, Node::null(mark));
            }
        } else if node.get(step).is_none() {
            node.set(step, Node::empty_mapping(mark));
        }
    }
    node.get_mut(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::yaml::{Budget, Origin, parse};

    fn tree(text: &str) -> Node {
        let (mut budget, mut faults) = (Budget::default(), Vec::new());
        parse(&Origin::new("x", None), text.as_bytes(), &mut budget, &mut faults).remove(0).1
    }

    fn found(text: &str, path: &str, missing: Missing) -> Vec<String> {
        let mut found = Vec::new();
        let mut change = |node: &mut Node| found.push(node.text().unwrap_or(node.kind_name()).to_owned());
        match visit(&mut tree(text), path, missing, &mut change) {
            Ok(()) => found,
            Err(mark) => vec![format!("stopped at {}:{}", mark.line, mark.column)],
        }
    }

    #[test]
    fn paths_lead_through_lists_with_and_without_brackets() {
        let text = "a: [{b: 1}, {b: 2}, {c: 3}]\nd/e: {f: 4}\ng: null\n";
        for (path, expected) in [
            ("a/b", vec!["1", "2"]),
            ("a[]/b", vec!["1", "2"]),
            ("d\\/e/f", vec!["4"]),
            ("g/h", vec![]),
            ("g", vec!["null"]),
            ("none/x", vec![]),
            ("d\\/e/f/x", vec!["stopped at 2:10"]),
        ] {
            assert_eq!(found(text, path, Missing::Skip), expected, "{path}");
        }
    }

    #[test]
    fn missing_keys_are_made_unless_they_are_lists() {
        assert_eq!(found("{}", "a/b", Missing::Create), ["null"]);
        assert_eq!(found("{a: ~}", "a/b", Missing::Create), ["null"]);
        assert!(found("{}", "a[]/b", Missing::Create).is_empty());
        assert!(found("{}", "a/b", Missing::Skip).is_empty());
    }
}
