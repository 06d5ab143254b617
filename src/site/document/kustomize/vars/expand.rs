//! `$(NAME)` within texts, as Kubernetes expands them (`api/filters/refvar`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::site::yaml::{Node, from_json, to_json};

/// Expands a text; what is no text stays. A text that is one variable alone becomes what its value is,
/// a number for example.
pub(super) fn text(node: &mut Node, values: &BTreeMap<String, Json>, used: &mut BTreeSet<String>) {
    let Json::String(text) = to_json(node) else { return };
    if !text.contains('$') {
        return;
    }
    let alone = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
    let value = match alone.and_then(|name| Some((name, scalar(values.get(name)?)?))) {
        Some((name, value)) => {
            used.insert(name.to_owned());
            value.clone()
        }
        None => Json::from(expanded(&text, values, used)),
    };
    *node = from_json(&value, node.mark);
}

/// Only single values are put into texts.
fn scalar(value: &Json) -> Option<&Json> {
    (!value.is_array() && !value.is_object()).then_some(value)
}

/// `$$` is a dollar sign; names that no variable has stay as they are.
fn expanded(text: &str, values: &BTreeMap<String, Json>, used: &mut BTreeSet<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let name = behind.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (behind.strip_prefix('$'), name) {
            (Some(behind), _) => {
                out.push('$');
                behind
            }
            (None, Some((name, behind))) => {
                match values.get(name).and_then(scalar) {
                    Some(value) => {
                        used.insert(name.to_owned());
                        out.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    }
                    None => out.push_str(&format!("$({name})")),
                }
                behind
            }
            (None, None) => {
                out.push('$');
                behind
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_kubernetes_does() {
        let values = BTreeMap::from([("V".to_owned(), Json::from("v")), ("N".to_owned(), Json::from(5))]);
        for (text, expected) in [
            ("a$(V)b$(N)", "avb5"),
            ("$$(V)", "$(V)"),
            ("$(W)", "$(W)"),
            ("$(V", "$(V"),
            ("$", "$"),
            ("a$", "a$"),
            ("$()", "$()"),
            ("$é$(V)", "$év"),
            ("$($(V))", "$($(V))"),
        ] {
            assert_eq!(expanded(text, &values, &mut BTreeSet::new()), expected, "{text}");
        }
    }
}
