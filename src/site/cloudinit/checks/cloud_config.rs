//! One `#cloud-config`, or part of several that are merged.

use super::findings::{Findings, Region};
use super::login::Login;
use super::types::Kind;
use super::{Facts, files, host, placeholder, schema, tabs};
use crate::error::Fault;
use crate::site::yaml::{self, Budget, Dialect, Mark, Node, Origin, Style, Value};

/// What was learnt from a cloud-config that the whole of user-data is judged by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It gives somebody a way to log in.
    Given,
    None,
}

/// Parses and checks it; `None` where it cannot be read.
pub(super) fn check(bytes: &[u8], region: Region, facts: &Facts, findings: &mut Findings) -> Option<Access> {
    let root = parse(bytes, region, findings)?;
    if !root.is_mapping() && !root.is_null() {
        let message = format!("cloud-config: expected a mapping, found {}", Kind::of(&root).name());
        findings.error("cloud-config-not-a-mapping", &region, root.mark, &message);
        return None;
    }
    if root.entries().is_empty() {
        findings.warning("cloud-config-empty", &region, root.mark, "an empty cloud-config");
    }
    equals_signs(&root, region, findings);
    ciphertext(&root, region, findings);
    schema::check(&root, region, findings);
    users(&root, region, findings);
    files::check(&root, region, facts.now, findings);
    files::check_authorities(&root, region, facts.now, findings);
    host::check(&root, facts.host_name, region, findings);
    placeholder::check(&root, region, findings);
    let mut login = Login { region, findings, is_possible: false };
    login.check(&root);
    Some(if login.is_possible { Access::Given } else { Access::None })
}

/// The tree as cloud-init reads it; what is wrong is noted.
pub(super) fn parse(bytes: &[u8], region: Region, findings: &mut Findings) -> Option<Node> {
    let (mut faults, origin) = (Vec::new(), Origin::new("user-data", None));
    let mut documents =
        yaml::parse_as(Dialect::CloudInit, &origin, bytes, &mut Budget::default(), &mut faults).into_iter();
    let mut is_sound = true;
    for fault in &faults {
        let mark = mark_of(fault);
        match fault.code.as_deref() {
            Some("duplicate-key") => findings.warning("duplicate-key", &region, mark, &fault.message),
            _ => {
                is_sound = false;
                findings.error("cloud-config-syntax", &region, mark, &fault.message);
            }
        }
    }
    let first = documents.next();
    // a byte order mark would have kept cloud-init from looking at the text
    if let Some((_, root)) = first.as_ref().filter(|_| is_sound)
        && let Some(mark) = std::str::from_utf8(bytes).ok().and_then(|text| tabs::refused(root, text))
    {
        let message = "not YAML to cloud-init: a tab that is not in quotes; use spaces";
        findings.error("cloud-config-syntax", &region, mark, message);
    }
    if let Some((_, second)) = documents.next() {
        let message = "a second document begins here (---); cloud-init takes one, and ignores all of it";
        findings.error("several-documents", &region, second.mark, message);
    }
    match first {
        Some((_, root)) if is_sound => Some(root),
        None if is_sound => {
            findings.warning("cloud-config-empty", &region, Mark::new(1, 1), "an empty cloud-config");
            None
        }
        _ => None,
    }
}

fn mark_of(fault: &Fault) -> Mark {
    fault.at.as_ref().map_or(Mark::default(), |at| Mark::new(at.line, at.column))
}

/// PyYAML has no constructor for the value `=` of YAML 1.1, and fails.
fn equals_signs(node: &Node, region: Region, findings: &mut Findings) {
    match &node.value {
        Value::Scalar(scalar) if scalar.style == Style::Plain && scalar.text == "=" => {
            let message = "not YAML to cloud-init: `=` alone; put it in quotes";
            findings.error("cloud-config-syntax", &region, node.mark, message);
        }
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| equals_signs(item, region, findings)),
        Value::Mapping(entries) => {
            entries.iter().for_each(|entry| equals_signs(&entry.value, region, findings));
        }
    }
}

/// A file that SOPS encrypted as a whole has its metadata beside the values.
fn ciphertext(root: &Node, region: Region, findings: &mut Findings) {
    let sops = root.entries().iter().find(|entry| entry.key == "sops" && entry.value.is_mapping());
    if let Some(entry) = sops {
        findings.error("sops-encrypted", &region, entry.key_mark, super::super::choice::ENCRYPTED);
    }
}

/// What the schema says by alternatives: a user has a name, of this system or of snap's.
fn users(root: &Node, region: Region, findings: &mut Findings) {
    let listed = root.get("users").and_then(Node::items).into_iter().flatten();
    let named = listed.enumerate().map(|(index, user)| (format!("users[{index}]"), user));
    for (name, user) in named.chain(root.get("user").map(|user| ("user".to_owned(), user))) {
        if user.is_mapping() && !has(user, "name") && !has(user, "snapuser") {
            let message = format!("`{name}`: `name` is missing");
            findings.error("missing-field", &region, user.mark, &message);
        }
    }
    let passwords = root.at(&["chpasswd", "users"]).and_then(Node::items).into_iter().flatten();
    for (index, user) in passwords.enumerate().filter(|(_, user)| user.is_mapping()) {
        let name = format!("chpasswd.users[{index}]");
        match (user.get("type").and_then(Node::text) == Some("RANDOM"), has(user, "password")) {
            (false, false) => {
                let message = format!("`{name}`: `password` is missing");
                findings.error("missing-field", &region, user.mark, &message);
            }
            (true, true) => {
                let message = format!("`{name}`: `password` is ignored with type RANDOM");
                findings.warning("unknown-field", &region, user.mark, &message);
            }
            _ => {}
        }
    }
}

/// Whether the key is there, with a value or without.
fn has(node: &Node, key: &str) -> bool {
    node.entries().iter().any(|entry| entry.key == key)
}
