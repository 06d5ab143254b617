//! What the data are, by their first bytes. Nothing is parsed: a tiny look suffices to name them, and a value
//! never gets further than this file.

use super::Role;

/// cloud-init looks for MIME's version header in this many bytes (`cloudinit/user_data.py`).
const WINDOW: usize = 4096;

/// How user-data begin (`cloudinit/handlers/__init__.py`, `INCLUSION_TYPES_MAP`); the longer prefix first where
/// one begins with another.
const PREFIXES: [(&str, &str); 8] = [
    ("#cloud-config-jsonp", "JSON patch"),
    ("#cloud-config-archive", "cloud-config archive"),
    ("#cloud-config", "cloud-config"),
    ("#cloud-boothook", "boothook"),
    ("#part-handler", "part handler"),
    ("#include", "include"),
    ("#!", "script"),
    ("## template: jinja", "jinja template"),
];

/// Names what a file holds; `None` where there is nothing to tell apart.
pub fn kind(role: Role, bytes: &[u8]) -> Option<&'static str> {
    match role {
        _ if bytes.iter().all(u8::is_ascii_whitespace) => Some("empty"),
        Role::UserData | Role::VendorData => Some(user_data(bytes)),
        Role::NetworkConfig => Some(network(bytes)),
        Role::MetaData => None,
    }
}

fn user_data(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return "gzip";
    }
    let window = String::from_utf8_lossy(&bytes[..bytes.len().min(WINDOW)]).to_ascii_lowercase();
    match PREFIXES.iter().find(|(prefix, _)| window.trim_start().starts_with(prefix)) {
        Some((_, kind)) => kind,
        None if window.contains("mime-version:") => "MIME",
        None => "unknown",
    }
}

/// A `version` that is 1 or 2 decides; `links` and `networks` make OpenStack's form.
fn network(bytes: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(bytes);
    match value_of(&text, "version").map(|value| value.trim_start_matches(['"', '\'']).chars().next()) {
        Some(Some('1')) => return "network-config version 1",
        Some(Some('2')) => return "network-config version 2",
        _ => {}
    }
    match value_of(&text, "links").and(value_of(&text, "networks")) {
        Some(_) => "OpenStack network_data",
        None => "unknown",
    }
}

/// What follows the first `key:` that stands where a key of YAML or JSON can.
fn value_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.match_indices(key).find_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + key.len()..]);
        let begins = before.is_empty() || before.ends_with(['\n', ' ', '{', ',', '"', '\'']);
        let value = after.trim_start_matches(['"', '\'']).trim_start_matches(' ').strip_prefix(':')?;
        begins.then(|| value.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_named_by_their_first_bytes() {
        for (text, expected) in [
            ("#cloud-config\nhostname: a\n", "cloud-config"),
            ("\n #Cloud-Config\n", "cloud-config"),
            ("#cloud-config-archive\n[]", "cloud-config archive"),
            ("#!/bin/sh\n", "script"),
            ("#include\n", "include"),
            ("## template: jinja\n#cloud-config\n", "jinja template"),
            ("Content-Type: multipart/mixed\nMIME-Version: 1.0\n", "MIME"),
            ("\x1f\u{8b}", "unknown"),
            ("hello", "unknown"),
            (" \n", "empty"),
        ] {
            assert_eq!(kind(Role::UserData, text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(kind(Role::VendorData, &[0x1f, 0x8b, 8]), Some("gzip"));
        assert_eq!(kind(Role::MetaData, b"instance-id: a\n"), None);
    }

    #[test]
    fn network_data_are_named_by_their_keys() {
        for (text, expected) in [
            ("version: 1\nconfig: []\n", "network-config version 1"),
            ("network:\n  version: 2\n", "network-config version 2"),
            ("network: {config: [], version: '2'}", "network-config version 2"),
            ("{\"version\": 1}", "network-config version 1"),
            ("{\"links\": [], \"networks\": []}", "OpenStack network_data"),
            ("links: []\nnetworks: []\n", "OpenStack network_data"),
            ("inversion: 2\n", "unknown"),
            ("links: []\n", "unknown"),
            ("version: 3\n", "unknown"),
            ("version", "unknown"),
            ("", "empty"),
        ] {
            assert_eq!(kind(Role::NetworkConfig, text.as_bytes()), Some(expected), "{text}");
        }
    }
}
