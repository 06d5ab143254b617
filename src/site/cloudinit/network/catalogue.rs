//! A network made from what the site says elsewhere: the BareMetalHost's MAC address, and the catalogues
//! from which Airship's host generator makes network data (`hostgenerator-m3` of airshipctl).

use super::super::choice;
use super::super::node::{EphemeralNode, MacAddress};
use super::findings::{Findings, NetworkPlace};
use super::item::{Item, ip};
use super::model::{Interface, Kind, Network, Placed};
use super::{convert, openstack};
use crate::site::document::{Document, DocumentSet};
use crate::site::report::Report;
use crate::site::yaml::{Mark, Node};

/// What the host catalogue says about one host.
struct Host<'a> {
    document: &'a Document,
    fields: Item<'a>,
}

/// What all hosts of a site have in common: links, networks and services as in network_data, without
/// addresses.
struct Common<'a> {
    document: &'a Document,
    fields: Item<'a>,
}

/// Network-config v2 of a node without network data: by the catalogues if they know the host, else
/// DHCP on the interface that boots.
pub(super) fn generate(
    documents: &DocumentSet,
    document: &Document,
    node: &EphemeralNode,
    report: &mut Report,
) -> Option<Vec<u8>> {
    let before = report.errors.len();
    let host = find_host(documents, node.name.as_deref()?, report);
    let common = find_common(documents, report);
    let has_mac = document.node().at(&["spec", "bootMACAddress"]).is_some();
    let mac = match has_mac {
        true => node.mac,
        false => host.as_ref().and_then(|host| host.mac(report)),
    };
    let network = match (&host, common) {
        (Some(host), Some(common)) => merged(host, &common, mac, report),
        (host, common) => {
            if let (None, Some(common)) = (host, common) {
                warn_of_host(documents, &common, report);
            }
            mac.map(dhcp)
        }
    };
    if network.is_none() && report.errors.len() == before && !has_mac {
        let place = document.node().get("spec").unwrap_or(document.node());
        let message = "`spec.networkData` and `spec.bootMACAddress` are missing; one is needed";
        report.errors.push(document.fault(place, message).coded("network-data-missing"));
    }
    let network = network.filter(|_| report.errors.len() == before)?;
    Some(convert::v2(&network).into_bytes())
}

/// One interface, found by its address, with DHCP. The id is ours; no interface is renamed.
fn dhcp(mac: MacAddress) -> Network {
    let mark = Mark::default();
    let id = Placed::new("boot".to_owned(), mark, "boot");
    let mut boot = Interface::new(id, Kind::Ethernet { set_name: None });
    boot.mac = Some(Placed::new(mac, mark, "boot"));
    boot.dhcp4 = true;
    Network { interfaces: vec![boot] }
}

/// `hosts.m3.<name>`, whatever the catalogue is called; of several the one called `host-catalogue`.
fn find_host<'a>(documents: &'a DocumentSet, name: &str, report: &mut Report) -> Option<Host<'a>> {
    let fields = |document: &'a Document| {
        let hosts =
            ["", "spec"].map(|root| within(document.node(), root).and_then(|node| node.at(&["hosts", "m3"])));
        hosts.into_iter().flatten().find(|hosts| hosts.get(name).is_some())
    };
    let all = catalogues(documents).filter(|document| fields(document).is_some()).collect();
    let document = only(all, "host-catalogue", "the host", report)?;
    let node = fields(document)?.get(name)?;
    let mut findings = Findings::new(NetworkPlace::File(document.origin()), report);
    let fields = Item::of(node, format!("hosts.m3.{name}"), &mut findings)?;
    Some(Host { document, fields })
}

/// `spec.commonHostNetworking` of a NetworkCatalogue, or `commonNetworking` as in older sites.
fn find_common<'a>(documents: &'a DocumentSet, report: &mut Report) -> Option<Common<'a>> {
    const PATHS: [(&str, &str); 4] = [
        ("spec", "commonHostNetworking"),
        ("", "commonHostNetworking"),
        ("", "commonNetworking"),
        ("spec", "commonNetworking"),
    ];
    let find = |document: &'a Document| {
        let mut paths = PATHS.iter();
        paths.find_map(|(root, key)| Some((*key, within(document.node(), root)?.get(key)?)))
    };
    let all = catalogues(documents).filter(|document| find(document).is_some()).collect();
    let document = only(all, "networking", "host networking", report)?;
    let (key, node) = find(document)?;
    let mut findings = Findings::new(NetworkPlace::File(document.origin()), report);
    Some(Common { document, fields: Item::of(node, key, &mut findings)? })
}

fn within<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    if key.is_empty() { Some(node) } else { node.get(key) }
}

fn catalogues(documents: &DocumentSet) -> impl Iterator<Item = &Document> {
    documents.documents().iter().filter(|document| document.kind().ends_with("Catalogue"))
}

/// The only catalogue, or the one with its usual name.
fn only<'a>(all: Vec<&'a Document>, usual: &str, what: &str, report: &mut Report) -> Option<&'a Document> {
    let named: Vec<_> = all.iter().filter(|document| document.name() == Some(usual)).copied().collect();
    match (all.as_slice(), named.as_slice()) {
        ([], _) => None,
        ([only], _) | (_, [only]) => Some(only),
        ([_, second, ..], _) => {
            let message = format!(
                "{} catalogues describe {what}, expected one: {}",
                all.len(),
                choice::candidates(&all)
            );
            report.error("catalogue-several", second.position(), message);
            None
        }
    }
}

