//! Network-config v1, read as cloud-init 22.4 does (`cloudinit/net/network_state.py`).

use std::collections::HashSet;

use super::findings::Findings;
use super::item::{Item, wrong_type};
use super::model::{Dns, Interface, Kind, Network, Placed};
use super::openstack::networks::{read_route, set_gateway};
use super::openstack::{give_dns, sound_addresses, sound_domains};
use super::{bond, bridge, netplan};
use crate::site::yaml::{Mark, Node};

const INTERFACES: [&str; 6] = ["physical", "loopback", "infiniband", "vlan", "bond", "bridge"];
const KEYS: [&str; 13] = [
    "type",
    "name",
    "mac_address",
    "mtu",
    "subnets",
    "params",
    "accept-ra",
    "wakeonlan",
    "vlan_id",
    "vlan_link",
    "bond_interfaces",
    "bridge_interfaces",
    "id",
];

/// Reads `config` below the root or below `network`.
pub(super) fn read(root: &Node, findings: &mut Findings<'_>) -> Network {
    let (section, path) = match root.get("network").filter(|_| root.get("version").is_none()) {
        Some(network) => (network, "network"),
        None => (root, ""),
    };
    let Some(section) = Item::of(section, path, findings) else { return Network::default() };
    match section.get("config") {
        // cloud-init's word for leaving the network alone
        Some(config) if config.text() == Some("disabled") => return Network::default(),
        Some(_) => {}
        None => section.missing("config", findings),
    }
    let items = section.items("config", findings);
    let mut interfaces: Vec<_> = items.iter().filter_map(|item| interface(item, findings)).collect();
    let names: HashSet<String> = interfaces.iter().map(|one| one.id.value.clone()).collect();
    let dns = servers(&items, &names, findings);
    give_dns(dns, section.mark_of("config"), &mut interfaces, findings);
    Network { interfaces }
}

