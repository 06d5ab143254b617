//! Network-config v2, which cloud-init hands to netplan as it is.

use std::net::IpAddr;

use super::address::Subnet;
use super::findings::Findings;
use super::item::{Item, check_name, not_an_address, wrong_type};
use super::model::{Interface, Kind, Network, Parameter, Placed, Route, step};
use super::openstack::{sound_addresses, sound_domains};
use super::{bond, bridge, netplan};
use crate::site::yaml::{Mark, Node};

/// Sections with interfaces of which only what all have in common is checked.
const OTHERS: [&str; 8] =
    ["wifis", "modems", "tunnels", "vrfs", "dummy-devices", "virtual-ethernets", "nm-devices", "openvswitch"];
/// Keys of all interfaces in netplan 0.106, the version of Debian 12, and of their kinds.
const KEYS: [&str; 44] = [
    "renderer",
    "dhcp4",
    "dhcp6",
    "dhcp4-overrides",
    "dhcp6-overrides",
    "ipv6-mtu",
    "ipv6-privacy",
    "link-local",
    "ignore-carrier",
    "critical",
    "dhcp-identifier",
    "accept-ra",
    "addresses",
    "ipv6-address-generation",
    "ipv6-address-token",
    "gateway4",
    "gateway6",
    "nameservers",
    "macaddress",
    "mtu",
    "optional",
    "optional-addresses",
    "activation-mode",
    "routes",
    "routing-policy",
    "neigh-suppress",
    "match",
    "set-name",
    "wakeonlan",
    "emit-lldp",
    "receive-checksum-offload",
    "transmit-checksum-offload",
    "tcp-segmentation-offload",
    "tcp6-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
    "auth",
    "openvswitch",
    "interfaces",
    "parameters",
    "id",
    "link",
    "virtual-function-count",
];
/// Less common keys of ethernets.
const MORE_KEYS: [&str; 6] = [
    "embedded-switch-mode",
    "delay-virtual-functions-rebind",
    "infiniband-mode",
    "networkmanager",
    "access-points",
    "hairpin",
];

/// Reads the sections below the root or below `network`.
pub(super) fn read(root: &Node, findings: &mut Findings<'_>) -> Network {
    let (section, path) = match root.get("network").filter(|_| root.get("version").is_none()) {
        Some(network) => (network, "network"),
        None => (root, ""),
    };
    let mut network = Network::default();
    let Some(section) = Item::of(section, path, findings) else { return network };
    let sections = ["version", "renderer", "ethernets", "bonds", "bridges", "vlans"];
    section.warn_refused(|key| sections.contains(&key) || OTHERS.contains(&key), findings);
    netplan::check_nulls(section.node, &section.path, findings);
    netplan::check_renderer(&section, findings);
    for kind in sections[2..].iter().chain(&OTHERS).copied().filter(|kind| *kind != "openvswitch") {
        let Some(devices) = section.section(kind, findings) else { continue };
        for entry in devices.node.entries() {
            let path = step(&devices.path, &entry.key);
            // that netplan takes no null was said already
            if entry.value.is_null() {
                continue;
            }
            if let Some(item) = Item::of(&entry.value, path, findings) {
                let id = Placed::new(entry.key.clone(), entry.key_mark, &*item.path);
                network.interfaces.push(interface(kind, id, &item, findings));
            }
        }
    }
    network
}

fn interface(section: &str, id: Placed<String>, item: &Item<'_>, findings: &mut Findings<'_>) -> Interface {
    let kind = match section {
        "ethernets" => ethernet(&id, item, findings),
        "bonds" => bond(item, findings),
        "bridges" => {
            if let Some(parameters) = item.section("parameters", findings) {
                parameters.warn_refused(bridge::is_netplan, findings);
            }
            Kind::Bridge { members: members(item, findings), parameters: Vec::new() }
        }
        "vlans" => vlan(item, findings),
        _ => Kind::Other,
    };
    let is_ethernet = matches!(kind, Kind::Ethernet { .. });
    if matches!(kind, Kind::Other) {
        netplan::check_matched_id(&id, findings);
    } else {
        if !is_ethernet {
            check_name(&id.value, id.mark, &id.path, findings);
        }
        item.warn_refused(|key| KEYS.contains(&key) || MORE_KEYS.contains(&key), findings);
    }
    let mut interface = Interface::new(id, kind);
    interface.mac =
        if is_ethernet { matched(item, findings) } else { placed_mac(item, "macaddress", findings) };
    if is_ethernet {
        item.mac("macaddress", findings);
    }
    configure(&mut interface, item, findings);
    netplan::check_id(&interface.id, findings);
    netplan::check_renderer(item, findings);
    netplan::check_booleans(item, findings);
    interface
}

