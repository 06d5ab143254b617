//! Values on their way from a source to a target.

use super::Part;
use super::path::Found;
use crate::site::yaml::{Node, Scalar, ScalarKind, Style, Value, number};

/// The source's value, or the part of it that is wanted.
pub(super) fn refined(node: &Node, part: Option<&Part<'_>>) -> Result<Node, String> {
    let Some(part) = part else { return Ok(node.clone()) };
    let text =
        node.text().ok_or_else(|| format!("`delimiter` is for texts, and this is {}", node.kind_name()))?;
    let mut parts = text.split(part.delimiter);
    let count = parts.clone().count();
    let index = usize::try_from(part.index).ok();
    let found = index.and_then(|index| parts.nth(index));
    let found =
        found.ok_or_else(|| format!("`index` is {}, and the text has {count} part(s)", part.index))?;
    let mut refined = node.clone();
    if let Value::Scalar(scalar) = &mut refined.value {
        scalar.text = found.to_owned();
    }
    Ok(refined)
}

/// Puts the value in the place of a target, or in the place of a part of its text. What is no collection
/// stays of the kind it is: a number becomes another number, and a text another text.
/// One that was just made is what the text is without quotes.
pub(super) fn put(
    target: &mut Node,
    found: Found,
    value: &Node,
    part: Option<&Part<'_>>,
) -> Result<(), String> {
    let text = match (part, &target.value) {
        (None, _) => value.text().unwrap_or_default().to_owned(),
        (Some(part), Value::Scalar(scalar)) => joined(&scalar.text, value.text().unwrap_or_default(), part),
        (Some(_), _) => return Err(format!("`delimiter` is for texts, and this is {}", target.kind_name())),
    };
    match &mut target.value {
        Value::Scalar(_) if found == Found::Made => *target = Node::plain(text, value.mark),
        Value::Scalar(scalar) => set(scalar, &text)?,
        _ => target.value = value.value.clone(),
    }
    target.mark = value.mark;
    Ok(())
}

/// The target's text with one part replaced, or one more before or behind all.
fn joined(text: &str, value: &str, part: &Part<'_>) -> String {
    let mut parts: Vec<_> = text.split(part.delimiter).collect();
    match usize::try_from(part.index) {
        Err(_) => parts.insert(0, value),
        Ok(index) if index >= parts.len() => parts.push(value),
        Ok(index) => parts[index] = value,
    }
    parts.join(part.delimiter)
}

fn set(scalar: &mut Scalar, text: &str) -> Result<(), String> {
    let is_whole = |text: &str| number(text).is_some_and(|number| !number.is_f64() && !text.contains('.'));
    let fits = match scalar.kind {
        ScalarKind::String => true,
        ScalarKind::Number if is_whole(&scalar.text) => is_whole(text),
        ScalarKind::Number => number(text).is_some(),
        ScalarKind::Bool => matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE"),
        ScalarKind::Null => text.is_empty(),
    };
    match scalar.kind {
        _ if fits => {}
        // `yes` is a text for kustomize
        ScalarKind::Bool if !matches!(scalar.text.to_ascii_lowercase().as_str(), "true" | "false") => {
            scalar.kind = ScalarKind::String;
        }
        kind => return Err(format!("there is {}, and the value is none", name(kind))),
    }
    if scalar.kind == ScalarKind::String && scalar.style == Style::Plain {
        // a date without quotes would be another text
        scalar.style = Style::Quoted;
    }
    scalar.text = text.to_owned();
    Ok(())
}

fn name(kind: ScalarKind) -> &'static str {
    match kind {
        ScalarKind::Number => "a number",
        ScalarKind::Bool => "a boolean",
        ScalarKind::Null => "null",
        ScalarKind::String => "a string",
    }
}
