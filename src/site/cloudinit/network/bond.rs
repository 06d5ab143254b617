//! Parameters of bonds: their names in the formats, and values that netplan takes.

use super::findings::Findings;
use super::item::Item;
use super::model::Parameter;
use crate::site::yaml::Node;

/// As in cloud-init's `NET_CONFIG_TO_V2`: the name with hyphens, and netplan's.
const NAMES: [(&str, &str); 14] = [
    ("bond-ad-select", "ad-select"),
    ("bond-arp-interval", "arp-interval"),
    ("bond-arp-validate", "arp-validate"),
    ("bond-downdelay", "down-delay"),
    ("bond-fail-over-mac", "fail-over-mac-policy"),
    ("bond-lacp-rate", "lacp-rate"),
    ("bond-miimon", "mii-monitor-interval"),
    ("bond-min-links", "min-links"),
    ("bond-mode", "mode"),
    ("bond-num-grat-arp", "gratuitous-arp"),
    ("bond-primary", "primary"),
    ("bond-primary-reselect", "primary-reselect-policy"),
    ("bond-updelay", "up-delay"),
    ("bond-xmit-hash-policy", "transmit-hash-policy"),
];
/// Numbers of modes, which the kernel takes and netplan does not, are not among them.
pub(super) const MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// cloud-init writes it as `arp-ip-target`, and netplan, which has `arp-ip-targets`, refuses that.
const LOST: &str = "bond-arp-ip-target";

/// Parameters that netplan has and earlier formats have not.
const NETPLAN_ONLY: [&str; 6] = [
    "arp-ip-targets",
    "arp-all-targets",
    "all-slaves-active",
    "packets-per-slave",
    "resend-igmp",
    "learn-packet-interval",
];

/// Whether netplan has the parameter; it takes one of them in a wrong spelling as well.
pub(super) fn is_netplan(key: &str) -> bool {
    NAMES.iter().any(|(_, name)| *name == key) || NETPLAN_ONLY.contains(&key) || key == "gratuitious-arp"
}

/// Whether a key of a link is one of a bond.
pub(super) fn is_known(key: &str) -> bool {
    let key = key.replace('_', "-");
    key == "bond-links" || key == LOST || NAMES.iter().any(|(name, _)| *name == key)
}

/// The parameters among the fields of `item` (`bond_mode` or `bond-mode`), under netplan's names.
pub(super) fn parameters(item: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for entry in item.node.entries().iter().filter(|entry| !entry.value.is_null()) {
        let hyphens = entry.key.replace('_', "-");
        if hyphens == LOST {
            let message =
                format!("`{}`: cloud-init 22.4 passes it on under a wrong name", item.path(&entry.key));
            findings.error("network-bond-parameter", entry.key_mark, message);
        }
        let Some((_, name)) = NAMES.iter().find(|(name, _)| *name == hyphens) else { continue };
        let path = item.path(&entry.key);
        let value = match *name {
            "mode" => mode(&entry.value, &path, findings),
            _ => word(&entry.value, &path, findings),
        };
        parameters.extend(value.map(|value| Parameter { name, value, mark: entry.value.mark, path }));
    }
    parameters
}

/// Notes a bond that leaves its mode to chance.
pub(super) fn check_mode(item: &Item<'_>, keys: &[&str], findings: &mut Findings<'_>) {
    if keys.iter().all(|key| item.get(key).is_none()) {
        let message = format!("`{}`: the bond has no mode; it will be balance-rr", item.path);
        findings.warning("network-bond-mode-missing", item.mark(), message);
    }
}

/// One of the modes.
pub(super) fn mode(node: &Node, path: &str, findings: &mut Findings<'_>) -> Option<String> {
    let text = node.text().filter(|text| MODES.contains(text));
    if text.is_none() {
        let message = format!("`{path}`: is no bond mode; expected one of {}", MODES.join(", "));
        findings.error("network-bond-mode", node.mark, message);
    }
    text.map(str::to_owned)
}

/// A number or name; none has a character that YAML would have to escape.
fn word(node: &Node, path: &str, findings: &mut Findings<'_>) -> Option<String> {
    let is_sound = |text: &&str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-_.:@".contains(c))
    };
    let text = node.text().filter(is_sound);
    if text.is_none() {
        let message = format!("`{path}`: is no number or word");
        findings.error("network-bond-parameter", node.mark, message);
    }
    text.map(str::to_owned)
}
