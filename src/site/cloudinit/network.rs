//! The node's network: the Secret that its BareMetalHost refers to, or a file made from facts.

use std::fmt;

use super::node::{EphemeralNode, MacAddress, SecretReference};
use super::secret::ValuePlace;
use super::{choice, secret};
use crate::error::Fault;
use crate::site::document::{Document, DocumentSet};
use crate::site::report::Report;
use crate::site::yaml::{self, Budget, Node, Origin};

/// Where the network configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkSource {
    /// The Secret's own bytes, which are in this format.
    Secret { format: NetworkFormat },
    /// Made here, in network-config v2.
    Generated,
}

/// The formats that cloud-init reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFormat {
    /// `version: 1`, a list of `config` items.
    V1,
    /// `version: 2`, as netplan reads it.
    V2,
    /// `network_data.json`, as JSON or YAML: what Metal3 uses.
    OpenStack,
}

impl fmt::Display for NetworkFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "network-config v1",
            Self::V2 => "network-config v2",
            Self::OpenStack => "OpenStack network_data",
        })
    }
}

/// The network configuration, and where it stands unless it was made here.
pub(super) struct NetworkConfig {
    pub bytes: Vec<u8>,
    pub source: NetworkSource,
    pub place: Option<ValuePlace>,
}

/// The network configuration of the node that `host` describes.
pub(super) fn of(
    documents: &DocumentSet,
    host: &Document,
    node: &EphemeralNode,
    key: &str,
    report: &mut Report,
) -> Option<NetworkConfig> {
    let faults = &mut report.errors;
    if node.has_network_data {
        let secret = find(documents, host, node.network_data.as_ref()?, faults)?;
        let value = secret::value(secret, key, report)?;
        let refused = |message: String| report.errors.push(wrong_format(secret, key, &message));
        let format = sniff(&value.bytes).map_err(refused).ok()?;
        let source = NetworkSource::Secret { format };
        return Some(NetworkConfig { bytes: value.bytes, source, place: Some(value.place) });
    }
    match node.mac {
        Some(mac) => {
            Some(NetworkConfig { bytes: generate(mac), source: NetworkSource::Generated, place: None })
        }
        None => {
            // a malformed address has its fault already
            if host.node().at(&["spec", "bootMACAddress"]).is_none() {
                let place = host.node().get("spec").unwrap_or(host.node());
                let message = "`spec.networkData` and `spec.bootMACAddress` are missing; one is needed";
                faults.push(host.fault(place, message));
            }
            None
        }
    }
}

/// A fault at the Secret's value.
fn wrong_format(secret: &Document, key: &str, message: &str) -> Fault {
    let node = secret.node();
    let place = node.at(&["stringData", key]).or_else(|| node.at(&["data", key])).unwrap_or(node);
    secret.fault(place, format!("{}: {message}", yaml::key_name(key)))
}

/// The Secret of a reference. A namespace that the reference does not give is that of the host,
/// else `default`; a Secret without any namespace matches as a last resort.
fn find<'a>(
    documents: &'a DocumentSet,
    host: &Document,
    reference: &SecretReference,
    faults: &mut Vec<Fault>,
) -> Option<&'a Document> {
    let named: Vec<_> = documents
        .documents()
        .iter()
        .filter(|document| document.kind() == "Secret" && document.name() == Some(&reference.name))
        .collect();
    let wanted = reference.namespace.as_deref().unwrap_or(host.effective_namespace());
    let fallback = if reference.namespace.is_none() { "default" } else { wanted };
    let within = |namespace: &str| -> Vec<&Document> {
        named.iter().copied().filter(|document| document.effective_namespace() == namespace).collect()
    };
    let homeless = named.iter().copied().filter(|document| document.namespace().is_none()).collect();
    let matching = [within(wanted), within(fallback), homeless].into_iter().find(|found| !found.is_empty());
    let (namespace, name) = (wanted.escape_debug(), reference.name.escape_debug());
    let selector = format!("kind Secret, namespace {namespace}, name {name}");
    match matching.as_deref() {
        Some([document]) => choice::in_plain_text(document, faults),
        Some(several @ [_, second, ..]) => {
            faults.push(choice::several(several, second, &selector));
            None
        }
        _ => {
            faults.push(missing(documents, host, &named, &selector));
            None
        }
    }
}