/// A networking catalogue alone has no addresses; that is worth a word where there are host catalogues.
fn warn_of_host(documents: &DocumentSet, common: &Common<'_>, report: &mut Report) {
    if let Some(hosts) = catalogues(documents)
        .find(|document| document.node().at(&["hosts", "m3"]).is_some_and(Node::is_mapping))
    {
        let message = format!(
            "{hosts} does not know the node, so that {} is not used and the node gets DHCP",
            common.document
        );
        report.warning("catalogue-host-missing", hosts.position(), message);
    }
}

impl Host<'_> {
    /// The host's own address for the boot, for a BareMetalHost without one.
    fn mac(&self, report: &mut Report) -> Option<MacAddress> {
        let mut findings = Findings::new(NetworkPlace::File(self.document.origin()), report);
        self.fields.mac_of_document("macAddress", &mut findings)
    }

    /// The link's address in `macAddresses`, for cloud-init to find it by.
    fn link_mac(&self, link: &str, findings: &mut Findings<'_>) -> Option<String> {
        let macs = self.fields.section("macAddresses", findings)?;
        macs.mac_of_document(link, findings).map(|mac| mac.to_string())
    }

    /// The network's address in `ipAddresses`, which a static one needs.
    fn address(&self, network: &str, findings: &mut Findings<'_>) -> Option<String> {
        let fields = self.fields.section("ipAddresses", findings);
        let Some(text) = fields.as_ref().and_then(|fields| fields.text(network, findings)) else {
            let path = self.fields.path("ipAddresses");
            let name = crate::site::yaml::key_name(network);
            let message = format!("`{path}`: has no address for the network {name}");
            findings.error("catalogue-address-missing", self.fields.mark_of("ipAddresses"), message);
            return None;
        };
        let item = fields?;
        // with or without a prefix length
        let alone = text.split('/').next().unwrap_or_default();
        ip(alone, item.mark_of(network), &item.path(network), findings).map(|_| text.to_owned())
    }
}

/// The network data that the host generator would make, read like any other: each link with its address
/// from `macAddresses`, each network with its own from `ipAddresses`, both by id.
fn merged(
    host: &Host<'_>,
    common: &Common<'_>,
    boot: Option<MacAddress>,
    report: &mut Report,
) -> Option<Network> {
    let mut root = common.fields.node.clone();
    let before = report.errors.len();
    let mut findings = Findings::new(NetworkPlace::File(host.document.origin()), report);
    if let Some(macs) = host.fields.section("macAddresses", &mut findings) {
        warn_of_boot(&macs, boot, &mut findings);
    }
    for link in root.get_mut("links").and_then(Node::items_mut).into_iter().flatten() {
        let Some(id) = link.get("id").and_then(Node::text).map(str::to_owned) else { continue };
        let mark = link.mark;
        if let Some(mac) = host.link_mac(&id, &mut findings) {
            link.set("ethernet_mac_address", Node::of_text(mac, mark));
        }
        complete(link);
    }
    for network in root.get_mut("networks").and_then(Node::items_mut).into_iter().flatten() {
        let kind = network.get("type").and_then(Node::text).unwrap_or_default();
        let is_static = ["ipv4", "static", "ipv6", "static6"].contains(&kind);
        let Some(id) = network.get("id").and_then(Node::text).map(str::to_owned).filter(|_| is_static) else {
            continue;
        };
        let mark = network.mark;
        if let Some(address) = host.address(&id, &mut findings) {
            network.set("ip_address", Node::of_text(address, mark));
        }
    }
    if report.errors.len() > before {
        return None;
    }
    let mut findings = Findings::new(NetworkPlace::File(common.document.origin()), report);
    let network = openstack::read_below(&root, &common.fields.path, &mut findings);
    network.check(None, &mut findings);
    (report.errors.len() == before).then_some(network)
}

/// Makes a link of the catalogue what it would be in network data: the schema of NetworkCatalogue leaves
/// out an empty `vlan_mac_address`, which cloud-init insists on, and addresses need no quotes here.
fn complete(link: &mut Node) {
    let (mark, is_vlan) = (link.mark, link.get("type").and_then(Node::text) == Some("vlan"));
    for key in ["ethernet_mac_address", "vlan_mac_address"] {
        let text = link.get(key).and_then(Node::text).map(str::to_owned);
        let missing = (is_vlan && key == "vlan_mac_address").then(String::new);
        if let Some(text) = text.or(missing) {
            let mark = link.get(key).map_or(mark, |node| node.mark);
            link.set(key, Node::of_text(text, mark));
        }
    }
}

/// Says so if the node would boot from an interface that the catalogue does not have.
fn warn_of_boot(macs: &Item<'_>, boot: Option<MacAddress>, findings: &mut Findings<'_>) {
    let Some(boot) = boot else { return };
    let parsed = macs.node.entries().iter().filter_map(|entry| MacAddress::parse(entry.value.text()?).ok());
    if !parsed.into_iter().any(|mac| mac == boot) {
        let message = format!("`{}`: none is the node's bootMACAddress", macs.path);
        findings.warning("network-boot-mac", macs.mark(), message);
    }
}