/// What all interfaces have in common.
fn configure(interface: &mut Interface, item: &Item<'_>, findings: &mut Findings<'_>) {
    let mtu = item.mtu("mtu", findings);
    interface.mtu = mtu.map(|mtu| Placed::new(mtu, item.mark_of("mtu"), item.path("mtu")));
    interface.dhcp4 = item.boolean("dhcp4", findings).unwrap_or(false);
    interface.dhcp6 = item.boolean("dhcp6", findings).unwrap_or(false);
    interface.accept_ra = item.boolean("accept-ra", findings);
    interface.addresses = addresses(item, findings);
    for (key, is_ipv4) in [("gateway4", true), ("gateway6", false)] {
        let Some(ip) = item.ip(key, findings) else { continue };
        if ip.is_ipv4() == is_ipv4 {
            interface.gateways.push(Placed::new(ip, item.mark_of(key), item.path(key)));
        } else {
            let message = format!("`{}`: is an address of the other family", item.path(key));
            findings.error("network-gateway-family", item.mark_of(key), message);
        }
    }
    let routes = item.items("routes", findings);
    interface.routes = routes.iter().filter_map(|route| read_route(route, findings)).collect();
    if let Some(servers) = item.section("nameservers", findings) {
        servers.warn_refused(|key| ["addresses", "search"].contains(&key), findings);
        let texts = servers.texts("addresses", findings);
        interface.dns.addresses = sound_addresses(texts, &servers.path("addresses"), findings);
        let texts = servers.texts("search", findings);
        interface.dns.search = sound_domains(texts, &servers.path("search"), findings);
    }
}

/// By what an ethernet is found, and what it is called then.
fn ethernet(id: &Placed<String>, item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    let matched = item.section("match", findings);
    if let Some(matched) = &matched {
        matched.warn_refused(|key| ["name", "macaddress", "driver"].contains(&key), findings);
        netplan::check_matched_id(id, findings);
    } else {
        check_name(&id.value, id.mark, &id.path, findings);
    }
    let name = item.text("set-name", findings);
    if let Some(name) = name {
        check_name(name, item.mark_of("set-name"), &item.path("set-name"), findings);
        if matched.is_none() {
            let message = format!("`{}`: netplan takes it only beside `match`", item.path("set-name"));
            findings.error("network-set-name", item.mark_of("set-name"), message);
        }
    }
    Kind::Ethernet { set_name: name.map(str::to_owned) }
}

