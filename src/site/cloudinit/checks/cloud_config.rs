//! One `#cloud-config`, or part of several that are merged.

use super::findings::{Findings, Region};
use super::login::Login;
use super::types::Kind;
use super::{Facts, files, host, placeholder, schema};
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
    if !root.is_mapping() {
        match root.is_null() {
            true => findings.warning("cloud-config-empty", &region, root.mark, "an empty cloud-config"),
            false => {
                let message = format!("cloud-config: expected a mapping, found {}", Kind::of(&root).name());
                findings.error("cloud-config-not-a-mapping", &region, root.mark, &message);
            }
        }
        return Some(Access::None);
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
    is_sound &= printable(bytes, region, findings);
    let first = documents.next();
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

/// PyYAML refuses a text with control characters in it (yaml/reader.py, NON_PRINTABLE); what is no
/// UTF-8 was found before.
fn printable(bytes: &[u8], region: Region, findings: &mut Findings) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_refused = |c: char| {
        let is_low = c < ' ' && !matches!(c, '\t' | '\n' | '\r');
        is_low || ('\u{7f}'..'\u{a0}').contains(&c) && c != '\u{85}' || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let found = text
        .lines()
        .enumerate()
        .find_map(|(index, line)| Some(Mark::new(index + 1, line.chars().position(is_refused)? + 1)));
    // a NUL byte is refused by our parser as well
    if let Some(mark) = found.filter(|_| !bytes.contains(&0)) {
        let message = "not YAML to cloud-init: a control character";
        findings.error("cloud-config-syntax", &region, mark, message);
    }
    found.is_none()
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
        findings.error("encrypted", &region, entry.key_mark, super::super::choice::ENCRYPTED);
    }
}

/// `oneOf` of the schema: a user has a name, of this system or of snap's.
fn users(root: &Node, region: Region, findings: &mut Findings) {
    for (index, user) in root.get("users").and_then(Node::items).into_iter().flatten().enumerate() {
        let has = |key: &str| user.entries().iter().any(|entry| entry.key == key);
        if user.is_mapping() && !has("name") && !has("snapuser") {
            let message = format!("`users[{index}]`: `name` is missing");
            findings.error("missing-field", &region, user.mark, &message);
        }
    }
}
