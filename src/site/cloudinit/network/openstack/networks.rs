//! `networks`: what addresses the links have.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::super::findings::Findings;
use super::super::item::Item;
use super::super::model::{Interface, Placed, Route};
use super::links::Link;
use super::{sound_addresses, sound_domains};
use crate::site::yaml::{Mark, Node};

/// What cloud-init reads of a network, and what OpenStack writes besides.
const KEYS: [&str; 17] = [
    "id",
    "network_id",
    "type",
    "link",
    "ip_address",
    "netmask",
    "gateway",
    "routes",
    "dns_nameservers",
    "dns_search",
    "broadcast",
    "metric",
    "pointopoint",
    "scope",
    "address",
    "mac_address",
    "tenant_id",
];

/// How a network's address is had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Static,
    Static6,
    Dhcp4,
    Dhcp6,
    /// From router advertisements; cloud-init asks by DHCPv6 as well.
    Slaac,
    /// DHCPv6, and router advertisements are taken.
    Dhcp6Advertised,
}

/// Adds each network to its link.
pub(super) fn add(root: &Item<'_>, links: &mut [Link], findings: &mut Findings<'_>) {
    let mut ids = HashSet::new();
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, link) in links.iter().enumerate() {
        by_id.entry(link.id.clone()).or_default().push(index);
    }
    for item in root.items("networks", findings) {
        item.warn_unknown(|key| KEYS.contains(&key), findings);
        item.check_nulls(&["routes"], "a list", findings);
        if item.text("id", findings).is_some_and(|id| !ids.insert(id)) {
            let message = format!("`{}`: another network has this id", item.path("id"));
            findings.warning("network-duplicate-network", item.mark_of("id"), message);
        }
        let kind = kind(&item, findings);
        let Some(link) = item.required("link", findings) else { continue };
        match by_id.get(link).map(Vec::as_slice) {
            Some([first, ..]) => {
                if let (Some(kind), Some(link)) = (kind, links.get_mut(*first)) {
                    configure(kind, &item, &mut link.interface, findings);
                }
            }
            _ => {
                let message =
                    format!("`{}`: there is no such link; the network is left out", item.path("link"));
                findings.warning("network-unknown-link", item.mark_of("link"), message);
            }
        }
    }
}

