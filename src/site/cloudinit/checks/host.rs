//! The node's name: sound, and the same everywhere.

use super::findings::{Findings, Region};
use crate::site::yaml::Node;

/// Looks at `hostname` and `fqdn`; `node` is the name of the BareMetalHost.
pub(super) fn check(root: &Node, node: Option<&str>, region: Region, findings: &mut Findings) {
    let name = |key: &str| root.get(key).and_then(|found| Some((found, found.text()?)));
    let (host, domain) = (name("hostname"), name("fqdn"));
    for (key, found) in [("hostname", host), ("fqdn", domain)] {
        let Some((found, text)) = found else { continue };
        // cloud-init uses what is not rendered here as a template does: not at all
        if !is_host_name(text) {
            let message =
                format!("`{key}`: is no host name: expected letters, digits, `-` and `.` (RFC 1123)");
            findings.error("host-name", &region, found.mark, &message);
        }
    }
    if let (Some((_, host)), Some((found, domain))) = (host, domain)
        && !first_label(host).eq_ignore_ascii_case(first_label(domain))
    {
        findings.warning("fqdn-differs", &region, found.mark, "`fqdn`: does not begin with `hostname`");
    }
    let key = if host.is_some() { "hostname" } else { "fqdn" };
    if let (Some((found, text)), Some(node)) = (host.or(domain), node)
        && !first_label(text).eq_ignore_ascii_case(first_label(node))
    {
        let message = format!("`{key}`: differs from the name of the BareMetalHost, {node:?}");
        findings.warning("host-name-differs", &region, found.mark, &message);
    }
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Labels of up to 63 letters, digits and hyphens, 253 characters in all (RFC 1123, 2.1; RFC 1035).
fn is_host_name(name: &str) -> bool {
    let is_sound = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_sound)
}
