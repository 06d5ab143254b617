//! OpenStack network_data, read as cloud-init 22.4 does (`convert_net_json` in
//! `cloudinit/sources/helpers/openstack.py`), which is what Metal3 and most sites have.

mod links;
pub(super) mod networks;

use std::collections::{HashMap, HashSet};

use super::findings::Findings;
use super::item::{Item, ip};
use super::model::{Dns, Interface, Network};
use crate::site::yaml::{Mark, Node};

/// Reads the document. What is wrong is in the findings; the rest is in the result.
pub(super) fn read(root: &Node, findings: &mut Findings<'_>) -> Network {
    read_below(root, "", findings)
}

/// As [`read`], of links, networks and services that stand at `path` of another document.
pub(super) fn read_below(root: &Node, path: &str, findings: &mut Findings<'_>) -> Network {
    let Some(root) = Item::of(root, path, findings) else { return Network::default() };
    let lists = ["links", "networks", "services"];
    root.warn_unknown(|key| lists.contains(&key), findings);
    root.check_nulls(&lists, "a list", findings);
    let mut links = links::read(&root, findings);
    networks::add(&root, &mut links, findings);
    let mut interfaces: Vec<Interface> = links.into_iter().map(|link| link.interface).collect();
    let services = root.items("services", findings);
    let mark = root.mark_of("services");
    give_dns(servers(&services, findings), mark, &mut interfaces, findings);
    Network { interfaces }
}

/// All services: cloud-init takes each for a name server, whatever its type.
fn servers(services: &[Item<'_>], findings: &mut Findings<'_>) -> Dns {
    let mut dns = Dns::default();
    for service in services {
        service.warn_unknown(|key| ["type", "address", "search"].contains(&key), findings);
        service.check_nulls(&["search"], "a list", findings);
        if service.text("type", findings).is_none_or(|kind| kind != "dns") {
            let message = format!("`{}`: is no dns service, and is taken for one", service.path);
            findings.warning("network-service", service.mark(), message);
        }
        dns.addresses.extend(addresses(service, "address", findings));
        dns.search.extend(domains(service, "search", findings));
    }
    dns
}

/// One address or a list of them, which has to be there.
fn addresses(item: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<String> {
    let texts = match item.get(key) {
        Some(node) if node.items().is_some() => item.texts(key, findings),
        Some(node) => item.text(key, findings).map(|text| (text, node.mark)).into_iter().collect(),
        None => {
            item.missing(key, findings);
            Vec::new()
        }
    };
    sound_addresses(texts, &item.path(key), findings)
}

/// The addresses among texts.
pub(super) fn sound_addresses(
    texts: Vec<(&str, Mark)>,
    path: &str,
    findings: &mut Findings<'_>,
) -> Vec<String> {
    let texts = texts.into_iter();
    texts.filter_map(|(text, mark)| ip(text, mark, path, findings)).map(|ip| ip.to_string()).collect()
}

/// One domain or a list of them, for searches.
pub(super) fn domains(item: &Item<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<String> {
    let texts = match item.get(key) {
        Some(node) if node.items().is_some() => item.texts(key, findings),
        Some(node) => item.text(key, findings).map(|text| (text, node.mark)).into_iter().collect(),
        None => Vec::new(),
    };
    sound_domains(texts, &item.path(key), findings)
}

/// The domains among texts.
pub(super) fn sound_domains(
    texts: Vec<(&str, Mark)>,
    path: &str,
    findings: &mut Findings<'_>,
) -> Vec<String> {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let mut domains = Vec::new();
    for (text, mark) in texts {
        if !text.is_empty() && text.chars().all(is_sound) {
            domains.push(text.to_owned());
        } else {
            findings.error("network-domain", mark, format!("`{path}`: is no domain name"));
        }
    }
    domains
}

/// cloud-init gives the services to each interface that has an address and no servers of its own
/// (`Renderer._render_content` of its netplan renderer), and so to none with DHCP alone.
pub(super) fn give_dns(dns: Dns, mark: Mark, interfaces: &mut [Interface], findings: &mut Findings<'_>) {
    if dns == Dns::default() {
        return;
    }
    let with_address = |one: &&mut Interface| !one.addresses.is_empty() && one.dns == Dns::default();
    let mut taken = false;
    for interface in interfaces.iter_mut().filter(with_address) {
        interface.dns = dns.clone();
        taken = true;
    }
    if !taken {
        let message = "no interface has a static address, so that cloud-init leaves out the name servers";
        findings.warning("network-dns-unused", mark, message);
    }
}

/// The names of interfaces, each given once.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    /// How often a name was wanted: counting from 1 each time would take long where all want the same.
    wanted: HashMap<String, usize>,
}

impl Names {
    /// A name that no interface has yet: `wanted` or that with a number.
    fn unique(&mut self, wanted: &str) -> String {
        let count = self.wanted.entry(wanted.to_owned()).or_default();
        loop {
            *count += 1;
            let name = if *count == 1 { wanted.to_owned() } else { format!("{wanted}-{count}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