/// Says whether it is the name or the namespace that does not fit.
fn missing(documents: &DocumentSet, host: &Document, named: &[&Document], selector: &str) -> Fault {
    let all: Vec<_> = documents.documents().iter().filter(|document| document.kind() == "Secret").collect();
    let candidates = match (named, all.as_slice()) {
        (_, []) => "there is no Secret at all".to_owned(),
        ([], all) => format!("candidates: {}", choice::candidates(all)),
        (named, _) => format!("in other namespaces: {}", choice::candidates(named)),
    };
    let place = host.node().at(&["spec", "networkData"]).unwrap_or(host.node());
    host.fault(place, format!("no document matches {selector}, the network data of {host}; {candidates}"))
}

/// Recognises the format; the value itself stays as it is. Messages give lines of the value and
/// nothing that stands in them.
fn sniff(value: &[u8]) -> Result<NetworkFormat, String> {
    let mut faults = Vec::new();
    let parsed = yaml::parse(&Origin::new("", None), value, &mut Budget::default(), &mut faults);
    if let Some(fault) = faults.first() {
        let line = fault.at.as_ref().map_or(0, |at| at.line);
        return Err(format!("line {line} of the value: {}", fault.message));
    }
    let [(_, root)] = parsed.as_slice() else { return Err("expected one YAML document".into()) };
    format_of(root).ok_or_else(|| {
        "is neither network-config version 1 or 2 nor OpenStack network_data (links and networks)".into()
    })
}

/// `version` decides where it is given: links and networks beside it would be ignored.
fn format_of(root: &Node) -> Option<NetworkFormat> {
    let version = root.get("version").or_else(|| root.at(&["network", "version"])).and_then(Node::text);
    match version {
        Some("1") => Some(NetworkFormat::V1),
        Some("2") => Some(NetworkFormat::V2),
        Some(_) => None,
        None => root.get("links").zip(root.get("networks")).map(|_| NetworkFormat::OpenStack),
    }
}

/// One interface, found by its address, with DHCP. The id is ours; no interface is renamed.
fn generate(mac: MacAddress) -> Vec<u8> {
    // quoted: PyYAML, which cloud-init uses, reads 52:54:00:11:22:33 as a number to base 60
    format!("version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"{mac}\"\n    dhcp4: true\n")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_keys() {
        for (text, expected) in [
            ("version: 1\nconfig: []\n", Some(NetworkFormat::V1)),
            ("network: {version: 1, config: []}", Some(NetworkFormat::V1)),
            ("version: 2\nethernets: {}\n", Some(NetworkFormat::V2)),
            ("network:\n  version: 2\n", Some(NetworkFormat::V2)),
            ("version: '2'\n", Some(NetworkFormat::V2)),
            ("{\"links\": [], \"networks\": [], \"services\": []}", Some(NetworkFormat::OpenStack)),
            ("links: []\nnetworks: []\n", Some(NetworkFormat::OpenStack)),
            ("links: []\n", None),
            ("version: 3\n", None),
            ("version: 3\nlinks: []\nnetworks: []\n", None),
            ("hello", None),
            ("", None),
            ("a: [", None),
            ("version: 2\n---\nversion: 2\n", None),
        ] {
            assert_eq!(sniff(text.as_bytes()).ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_generated_network_is_version_2_with_a_quoted_address() {
        let mac = MacAddress::parse("52:54:00:11:22:33").unwrap();
        let bytes = generate(mac);
        assert_eq!(sniff(&bytes), Ok(NetworkFormat::V2));
        let mut faults = Vec::new();
        let parsed = yaml::parse(&Origin::new("", None), &bytes, &mut Budget::default(), &mut faults);
        let boot = parsed[0].1.at(&["ethernets", "boot"]).unwrap();
        assert_eq!(boot.at(&["match", "macaddress"]).and_then(Node::string), Some("52:54:00:11:22:33"));
        assert!(String::from_utf8(bytes).unwrap().contains("\"52:54"));
    }
}
