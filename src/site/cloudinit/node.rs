//! The facts about the ephemeral node that its BareMetalHost gives.

use std::fmt;

use crate::error::Fault;
use crate::site::document::Document;
use crate::site::yaml::Fields;

/// What is known about the node. A fact that was wrong is `None`, and a fault has been noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralNode {
    /// `metadata.name`.
    pub name: Option<String>,
    /// `spec.bootMACAddress`.
    pub mac: Option<MacAddress>,
    /// `spec.networkData`.
    pub network_data: Option<SecretReference>,
    /// Whether the network data was meant to come from a Secret, the reference sound or not.
    pub(super) has_network_data: bool,
}

/// The name of a Secret, and its namespace where one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// `name` of the reference.
    pub name: String,
    /// `namespace` of the reference.
    pub namespace: Option<String>,
}

/// The address of one interface, six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress([u8; 6]);

impl EphemeralNode {
    /// Reads a BareMetalHost.
    pub fn read(host: &Document, faults: &mut Vec<Fault>) -> Self {
        let mut node = Self { name: None, mac: None, network_data: None, has_network_data: false };
        let Some(root) = Fields::of_root(host.node(), host.origin(), faults) else { return node };
        if let Some(metadata) = root.required_section("metadata", faults) {
            let name = metadata.required_string("name", faults);
            node.name = metadata.parsed("name", name, faults, host_name);
        }
        let Some(spec) = root.section("spec", faults) else { return node };
        let mac = spec.string("bootMACAddress", faults);
        node.mac = spec.parsed("bootMACAddress", mac, faults, MacAddress::parse);
        node.has_network_data = spec.get("networkData").is_some();
        if let Some(reference) = spec.section("networkData", faults) {
            let namespace = reference.string("namespace", faults).map(str::to_owned);
            let name = reference.required_string("name", faults).map(str::to_owned);
            node.network_data = name.map(|name| SecretReference { name, namespace });
        }
        node
    }
}

/// A DNS subdomain as in RFC 1123, which is what Kubernetes takes for a name, and each label of
/// it short enough for a host name.
fn host_name(name: &str) -> Result<String, String> {
    let is_sound = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    match name.len() <= 253 && name.split('.').all(is_sound) {
        true => Ok(name.to_owned()),
        false => Err("is no host name: expected lower-case letters, digits, `-` and `.` (RFC 1123)".into()),
    }
}

impl MacAddress {
    /// Parses six pairs of hexadecimal digits with colons, the only form that Metal3 takes. An
    /// address that no interface has (a group's, or all zeros) is refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_pair = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes: Vec<u8> = text
            .split(':')
            .filter(|part| is_pair(part))
            .filter_map(|part| u8::from_str_radix(part, 16).ok())
            .collect();
        let bytes: [u8; 6] = match bytes.try_into() {
            Ok(bytes) if text.len() == 17 => bytes,
            _ => return Err("is no MAC address; expected six pairs like 52:54:00:12:34:56".into()),
        };
        // IEEE 802: the lowest bit of the first byte marks a group address
        match bytes[0] & 1 == 1 || bytes == [0; 6] {
            true => Err("is an address that no single interface has".into()),
            false => Ok(Self(bytes)),
        }
    }
}

/// Lower case with colons, as the kernel shows it.
impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_are_six_pairs_of_one_interface() {
        assert_eq!(MacAddress::parse("52:54:00:BF:b2:d8").unwrap().to_string(), "52:54:00:bf:b2:d8");
        for text in [
            "",
            "52:54:00:bf:b2",
            "52:54:00:bf:b2:d8:01",
            "52-54-00-bf-b2-d8",
            "525400bfb2d8",
            "52:54:00:bf:b2:+8",
            "52:54:00:bf:b2:g8",
            "52:54:00:bf:b2::d8",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert!(MacAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn host_names_are_dns_subdomains() {
        for name in ["node", "node-0", "123", "a.b-c.d", &"a".repeat(63)] {
            assert!(host_name(name).is_ok(), "{name}");
        }
        for name in ["", "Node", "node_0", "-a", "a-", "a..b", "a.", "a b", "\u{e9}", &"a".repeat(64), "a\nb"]
        {
            assert!(host_name(name).is_err(), "{name}");
        }
        assert!(host_name(&vec!["a"; 130].join(".")).is_err());
    }
}
