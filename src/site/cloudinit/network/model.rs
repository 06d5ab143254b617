//! What a network configuration of any format asks for, and the checks that do not depend on the format.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::address::{Subnet, is_link_local};
use super::findings::Findings;
use crate::site::cloudinit::node::MacAddress;
use crate::site::yaml::{Mark, key_name};

/// A value, the place it was read from and the path of that place.
#[derive(Clone)]
pub(super) struct Placed<T> {
    pub value: T,
    pub mark: Mark,
    pub path: String,
}

impl<T> Placed<T> {
    pub fn new(value: T, mark: Mark, path: impl Into<String>) -> Self {
        Self { value, mark, path: path.into() }
    }
}

/// All interfaces, in the order of the input.
#[derive(Default)]
pub(super) struct Network {
    pub interfaces: Vec<Interface>,
}

/// One interface.
pub(super) struct Interface {
    /// What other interfaces refer to it by.
    pub id: Placed<String>,
    pub kind: Kind,
    /// The address by which an ethernet is found, or that another kind is given.
    pub mac: Option<Placed<MacAddress>>,
    pub mtu: Option<Placed<u32>>,
    pub dhcp4: bool,
    pub dhcp6: bool,
    pub accept_ra: Option<bool>,
    pub addresses: Vec<Placed<Subnet>>,
    pub gateways: Vec<Placed<IpAddr>>,
    pub routes: Vec<Placed<Route>>,
    pub dns: Dns,
}

/// What an interface is.
pub(super) enum Kind {
    /// With the name that it is given, if any.
    Ethernet {
        set_name: Option<String>,
    },
    /// Parameters under the names that netplan has for them.
    Bond {
        members: Vec<Placed<String>>,
        parameters: Vec<Parameter>,
    },
    Bridge {
        members: Vec<Placed<String>>,
        parameters: Vec<Parameter>,
    },
    Vlan {
        number: u32,
        link: Placed<String>,
    },
    /// What only netplan knows.
    Other,
}

/// A parameter of a bond or bridge.
pub(super) struct Parameter {
    /// What netplan calls it.
    pub name: &'static str,
    /// A number or a word; a bridge's as YAML.
    pub value: String,
    pub mark: Mark,
    pub path: String,
}

/// A route; the gateway alone is what the checks are about.
pub(super) struct Route {
    pub to: Option<Subnet>,
    pub via: IpAddr,
    pub metric: Option<u32>,
    /// Whether the gateway is a neighbour by decree.
    pub on_link: bool,
}

/// Name servers and search domains.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Dns {
    pub addresses: Vec<String>,
    pub search: Vec<String>,
}

impl Interface {
    /// An interface without any configuration.
    pub fn new(id: Placed<String>, kind: Kind) -> Self {
        Self {
            id,
            kind,
            mac: None,
            mtu: None,
            dhcp4: false,
            dhcp6: false,
            accept_ra: None,
            addresses: Vec::new(),
            gateways: Vec::new(),
            routes: Vec::new(),
            dns: Dns::default(),
        }
    }

    /// The interfaces that this one is made of, or stands on.
    fn references(&self) -> (&'static str, &[Placed<String>]) {
        match &self.kind {
            Kind::Bond { members, .. } => ("network-bond-link", members),
            Kind::Bridge { members, .. } => ("network-bridge-link", members),
            Kind::Vlan { link, .. } => ("network-vlan-link", std::slice::from_ref(link)),
            Kind::Ethernet { .. } | Kind::Other => ("", &[]),
        }
    }
}

impl Network {
    /// Everything that can be said without knowing the format.
    pub fn check(&self, boot_mac: Option<MacAddress>, findings: &mut Findings<'_>) {
        self.check_ids(findings);
        self.check_references(findings);
        self.check_macs(findings);
        self.check_addresses(findings);
        self.interfaces.iter().for_each(|interface| interface.check(findings));
        if let Some(mac) = boot_mac {
            self.check_boot(mac, findings);
        }
    }

    /// Of two interfaces with one name the later is the only one left.
    fn check_ids(&self, findings: &mut Findings<'_>) {
        let mut seen = HashSet::new();
        let set_name = |interface: &Interface| match &interface.kind {
            Kind::Ethernet { set_name } => set_name.clone(),
            _ => None,
        };
        for interface in &self.interfaces {
            let id = interface.id.value.clone();
            let name = set_name(interface).unwrap_or_else(|| id.clone());
            let is_new = seen.insert(name.clone()) && (name == id || seen.insert(id));
            if !is_new {
                let message = format!("`{}`: another interface has this name", interface.id.path);
                findings.error("network-duplicate-id", interface.id.mark, message);
            }
        }
    }

