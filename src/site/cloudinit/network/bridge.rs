//! Parameters of bridges in network-config v1, and what netplan calls them.

use super::findings::Findings;
use super::item::Item;
use super::model::Parameter;

/// As in cloud-init's `NET_CONFIG_TO_V2`; what has no second name is left out there too.
const NAMES: [(&str, &str); 8] = [
    ("bridge_ageing", "ageing-time"),
    ("bridge_bridgeprio", "priority"),
    ("bridge_fd", "forward-delay"),
    ("bridge_hello", "hello-time"),
    ("bridge_maxage", "max-age"),
    ("bridge_pathcost", "path-cost"),
    ("bridge_portprio", "port-priority"),
    ("bridge_stp", "stp"),
];
const LEFT_OUT: [&str; 5] =
    ["bridge_gcint", "bridge_maxwait", "bridge_waitport", "bridge_ports", "bridge_hw"];

/// Whether netplan has the parameter.
pub(super) fn is_netplan(key: &str) -> bool {
    NAMES.iter().any(|(_, name)| *name == key)
}

/// The parameters that netplan has, their values as YAML.
pub(super) fn parameters(params: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Parameter> {
    let is_known = |key: &str| LEFT_OUT.contains(&key) || NAMES.iter().any(|(name, _)| *name == key);
    params.warn_unknown(is_known, findings);
    let mut parameters = Vec::new();
    for (key, name) in NAMES.iter().filter(|(key, _)| params.get(key).is_some()) {
        let value = match *name {
            "stp" => params.boolean(key, findings).map(|on| on.to_string()),
            "path-cost" | "port-priority" => ports(params, key, findings),
            _ => params.text(key, findings).and_then(|text| number(text, params, key, findings)),
        };
        let (mark, path) = (params.mark_of(key), params.path(key));
        parameters.extend(value.map(|value| Parameter { name, value, mark, path }));
    }
    parameters
}

/// A list of `PORT NUMBER`, as a mapping.
fn ports(params: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Option<String> {
    let mut pairs = Vec::new();
    for (text, _) in params.texts(key, findings) {
        let (port, value) = text.split_once(' ').unwrap_or_default();
        let value = number(value.trim(), params, key, findings)?;
        pairs.push(format!("{}: {value}", serde_json::Value::from(port)));
    }
    Some(format!("{{{}}}", pairs.join(", ")))
}

fn number(text: &str, params: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Option<String> {
    let number = text.parse::<u32>().ok();
    if number.is_none() {
        let message = format!("`{}`: is no number", params.path(key));
        findings.error("network-bridge-parameter", params.mark_of(key), message);
    }
    number.map(|number| number.to_string())
}
