//! The node's network: the Secret that its BareMetalHost refers to, or a file made from facts.

mod address;
mod bond;
mod bridge;
mod catalogue;
mod convert;
mod findings;
mod item;
mod model;
mod netplan;
mod openstack;
mod v1;
mod v2;

use std::fmt;

use super::node::{EphemeralNode, MacAddress, SecretReference};
use super::{choice, secret};
use crate::error::Fault;
use crate::site::document::{Document, DocumentSet};
use crate::site::report::Report;
use crate::site::yaml::{self, Budget, Dialect, Mark, Node, Origin};
use findings::Findings;
use model::Network;

pub use findings::NetworkPlace;

/// Kubernetes refuses larger Secrets. What is below it can be checked in reasonable time.
const MAX_BYTES: usize = 1 << 20;

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

/// The network configuration, and where it came from.
pub(super) struct NetworkConfig {
    pub bytes: Vec<u8>,
    pub source: NetworkSource,
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
        let format = check(&value.bytes, NetworkPlace::Value(&value.place), node.mac, report)?;
        let source = NetworkSource::Secret { format };
        return Some(NetworkConfig { bytes: value.bytes, source });
    }
    let bytes = catalogue::generate(documents, host, node, report)?;
    Some(NetworkConfig { bytes, source: NetworkSource::Generated })
}

/// Reads a network configuration and notes everything that is wrong with it; `None` where not even
/// its format can be told. `boot` is the node's `bootMACAddress`.
pub fn check(
    bytes: &[u8],
    place: NetworkPlace<'_>,
    boot: Option<MacAddress>,
    report: &mut Report,
) -> Option<NetworkFormat> {
    let mut findings = Findings::new(place, report);
    let (format, network) = read(bytes, &mut findings)?;
    network.check(boot, &mut findings);
    Some(format)
}

/// The same configuration as network-config v2; `None` with errors in the report if it is wrong.
/// Version 2 is passed on as it is.
pub fn to_v2(bytes: &[u8], place: NetworkPlace<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let before = report.errors.len();
    let mut findings = Findings::new(place, report);
    let (format, network) = read(bytes, &mut findings)?;
    // whether the node boots from it does not matter here
    network.check(None, &mut findings);
    match format {
        _ if report.errors.len() > before => None,
        NetworkFormat::V2 => Some(bytes.to_vec()),
        NetworkFormat::V1 | NetworkFormat::OpenStack => Some(convert::v2(&network).into_bytes()),
    }
}

/// The format, and what it says.
fn read(bytes: &[u8], findings: &mut Findings<'_>) -> Option<(NetworkFormat, Network)> {
    if bytes.len() > MAX_BYTES {
        let message = "is larger than 1 MiB, the most that a Secret holds";
        findings.error("network-too-large", Mark::new(1, 1), message);
        return None;
    }
    let root = parse(bytes, findings)?;
    let Some(format) = format_of(&root) else {
        let why = "is neither network-config version 1 or 2 nor OpenStack network_data (links and networks)";
        findings.error("network-format", root.mark, why);
        return None;
    };
    let network = match format {
        NetworkFormat::V1 => v1::read(&root, findings),
        NetworkFormat::V2 => v2::read(&root, findings),
        NetworkFormat::OpenStack => openstack::read(&root, findings),
    };
    Some((format, network))
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

/// The only document of a value, as PyYAML reads it.
fn parse(value: &[u8], findings: &mut Findings<'_>) -> Option<Node> {
    let (origin, mut faults) = (Origin::new("", None), Vec::new());
    let parsed = yaml::parse_as(Dialect::NetworkConfig, &origin, value, &mut Budget::default(), &mut faults);
    let mut is_sound = true;
    for fault in faults {
        let mark = fault.at.map_or(Mark::new(1, 1), |at| Mark::new(at.line, at.column));
        if fault.code.as_deref() == Some("duplicate-key") {
            findings.warning("duplicate-key", mark, fault.message);
        } else {
            is_sound = false;
            findings.error("network-yaml", mark, fault.message);
        }
    }
    let mut documents = parsed.into_iter().map(|(_, root)| root).filter(|_| is_sound);
    let root = documents.next().filter(|root| !root.is_null());
    let problem = match (&root, documents.next()) {
        (Some(_), None) => return root,
        (None, _) => "holds nothing",
        (_, Some(_)) => "expected one YAML document",
    };
    if is_sound {
        findings.error("network-yaml", Mark::new(1, 1), problem);
    }
    None
}

/// `version` decides where it is given: links and networks beside it would be ignored.
fn format_of(root: &Node) -> Option<NetworkFormat> {
    let version = root.get("version").or_else(|| root.at(&["network", "version"])).and_then(Node::text);
    match version {
        Some("1") => Some(NetworkFormat::V1),
        Some("2") => Some(NetworkFormat::V2),
        Some(_) => None,
        // with nothing behind them they are meant so too
        None => {
            let has = |key: &&str| root.entries().iter().any(|entry| entry.key == **key);
            ["links", "networks"].iter().all(has).then_some(NetworkFormat::OpenStack)
        }
    }
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
            ("links: []\nnetworks:\n", Some(NetworkFormat::OpenStack)),
            ("links: []\n", None),
            ("version: 3\n", None),
            ("version: 3\nlinks: []\nnetworks: []\n", None),
            ("hello", None),
            ("", None),
            ("a: [", None),
            ("version: 2\n---\nversion: 2\n", None),
        ] {
            let (origin, mut report) = (Origin::new("x", None), Report::default());
            let mut findings = Findings::new(NetworkPlace::File(&origin), &mut report);
            let found = parse(text.as_bytes(), &mut findings).and_then(|root| format_of(&root));
            assert_eq!(found, expected, "{text}");
        }
    }
}