fn kind(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Type> {
    Some(match item.required("type", findings)? {
        "ipv4" | "static" => Type::Static,
        "ipv6" | "static6" => Type::Static6,
        // the latter two are names of network-config v1 that pass through
        "ipv4_dhcp" | "dhcp4" | "dhcp" => Type::Dhcp4,
        "dhcp6" | "ipv6_dhcpv6-stateless" => Type::Dhcp6,
        "ipv6_dhcp" | "ipv6_dhcpv6-stateful" => Type::Dhcp6Advertised,
        "ipv6_slaac" => Type::Slaac,
        _ => {
            let message = format!(
                "`{}`: unknown network type; expected ipv4, ipv4_dhcp, ipv6, ipv6_dhcp, ipv6_slaac, \
                 ipv6_dhcpv6-stateless or ipv6_dhcpv6-stateful",
                item.path("type")
            );
            findings.error("network-network-type", item.mark_of("type"), message);
            return None;
        }
    })
}

/// As cloud-init's renderer for netplan does it (`_extract_addresses`): what belongs to a static address
/// is left out where there is none.
fn configure(kind: Type, item: &Item<'_>, interface: &mut Interface, findings: &mut Findings<'_>) {
    match kind {
        Type::Static6 => interface.accept_ra = Some(false),
        Type::Dhcp6Advertised => interface.accept_ra = Some(true),
        Type::Static | Type::Dhcp4 | Type::Dhcp6 | Type::Slaac => {}
    }
    match kind {
        Type::Dhcp4 => interface.dhcp4 = true,
        Type::Dhcp6 | Type::Slaac | Type::Dhcp6Advertised => interface.dhcp6 = true,
        Type::Static | Type::Static6 => return fixed(kind, item, interface, findings),
    }
    // cloud-init reads the routes nevertheless, and fails at wrong ones
    item.items("routes", findings).iter().for_each(|route| drop(read_route(route, findings)));
    for key in ["routes", "dns_nameservers", "dns_search", "gateway"] {
        let is_empty = |node: &Node| node.items().is_some_and(<[Node]>::is_empty) || node.text() == Some("");
        if let Some(node) = item.get(key).filter(|node| !is_empty(node)) {
            let message =
                format!("`{}`: cloud-init leaves it out where the address is not static", item.path(key));
            findings.warning("network-ignored", node.mark, message);
        }
    }
}

/// A network with an address that is written.
fn fixed(kind: Type, item: &Item<'_>, interface: &mut Interface, findings: &mut Findings<'_>) {
    if let Some(subnet) = item.subnet("ip_address", "netmask", findings) {
        let (mark, path) = (item.mark_of("ip_address"), item.path("ip_address"));
        if subnet.ip.is_ipv6() != (kind == Type::Static6) {
            let family = if kind == Type::Static6 { "IPv6" } else { "IPv4" };
            let message = format!("`{path}`: is no {family} address, as the network's type says");
            findings.warning("network-address-family", mark, message);
        }
        interface.addresses.push(Placed::new(subnet, mark, path));
    }
    if item.text("gateway", findings).is_some_and(|text| !text.is_empty())
        && let Some(gateway) = item.ip("gateway", findings)
    {
        let placed = Placed::new(gateway, item.mark_of("gateway"), item.path("gateway"));
        set_gateway(interface, placed, findings);
    }
    interface
        .routes
        .extend(item.items("routes", findings).iter().filter_map(|route| read_route(route, findings)));
    let servers = listed(item, "dns_nameservers", findings);
    let servers = sound_addresses(servers, &item.path("dns_nameservers"), findings);
    interface.dns.addresses.extend(servers);
    let search = listed(item, "dns_search", findings);
    interface.dns.search.extend(sound_domains(search, &item.path("dns_search"), findings));
}

/// An interface has one gateway of each family: the last.
pub(in super::super) fn set_gateway(
    interface: &mut Interface,
    gateway: Placed<IpAddr>,
    findings: &mut Findings<'_>,
) {
    let same = |other: &Placed<IpAddr>| other.value.is_ipv4() == gateway.value.is_ipv4();
    if interface.gateways.iter().any(|other| same(other) && other.value != gateway.value) {
        let message = format!("`{}`: replaces an earlier gateway of the interface", gateway.path);
        findings.warning("network-gateway-twice", gateway.mark, message);
    }
    interface.gateways.retain(|other| !same(other));
    interface.gateways.push(gateway);
}

/// A list, or texts separated by spaces.
fn listed<'n>(item: &Item<'n>, key: &str, findings: &mut Findings<'_>) -> Vec<(&'n str, Mark)> {
    match item.get(key) {
        Some(node) if node.items().is_some() => item.texts(key, findings),
        Some(node) => {
            let text = item.text(key, findings).unwrap_or_default();
            text.split_whitespace().map(|part| (part, node.mark)).collect()
        }
        None => Vec::new(),
    }
}

/// A route with its target and gateway, in the keys of network_data.
pub(in super::super) fn read_route(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Placed<Route>> {
    let known = ["network", "netmask", "gateway", "metric", "prefix", "destination", "type"];
    item.warn_unknown(|key| known.contains(&key), findings);
    let target = if item.get("destination").is_some() { "destination" } else { "network" };
    let mask = if item.get("prefix").is_some() { "prefix" } else { "netmask" };
    let to = item.subnet(target, mask, findings);
    if item.get("gateway").is_none() {
        item.missing("gateway", findings);
    }
    let via = item.ip("gateway", findings);
    let metric = item.metric(findings);
    let route = Route { to: Some(to?), via: via?, metric, on_link: false };
    Some(Placed::new(route, item.mark_of("gateway"), item.path("gateway")))
}