fn matched(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Placed<super::MacAddress>> {
    // that it is a mapping was checked with the rest of it
    let matched = item.get("match").filter(|node| node.is_mapping())?;
    placed_mac(&Item { node: matched, path: item.path("match") }, "macaddress", findings)
}

fn placed_mac(item: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Option<Placed<super::MacAddress>> {
    // words of newer netplan versions
    if matches!(item.get(key).and_then(Node::text), Some("permanent" | "random" | "stable" | "preserve")) {
        return None;
    }
    let mac = item.mac(key, findings)?;
    Some(Placed::new(mac, item.mark_of(key), item.path(key)))
}

fn bond(item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    let members = members(item, findings);
    let section = item.section("parameters", findings);
    let Some(section) = section else {
        bond::check_mode(item, &["parameters"], findings);
        return Kind::Bond { members, parameters: Vec::new() };
    };
    section.warn_refused(bond::is_netplan, findings);
    bond::check_mode(&section, &["mode"], findings);
    let mode = section.get("mode").map(|node| (node, section.path("mode")));
    mode.into_iter().for_each(|(node, path)| drop(bond::mode(node, &path, findings)));
    let primary = section.text("primary", findings).map(|text| Parameter {
        name: "primary",
        value: text.to_owned(),
        mark: section.mark_of("primary"),
        path: section.path("primary"),
    });
    Kind::Bond { members, parameters: primary.into_iter().collect() }
}

fn vlan(item: &Item<'_>, findings: &mut Findings<'_>) -> Kind {
    if item.get("id").is_none() {
        item.missing("id", findings);
    }
    let number = item.vlan("id", findings).unwrap_or(0);
    let link = item.required("link", findings).unwrap_or_default().to_owned();
    Kind::Vlan { number, link: Placed::new(link, item.mark_of("link"), item.path("link")) }
}

fn members(item: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Placed<String>> {
    let path = item.path("interfaces");
    let texts = item.texts("interfaces", findings).into_iter().enumerate();
    texts
        .map(|(index, (name, mark))| Placed::new(name.to_owned(), mark, format!("{path}[{index}]")))
        .collect()
}

/// Addresses with their prefix length, each alone or as the key of its options.
fn addresses(item: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Placed<Subnet>> {
    let mut addresses = Vec::new();
    for (index, node) in item.list("addresses", findings).iter().enumerate() {
        let path = format!("{}[{index}]", item.path("addresses"));
        let text = match (node.text(), node.entries()) {
            (Some(text), _) => text,
            (None, [only]) => {
                options(&only.value, &path, findings);
                only.key.as_str()
            }
            _ => {
                wrong_type(node, &path, "a string", findings);
                continue;
            }
        };
        addresses
            .extend(address(text, node.mark, &path, findings).map(|one| Placed::new(one, node.mark, path)));
    }
    addresses
}

/// The options of an address.
fn options(node: &Node, path: &str, findings: &mut Findings<'_>) {
    if let Some(options) = Item::of(node, path, findings) {
        options.warn_refused(|key| ["label", "lifetime"].contains(&key), findings);
        for key in ["label", "lifetime"] {
            options.text(key, findings);
        }
    }
}

/// netplan, unlike cloud-init, guesses no prefix, and takes no mask for one.
fn address(text: &str, mark: Mark, path: &str, findings: &mut Findings<'_>) -> Option<Subnet> {
    let Some((_, prefix)) = text.split_once('/') else {
        if text.parse::<IpAddr>().is_ok() {
            let message = format!("`{path}`: the address has no prefix length, such as /24");
            findings.error("network-prefix-missing", mark, message);
        } else {
            not_an_address(mark, path, findings);
        }
        return None;
    };
    match Subnet::parse(text, None) {
        Ok(subnet) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => Some(subnet),
        Err(super::address::Wrong::Address) => {
            not_an_address(mark, path, findings);
            None
        }
        _ => {
            let message = format!("`{path}`: is no netmask or prefix length");
            findings.error("network-netmask", mark, message);
            None
        }
    }
}

/// A route; one without a gateway is none for the checks.
fn read_route(item: &Item<'_>, findings: &mut Findings<'_>) -> Option<Placed<Route>> {
    let known = [
        "to",
        "via",
        "metric",
        "on-link",
        "table",
        "type",
        "scope",
        "from",
        "mtu",
        "congestion-window",
        "advertised-receive-window",
        "advmss",
    ];
    item.warn_refused(|key| known.contains(&key), findings);
    let to = item.required("to", findings).filter(|to| *to != "default");
    let to = to.and_then(|to| match Subnet::parse(to, Some(if to.contains(':') { "128" } else { "32" })) {
        Ok(subnet) => Some(subnet),
        Err(_) => {
            not_an_address(item.mark_of("to"), &item.path("to"), findings);
            None
        }
    });
    let scope = item.text("scope", findings);
    let kind = item.text("type", findings);
    if item.get("via").is_none() && scope != Some("link") && matches!(kind, None | Some("unicast")) {
        item.missing("via", findings);
    }
    let on_link = item.boolean("on-link", findings).unwrap_or(false);
    let via = item.ip("via", findings)?;
    let metric = item.metric(findings);
    if to.is_some_and(|to| to.ip.is_ipv4() != via.is_ipv4()) {
        let message = format!("`{}`: is an address of another family than the target", item.path("via"));
        findings.error("network-route-family", item.mark_of("via"), message);
    }
    Some(Placed::new(Route { to, via, metric, on_link }, item.mark_of("via"), item.path("via")))
}
