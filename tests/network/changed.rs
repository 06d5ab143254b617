//! Inputs with one of their values changed, each in turn.

use airshipctl::site::yaml::{Budget, Dialect, Origin, parse_as, to_json};
use serde_json::{Value, json};

/// The input, as JSON, with each value below its root left out, null, and of other kinds.
pub fn each_value(text: &str) -> Vec<String> {
    let (origin, mut faults) = (Origin::new("input", None), Vec::new());
    let dialect = Dialect::NetworkConfig;
    let parsed = parse_as(dialect, &origin, text.as_bytes(), &mut Budget::default(), &mut faults);
    let root = to_json(&parsed[0].1);
    let mut pointers = Vec::new();
    below(&root, "", &mut pointers);
    let others = [None, Some(Value::Null), Some(json!("x")), Some(json!({})), Some(json!([]))];
    let all = pointers.iter().flat_map(|pointer| others.iter().map(move |other| (pointer, other)));
    all.map(|(pointer, other)| changed(&root, pointer, other.as_ref()).to_string()).collect()
}

/// The places of all values, as JSON pointers (RFC 6901).
fn below(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (escaped(key), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, it)| (index.to_string(), it)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let pointer = format!("{pointer}/{name}");
        below(value, &pointer, pointers);
        pointers.push(pointer);
    }
}

fn changed(root: &Value, pointer: &str, other: Option<&Value>) -> Value {
    let mut root = root.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (other, root.pointer_mut(parent).unwrap()) {
        (Some(other), _) => *root.pointer_mut(pointer).unwrap() = other.clone(),
        (None, Value::Object(map)) => drop(map.remove(&name.replace("~1", "/").replace("~0", "~"))),
        (None, Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        (None, _) => unreachable!(),
    }
    root
}