/// An item that is an interface, and the checks of those that are none.
fn interface(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Interface> {
    match item.required("type", findings)? {
        "route" => {
            if item.get("destination").is_none() {
                item.missing("destination", findings);
            } else if let Some(route) = read_route(item, findings) {
                // its renderer for netplan never looks at them
                let message = format!("`{}`: cloud-init leaves out routes that are in no subnet", item.path);
                findings.warning("network-ignored", route.mark, message);
            }
            None
        }
        "nameserver" => None,
        kind if INTERFACES.contains(&kind) => read_interface(kind, item, findings),
        _ => {
            let message = format!(
                "`{}`: unknown type; expected physical, bond, vlan, bridge, nameserver or route",
                item.path("type")
            );
            findings.error("network-config-type", item.mark_of("type"), message);
            None
        }
    }
}

fn read_interface(kind: &str, item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Interface> {
    item.warn_unknown(|key| KEYS.contains(&key), findings);
    let name = item.required("name", findings)?;
    netplan::check_converted_name(name, item.mark_of("name"), &item.path("name"), findings);
    let has_mac = item.get("mac_address").is_some();
    let kind = match kind {
        "bond" => bond(item, findings),
        "bridge" => bridge(item, findings),
        "vlan" => vlan(item, findings),
        "loopback" => Kind::Other,
        "infiniband" => {
            let message = format!("`{}`: cloud-init leaves it out for netplan", item.path("type"));
            findings.warning("network-ignored", item.mark_of("type"), message);
            Kind::Other
        }
        _ => Kind::Ethernet { set_name: has_mac.then(|| name.to_owned()) },
    };
    let mut interface =
        Interface::new(Placed::new(name.to_owned(), item.mark_of("name"), item.path("name")), kind);
    let mac = item.mac("mac_address", findings);
    interface.mac = mac.map(|mac| Placed::new(mac, item.mark_of("mac_address"), item.path("mac_address")));
    let mtu = item.mtu("mtu", findings);
    interface.mtu = mtu.map(|mtu| Placed::new(mtu, item.mark_of("mtu"), item.path("mtu")));
    interface.accept_ra = item.boolean("accept-ra", findings);
    for subnet in item.items("subnets", findings) {
        subnet.check_nulls(&["routes"], "a list", findings);
        read_subnet(&subnet, &mut interface, findings);
    }
    Some(interface)
}

fn bond(item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    let members = members(item, "bond_interfaces", findings);
    if item.get("params").is_none() {
        item.missing("params", findings);
    }
    let parameters = item.section("params", findings).map(|params| {
        params.warn_unknown(bond::is_known, findings);
        bond::check_mode(&params, &["bond-mode", "bond_mode"], findings);
        bond::parameters(&params, findings)
    });
    Kind::Bond { members, parameters: parameters.unwrap_or_default() }
}

fn bridge(item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    let members = members(item, "bridge_interfaces", findings);
    item.check_nulls(&["params"], "a mapping", findings);
    let params = item.section("params", findings);
    let parameters = params.map(|params| bridge::parameters(&params, findings)).unwrap_or_default();
    Kind::Bridge { members, parameters }
}

fn vlan(item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    if item.get("vlan_id").is_none() {
        item.missing("vlan_id", findings);
    }
    let number = item.vlan("vlan_id", findings).unwrap_or(0);
    let link = item.required("vlan_link", findings).unwrap_or_default().to_owned();
    Kind::Vlan { number, link: Placed::new(link, item.mark_of("vlan_link"), item.path("vlan_link")) }
}

/// The interfaces of a bond or bridge, which have to be named.
fn members(item: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<Placed<String>> {
    if item.get(key).is_none() {
        item.missing(key, findings);
    }
    let path = item.path(key);
    let texts = item.texts(key, findings).into_iter().enumerate();
    texts
        .map(|(index, (name, mark))| Placed::new(name.to_owned(), mark, format!("{path}[{index}]")))
        .collect()
}

fn read_subnet(item: &Item<'_>, interface: &mut Interface, findings: &mut Findings<'_>) {
    match item.required("type", findings) {
        Some("static" | "static6") => fixed(item, interface, findings),
        Some("dhcp" | "dhcp4") => interface.dhcp4 = true,
        Some("dhcp6" | "ipv6_slaac" | "ipv6_dhcpv6-stateless" | "ipv6_dhcpv6-stateful") => {
            interface.dhcp6 = true;
        }
        Some("manual") | None => {}
        Some(_) => {
            let message = format!(
                "`{}`: unknown subnet type; expected static, static6, dhcp4, dhcp6, ipv6_slaac or manual",
                item.path("type")
            );
            findings.error("network-network-type", item.mark_of("type"), message);
        }
    }
}

fn fixed(item: &Item<'_>, interface: &mut Interface, findings: &mut Findings<'_>) {
    if let Some(subnet) = item.subnet("address", "netmask", findings) {
        interface.addresses.push(Placed::new(subnet, item.mark_of("address"), item.path("address")));
    }
    if let Some(mtu) = item.mtu("mtu", findings) {
        // the renderer for netplan prefers it to that of the interface
        interface.mtu = Some(Placed::new(mtu, item.mark_of("mtu"), item.path("mtu")));
    }
    if let Some(gateway) = item.ip("gateway", findings) {
        let placed = Placed::new(gateway, item.mark_of("gateway"), item.path("gateway"));
        set_gateway(interface, placed, findings);
    }
    for route in item.items("routes", findings) {
        interface.routes.extend(read_route(&route, findings));
    }
    let servers = texts(item, "dns_nameservers", findings);
    let servers = sound_addresses(servers, &item.path("dns_nameservers"), findings);
    interface.dns.addresses.extend(servers);
    let search = texts(item, "dns_search", findings);
    interface.dns.search.extend(sound_domains(search, &item.path("dns_search"), findings));
}

/// A list, or texts separated by spaces.
fn texts<'n>(item: &Item<'n>, key: &str, findings: &mut Findings<'_>) -> Vec<(&'n str, Mark)> {
    match item.get(key) {
        Some(node) if node.items().is_some() => item.texts(key, findings),
        Some(node) if node.text().is_none() => {
            wrong_type(node, &item.path(key), "a list", findings);
            Vec::new()
        }
        Some(node) => {
            let text = node.text().unwrap_or_default();
            text.split_whitespace().map(|part| (part, node.mark)).collect()
        }
        None => Vec::new(),
    }
}

/// The name servers of all interfaces. Those of one interface are checked; its renderer for netplan
/// leaves them out.
fn servers(items: &[Item<'_>], names: &HashSet<String>, findings: &mut Findings<'_>) -> Dns {
    let mut dns = Dns::default();
    let is_nameserver = |item: &&Item<'_>| item.get("type").and_then(Node::text) == Some("nameserver");
    for item in items.iter().filter(is_nameserver) {
        if item.get("address").is_none() {
            item.missing("address", findings);
        }
        let addresses = texts(item, "address", findings);
        let addresses = sound_addresses(addresses, &item.path("address"), findings);
        item.check_nulls(&["search"], "a list", findings);
        let search = texts(item, "search", findings);
        let search = sound_domains(search, &item.path("search"), findings);
        match item.text("interface", findings) {
            None => {
                dns.addresses.extend(addresses);
                dns.search.extend(search);
            }
            Some(name) if names.contains(name) => {
                let message =
                    format!("`{}`: cloud-init leaves out the name servers of one interface", item.path);
                findings.warning("network-ignored", item.mark(), message);
            }
            Some(_) => {
                let message = format!("`{}`: there is no such interface", item.path("interface"));
                findings.error("network-reference", item.mark_of("interface"), message);
            }
        }
    }
    dns
}
