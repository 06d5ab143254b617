//! What netplan 0.106, the version of Debian 12, refuses wherever it stands.

use super::findings::Findings;
use super::item::{Item, check_name, wrong_type};
use super::model::{Placed, step};
use crate::site::yaml::{Mark, Node};

/// Keys of interfaces that are true or false.
const BOOLEANS: [&str; 6] =
    ["wakeonlan", "optional", "critical", "ignore-carrier", "ipv6-privacy", "neigh-suppress"];
/// Keys below `dhcp4-overrides` and `dhcp6-overrides` that are true or false.
const OVERRIDES: [&str; 5] = ["use-dns", "use-ntp", "send-hostname", "use-hostname", "use-mtu"];

/// A null is no list, mapping, number or boolean; what is meant is said by leaving the key out.
pub(super) fn check_nulls(node: &Node, path: &str, findings: &mut Findings<'_>) {
    // as deep as YAML may be nested at most
    for entry in node.entries() {
        let path = if path.is_empty() { step("", &entry.key) } else { step(path, &entry.key) };
        let path = path.strip_prefix('.').unwrap_or(&path);
        if entry.value.is_null() {
            wrong_type(&entry.value, path, "a value", findings);
        }
        check_nulls(&entry.value, path, findings);
    }
    for (index, item) in node.items().unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        if item.is_null() {
            wrong_type(item, &path, "a value", findings);
        }
        check_nulls(item, &path, findings);
    }
}

/// The program that configures the interfaces.
pub(super) fn check_renderer(item: &Item<'_>, findings: &mut Findings<'_>) {
    let known = ["networkd", "NetworkManager"];
    if item.text("renderer", findings).is_some_and(|text| !known.contains(&text)) {
        let message = format!("`{}`: expected networkd or NetworkManager", item.path("renderer"));
        findings.error("network-renderer", item.mark_of("renderer"), message);
    }
}

/// What netplan takes for a pattern.
const PATTERN: [char; 4] = ['*', '?', '[', ']'];

/// Notes a name, of a form that cloud-init converts, that the kernel or netplan refuses.
pub(super) fn check_converted_name(name: &str, mark: Mark, path: &str, findings: &mut Findings<'_>) {
    check_name(name, mark, path, findings);
    if name.contains(PATTERN) {
        let message =
            format!("`{path}`: netplan, which gets it from cloud-init, takes no pattern for a name");
        findings.error("network-name", mark, message);
    }
}

/// A file's name has 255 bytes, of which `10-netplan-`, `.network` and what `mkstemp` adds are not the id's.
const LONGEST_ID: usize = 200;

/// Patterns belong below `match`.
pub(super) fn check_id(id: &Placed<String>, findings: &mut Findings<'_>) {
    if id.value.contains(PATTERN) {
        let message = format!("`{}`: netplan takes no pattern for an id; write it below `match`", id.path);
        findings.error("network-name", id.mark, message);
    }
}

/// An id that is no interface's name, since its interface is found by `match`. netplan takes printable ASCII only,
/// and makes a file's name of it: one with a `/` is written to where networkd does not look.
pub(super) fn check_matched_id(id: &Placed<String>, findings: &mut Findings<'_>) {
    let is_sound = |c: char| c.is_ascii_graphic() && c != '/';
    if !(1..=LONGEST_ID).contains(&id.value.len()) || !id.value.chars().all(is_sound) {
        let message = format!(
            "`{}`: is no id for netplan; expected 1 to {LONGEST_ID} ASCII characters without `/` and space",
            id.path
        );
        findings.error("network-name", id.mark, message);
    }
}

/// What has to be true or false, and is looked at by nothing else here.
pub(super) fn check_booleans(item: &Item<'_>, findings: &mut Findings<'_>) {
    for key in BOOLEANS {
        item.boolean(key, findings);
    }
    for key in ["dhcp4-overrides", "dhcp6-overrides"] {
        let Some(overrides) = item.section(key, findings) else { continue };
        for key in OVERRIDES {
            overrides.boolean(key, findings);
        }
    }
}
