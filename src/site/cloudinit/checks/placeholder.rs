//! Places that a template's engine should have filled.

use super::findings::{Findings, Region};
use crate::site::yaml::{Node, Value};

/// Keys below which braces belong to shells, to jinja or to cloud-init itself.
const EXEMPT: [&str; 14] = [
    "ansible",
    "apt",
    "bootcmd",
    "chef",
    "final_message",
    "ntp",
    "output",
    "phone_home",
    "power_state",
    "puppet",
    "rsyslog",
    "runcmd",
    "salt_minion",
    "snap",
];

/// Notes values that are one placeholder and nothing else.
pub(super) fn check(root: &Node, region: Region, findings: &mut Findings) {
    for entry in root.entries().iter().filter(|entry| !EXEMPT.contains(&entry.key.as_str())) {
        walk(&entry.value, region, findings);
    }
}

/// The parser bounds the depth.
fn walk(node: &Node, region: Region, findings: &mut Findings) {
    match &node.value {
        Value::Scalar(scalar) if is_placeholder(scalar.text.trim()) => {
            let message = "a placeholder like {{ name }} or ${NAME} that nothing replaced";
            findings.warning("template-placeholder", &region, node.mark, message);
        }
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, region, findings)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| walk(&entry.value, region, findings)),
    }
}

/// `{{ .Values.x }}`, `{{ name | default("x") }}`, `${NAME}`.
fn is_placeholder(text: &str) -> bool {
    let inner = |open: &str, close: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let shell = inner("${", "}").is_some_and(|name| !name.is_empty() && name.chars().all(is_name));
    let template =
        inner("{{", "}}").is_some_and(|inner| !inner.trim().is_empty() && !inner.contains(['{', '}', '\n']));
    shell || template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_all_placeholder_is_one() {
        for text in ["{{ name }}", "{{ .Values.host }}", "${HOST_NAME}", "{{x|default('a')}}"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["{{}}", "${}", "a {{ b }}", "${a} ${b}", "{}", "{{ {a: 1} }}", "${a:-b}", ""] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
