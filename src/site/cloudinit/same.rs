//! Whether data that were written anew, as JSON, are still the same.

use serde_json::Value as Json;

use crate::site::yaml::{self, Budget, Dialect, Node, Origin, Scalar, Style, Value, scalar_to_json};

/// Whether JSON has the value of a YAML document, as PyYAML reads that.
pub fn is_same_value(yaml: &[u8], json: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<Json>(json) else { return false };
    document(yaml).is_some_and(|node| is_same(&node, &json))
}

/// Whether a config drive's `meta_data.json` names the instance and the host of our own meta-data.
pub fn is_same_instance(meta_data: &[u8], json: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<Json>(json) else { return false };
    let Some(ours) = document(meta_data) else { return false };
    let is_named = |key: &str, theirs: [&str; 2]| {
        let want = ours.get(key).and_then(Node::text);
        want.is_none_or(|want| theirs.iter().any(|key| json.get(key).and_then(Json::as_str) == Some(want)))
    };
    is_named("instance-id", ["uuid", "instance-id"]) && is_named("local-hostname", ["hostname", "name"])
}

fn document(text: &[u8]) -> Option<Node> {
    let (origin, mut faults) = (Origin::new("", None), Vec::new());
    let documents = yaml::parse_as(Dialect::CloudInit, &origin, text, &mut Budget::default(), &mut faults);
    let is_sound = faults.iter().all(|fault| fault.code.as_deref() == Some("duplicate-key"));
    let mut roots = documents.into_iter().map(|(_, root)| root).filter(|_| is_sound);
    roots.next().filter(|_| roots.next().is_none())
}

fn is_same(node: &Node, json: &Json) -> bool {
    match (&node.value, json) {
        (Value::Sequence(items), Json::Array(values)) => {
            items.len() == values.len() && items.iter().zip(values).all(|(item, value)| is_same(item, value))
        }
        (Value::Mapping(entries), Json::Object(map)) => {
            let value = |key: &str| map.get(key);
            entries.len() == map.len()
                && entries.iter().all(|it| value(&it.key).is_some_and(|value| is_same(&it.value, value)))
        }
        (Value::Scalar(scalar), json) => is_same_scalar(scalar, json),
        _ => false,
    }
}

/// PyYAML follows YAML 1.1: `yes` is a boolean, and `12:30:45` a number in base 60, whatever it was meant for.
fn is_same_scalar(scalar: &Scalar, json: &Json) -> bool {
    let text = scalar.text.as_str();
    match json {
        Json::String(value) => value == text,
        _ if scalar_to_json(scalar) == *json => true,
        Json::Bool(value) => {
            let words = if *value { ["yes", "on"] } else { ["no", "off"] };
            scalar.style == Style::Plain && words.iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        Json::Number(_) => scalar.style == Style::Plain && text.contains(':'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_what_was_made_of_it_in_json_are_the_same() {
        let yaml = b"links:\n- {id: a, mtu: \"1500\", vlan_mac_address: null, up: yes}\nnetworks: []\n";
        let json = br#"{"networks": [], "links": [{"id": "a", "up": true, "vlan_mac_address": null, "mtu": "1500"}]}"#;
        assert!(is_same_value(yaml, json));
        assert!(!is_same_value(yaml, &json[..json.len() - 1]));
        assert!(!is_same_value(
            yaml,
            &String::from_utf8_lossy(json).replace("\"1500\"", "1500").into_bytes()
        ));
        assert!(!is_same_value(b"a: [", b"a: ["));
        assert!(is_same_value(
            b"a: 52:54:00:12:34:56\nb: 1_000\nc: 0o17",
            br#"{"a": 1, "b": 1000, "c": "0o17"}"#
        ));
        assert!(!is_same_value(b"a: 100", br#"{"a": 200}"#));
        assert!(!is_same_value(b"a: 1", br#"{"a": 1, "b": 2}"#));
    }

    #[test]
    fn an_instance_is_known_by_its_id_and_its_host_name() {
        let ours = b"instance-id: \"iid-1\"\nlocal-hostname: \"node-1\"\n";
        assert!(is_same_instance(ours, br#"{"uuid": "iid-1", "hostname": "node-1", "name": "x"}"#));
        for other in ["{}", "{", "[]", r#"{"uuid": "iid-1"}"#, r#"{"uuid": "iid-2", "hostname": "node-1"}"#] {
            assert!(!is_same_instance(ours, other.as_bytes()), "{other}");
        }
    }
}
