//! `links`: physical interfaces, bonds and VLANs, and the names that cloud-init gives them.

use std::collections::{HashMap, HashSet};

use super::super::findings::Findings;
use super::super::item::{Item, is_interface_name};
use super::super::model::{Interface, Kind, Placed};
use super::super::{bond, netplan};
use super::Names;

/// A link's `id`, by which networks refer to it, and what becomes of it.
pub(super) struct Link {
    pub id: String,
    pub interface: Interface,
}

/// `KNOWN_PHYSICAL_TYPES`; any other is treated as physical, with a warning.
const PHYSICAL: [&str; 12] = [
    "bgpovs",
    "bridge",
    "cascading",
    "dvs",
    "ethernet",
    "hw_veb",
    "hyperv",
    "ovs",
    "phy",
    "tap",
    "vhostuser",
    "vif",
];
/// What cloud-init reads of a link, and what OpenStack writes besides.
const KEYS: [&str; 11] = [
    "id",
    "name",
    "type",
    "mtu",
    "ethernet_mac_address",
    "vif_id",
    "vlan_link",
    "vlan_id",
    "vlan_mac_address",
    "bond_links",
    "mac_address",
];

/// What a link is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Physical,
    Bond,
    Vlan,
}

/// A link on its way: its fields, and the name by which the others know it.
struct Raw<'n> {
    item: Item<'n>,
    id: &'n str,
    kind: Type,
    name: String,
}

/// What others get when they refer to a link.
enum Reference {
    /// The name of its interface.
    Name(String),
    /// A name that no interface has; the one that it should be.
    Lost(String),
}

type References<'n> = HashMap<&'n str, Reference>;

/// All links that have an id.
pub(super) fn read(root: &Item<'_>, findings: &mut Findings<'_>) -> Vec<Link> {
    let raws = raws(root.items("links", findings), findings);
    let explicit: HashSet<_> = raws.iter().filter(|raw| raw.is_named()).map(|raw| raw.id).collect();
    let mut names = HashMap::new();
    for raw in &raws {
        if names.insert(raw.id, raw.reference(&explicit)).is_some() {
            let message = format!("`{}`: another link has this id", raw.item.path("id"));
            findings.error("network-duplicate-id", raw.item.mark_of("id"), message);
        }
    }
    raws.iter()
        .map(|raw| Link { id: raw.id.to_owned(), interface: raw.interface(&names, findings) })
        .collect()
}

/// Types, ids and names. A name is the link's own, or its id where cloud-init will ask the kernel;
/// bonds are counted.
fn raws<'n>(items: Vec<Item<'n>>, findings: &mut Findings<'_>) -> Vec<Raw<'n>> {
    let mut raws: Vec<Raw<'n>> = Vec::new();
    let mut bonds = 0..;
    for item in items {
        let kind = kind(&item, findings);
        let is_known = |key: &str| KEYS.contains(&key) || bond::is_known(key);
        item.warn_unknown(is_known, findings);
        let Some(id) = item.required("id", findings) else { continue };
        let name = match kind {
            Type::Bond => format!("bond{}", bonds.next().unwrap_or(0)),
            Type::Vlan => String::new(),
            Type::Physical => item.text("name", findings).unwrap_or_default().to_owned(),
        };
        raws.push(Raw { item, id, kind, name });
    }
    name_the_rest(&mut raws);
    raws
}