    /// Bonds, bridges and VLANs of interfaces that are there, each in one of them.
    fn check_references(&self, findings: &mut Findings<'_>) {
        let known: HashSet<_> = self.interfaces.iter().map(|interface| &interface.id.value).collect();
        let mut taken = HashSet::new();
        for interface in &self.interfaces {
            let (code, references) = interface.references();
            for reference in references {
                let path = &reference.path;
                let is_own = reference.value == interface.id.value;
                if !known.contains(&reference.value) || is_own {
                    findings.error(code, reference.mark, format!("`{path}`: there is no such interface"));
                } else if !matches!(interface.kind, Kind::Vlan { .. }) && !taken.insert(&reference.value) {
                    let message = format!("`{path}`: the interface is in a bond or bridge already");
                    findings.error("network-member-twice", reference.mark, message);
                }
            }
        }
    }

    /// A bond or VLAN may have the address of an ethernet, two ethernets may not have the same.
    fn check_macs(&self, findings: &mut Findings<'_>) {
        let mut seen = HashSet::new();
        let ethernets = self.interfaces.iter().filter(|one| matches!(one.kind, Kind::Ethernet { .. }));
        for mac in ethernets.filter_map(|interface| interface.mac.as_ref()) {
            if !seen.insert(mac.value) {
                let message = format!("`{}`: another interface has this address", mac.path);
                findings.error("network-duplicate-mac", mac.mark, message);
            }
        }
    }

    fn check_addresses(&self, findings: &mut Findings<'_>) {
        let mut seen: HashMap<IpAddr, &str> = HashMap::new();
        for address in self.interfaces.iter().flat_map(|interface| &interface.addresses) {
            match seen.get(&address.value.ip) {
                Some(first) => {
                    let message = format!("`{}`: is the address of `{first}` too", address.path);
                    findings.warning("network-duplicate-address", address.mark, message);
                }
                None => drop(seen.insert(address.value.ip, &address.path)),
            }
        }
    }

    /// Says nothing where an ethernet is found by something else: it may be the one that boots.
    fn check_boot(&self, boot: MacAddress, findings: &mut Findings<'_>) {
        let is_ethernet = |one: &&Interface| matches!(one.kind, Kind::Ethernet { .. } | Kind::Other);
        let ethernets: Vec<_> = self.interfaces.iter().filter(is_ethernet).collect();
        let may_be = |one: &&Interface| one.mac.as_ref().is_none_or(|mac| mac.value == boot);
        if ethernets.is_empty() || !ethernets.iter().any(may_be) {
            let message = "no interface has the node's bootMACAddress";
            findings.warning("network-boot-mac", Mark::new(1, 1), message);
        }
    }
}

impl Interface {
    fn check(&self, findings: &mut Findings<'_>) {
        for gateway in &self.gateways {
            self.check_gateway(gateway.value, gateway.mark, &gateway.path, findings);
        }
        for route in self.routes.iter().filter(|route| !route.value.on_link) {
            self.check_gateway(route.value.via, route.mark, &route.path, findings);
        }
        let has_ipv6 = self.dhcp6 || self.addresses.iter().any(|address| address.value.ip.is_ipv6());
        if let Some(mtu) = self.mtu.as_ref().filter(|mtu| has_ipv6 && mtu.value < 1280) {
            // RFC 8200, 5: the kernel takes IPv6 off an interface with a smaller one
            let message = format!("`{}`: is too small for IPv6, which takes 1280", mtu.path);
            findings.warning("network-mtu-ipv6", mtu.mark, message);
        }
        if let Kind::Bond { members, parameters } = &self.kind {
            self.check_bond(members, parameters, findings);
        }
    }

    fn check_bond(&self, members: &[Placed<String>], parameters: &[Parameter], findings: &mut Findings<'_>) {
        if members.is_empty() {
            let message = format!("`{}`: the bond has no links", self.id.path);
            findings.warning("network-bond-empty", self.id.mark, message);
        }
        let is_member = |parameter: &Parameter| members.iter().any(|member| member.value == parameter.value);
        for primary in parameters.iter().filter(|one| one.name == "primary" && !is_member(one)) {
            let message = format!("`{}`: is no interface of the bond", primary.path);
            findings.error("network-bond-primary", primary.mark, message);
        }
    }

    /// A gateway has to be a neighbour. With DHCP the subnet is not known yet.
    fn check_gateway(&self, ip: IpAddr, mark: Mark, path: &str, findings: &mut Findings<'_>) {
        let is_dynamic = if ip.is_ipv4() { self.dhcp4 } else { self.dhcp6 || self.accept_ra == Some(true) };
        let is_near = self.addresses.iter().any(|address| address.value.contains(ip));
        if !is_near && !is_dynamic && !is_link_local(ip) {
            let message = format!("`{path}`: the gateway is outside of every subnet of its interface");
            findings.warning("network-gateway-outside", mark, message);
        }
    }
}

/// One step of a path, for an interface that is called by a key.
pub(super) fn step(section: &str, key: &str) -> String {
    match key_name(key).strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
        Some(name) => format!("{section}.{name}"),
        None => section.to_owned(),
    }
}