/// Links without a name are called by their ids, as far as those are names.
fn name_the_rest(raws: &mut [Raw<'_>]) {
    let taken = raws.iter().map(|raw| raw.name.clone()).collect();
    let mut taken = Names { taken, ..Names::default() };
    let is_name =
        |id: &str| id.len() <= 63 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    for raw in raws.iter_mut().filter(|raw| raw.kind == Type::Physical && raw.name.is_empty()) {
        let wanted = if is_name(raw.id) { raw.id } else { "link" };
        raw.name = taken.unique(wanted);
    }
    let names: HashMap<_, _> = raws.iter().map(|raw| (raw.id, (raw.name.clone(), raw.is_named()))).collect();
    for raw in raws.iter_mut().filter(|raw| raw.kind == Type::Vlan) {
        let text = |key: &str| raw.item.get(key).and_then(|node| node.text()).unwrap_or_default();
        let (below, number) = (text("vlan_link"), text("vlan_id"));
        let (name, is_named) = match names.get(below).filter(|(name, _)| !name.is_empty()) {
            Some((name, is_named)) => (name.as_str(), *is_named),
            None => (below, true),
        };
        raw.name = format!("{name}.{number}");
        // the name is not ours to find fault with where the kernel's is not known
        if !is_named && !is_interface_name(&raw.name) {
            raw.name = taken.unique(&format!("vlan{number}"));
        }
    }
}

fn kind(item: &Item<'_>, findings: &mut Findings<'_>) -> Type {
    if !item.has("type") {
        item.missing("type", findings);
    }
    match item.text("type", findings) {
        Some("bond") => Type::Bond,
        Some("vlan") => Type::Vlan,
        Some(kind) if !PHYSICAL.contains(&kind) => {
            let message = format!("`{}`: unknown link type, treated as physical", item.path("type"));
            findings.warning("network-link-type", item.mark_of("type"), message);
            Type::Physical
        }
        _ => Type::Physical,
    }
}

impl Raw<'_> {
    /// Whether cloud-init knows the interface's name without asking the kernel.
    fn is_named(&self) -> bool {
        self.kind == Type::Bond || self.item.get("name").is_some()
    }

    /// What cloud-init writes where another link refers to this one: of a VLAN it is made from the id of
    /// the link below, while its own name is made from that link's name.
    fn reference(&self, explicit: &HashSet<&str>) -> Reference {
        let text = |key: &str| self.item.get(key).and_then(|node| node.text()).unwrap_or_default();
        let same = || {
            explicit.contains(text("vlan_link"))
                && format!("{}.{}", text("vlan_link"), text("vlan_id")) == self.name
        };
        match self.kind {
            Type::Vlan if !same() => Reference::Lost(self.name.clone()),
            _ => Reference::Name(self.name.clone()),
        }
    }

    fn interface(&self, names: &References<'_>, findings: &mut Findings<'_>) -> Interface {
        let item = &self.item;
        let id = Placed::new(self.name.clone(), item.mark(), &*item.path);
        let kind = match self.kind {
            Type::Physical => self.physical(findings),
            Type::Bond => self.bond(names, findings),
            Type::Vlan => self.vlan(names, findings),
        };
        let mut interface = Interface::new(id, kind);
        let key = match self.kind {
            Type::Vlan => "vlan_mac_address",
            Type::Bond if item.get("ethernet_mac_address").is_none() => "mac_address",
            Type::Bond | Type::Physical => "ethernet_mac_address",
        };
        let mac = item.mac(key, findings);
        interface.mac = mac.map(|mac| Placed::new(mac, item.mark_of(key), item.path(key)));
        let mtu = item.mtu("mtu", findings);
        interface.mtu = mtu.map(|mtu| Placed::new(mtu, item.mark_of("mtu"), item.path("mtu")));
        interface
    }

    fn physical(&self, findings: &mut Findings<'_>) -> Kind {
        let item = &self.item;
        let name = item.get("name").and_then(|node| node.text()).filter(|name| !name.is_empty());
        if let Some(name) = name {
            netplan::check_converted_name(name, item.mark_of("name"), &item.path("name"), findings);
        } else if item.has("name") {
            // cloud-init takes even a null for the name
            let message = format!("`{}`: is empty; leave it out, or write a name", item.path("name"));
            findings.error("network-name", item.mark_of("name"), message);
        }
        let has_mac =
            item.get("ethernet_mac_address").and_then(|node| node.text()).is_some_and(|m| !m.is_empty());
        if name.is_none() && !has_mac {
            let message = format!(
                "`{}`: the link has neither `ethernet_mac_address` nor `name`, so that cloud-init cannot find it",
                item.path
            );
            findings.error("network-link-unidentified", item.mark(), message);
        }
        Kind::Ethernet { set_name: name.filter(|_| has_mac).map(str::to_owned) }
    }

    fn bond(&self, names: &References<'_>, findings: &mut Findings<'_>) -> Kind {
        let item = &self.item;
        if item.get("bond_links").is_none() {
            item.missing("bond_links", findings);
        }
        let path = item.path("bond_links");
        let links = item.texts("bond_links", findings).into_iter().enumerate();
        let member = |(index, (id, mark))| {
            refer(names, id, Placed::new((), mark, format!("{path}[{index}]")), findings)
        };
        let members = links.map(member).collect();
        bond::check_mode(item, &["bond_mode", "bond-mode"], findings);
        Kind::Bond { members, parameters: bond::parameters(item, findings) }
    }

    fn vlan(&self, names: &References<'_>, findings: &mut Findings<'_>) -> Kind {
        let item = &self.item;
        if !item.has("vlan_mac_address") {
            // KeyError in cloud-init 22.4; null will do
            item.missing("vlan_mac_address", findings);
        }
        let number = match item.get("vlan_id") {
            Some(_) => item.vlan("vlan_id", findings),
            None => {
                item.missing("vlan_id", findings);
                None
            }
        };
        let link = item.required("vlan_link", findings);
        if link.is_some() && number.is_some() {
            netplan::check_converted_name(&self.name, item.mark(), &item.path, findings);
        }
        let place = Placed::new((), item.mark_of("vlan_link"), item.path("vlan_link"));
        let link = refer(names, link.unwrap_or_default(), place, findings);
        Kind::Vlan { number: number.unwrap_or(0), link }
    }
}

/// The interface's name for a link's id; for an unknown id something that no interface is called.
fn refer(names: &References<'_>, id: &str, place: Placed<()>, findings: &mut Findings<'_>) -> Placed<String> {
    let name = match names.get(id) {
        Some(Reference::Name(name)) => name.clone(),
        Some(Reference::Lost(name)) => {
            let message = format!(
                "`{}`: cloud-init 22.4 cannot refer to a VLAN unless the link below it has a name, the same as its id",
                place.path
            );
            findings.error("network-vlan-name", place.mark, message);
            // no second error for the same reference
            name.clone()
        }
        None => String::new(),
    };
    Placed::new(name, place.mark, place.path)
}
