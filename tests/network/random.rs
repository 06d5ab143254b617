//! Sound network_data by chance.

use serde_json::{Value, json};

use super::Rng;

/// Links of all kinds, some with names, and networks of all types on them.
pub fn network_data(rng: &mut Rng) -> String {
    let mut links = Vec::new();
    let count = 1 + rng.below(5);
    for n in 0..count {
        let mut link =
            json!({"id": format!("tap{n}"), "type": (["phy", "vif", "ovs", "bridge"][rng.below(4)])});
        let named = rng.one_in(2);
        if named {
            link["name"] = json!(format!("net{n}"));
        }
        if !named || rng.one_in(2) {
            link["ethernet_mac_address"] = json!(format!("52:54:00:AB:00:{n:02x}"));
        }
        add_mtu(&mut link, rng);
        links.push(link);
    }
    let mut lower: Vec<String> = (0..count).map(|n| format!("tap{n}")).collect();
    let bonds = rng.below(2.min(count / 2) + 1);
    for n in 0..bonds {
        let mut bond = json!({
            "id": format!("team{n}"), "type": "bond", "bond_links": [format!("tap{}", 2 * n), format!("tap{}", 2 * n + 1)],
            "bond_mode": (["802.3ad", "active-backup", "balance-rr"][rng.below(3)]), "bond_miimon": rng.below(200),
        });
        if rng.one_in(2) {
            bond["ethernet_mac_address"] = json!(format!("52:54:00:AB:00:{:02x}", 2 * n));
            bond["bond_xmit_hash_policy"] = json!("layer3+4");
        }
        lower.push(format!("team{n}"));
        links.push(bond);
    }
    for n in 0..rng.below(3) {
        let mac = if rng.one_in(2) { Value::Null } else { json!(format!("52:54:00:ab:01:{n:02x}")) };
        let below = lower[rng.below(lower.len())].clone();
        let mut vlan = json!({"id": format!("vlan{n}"), "type": "vlan", "vlan_link": below, "vlan_id": 100 + n, "vlan_mac_address": mac});
        add_mtu(&mut vlan, rng);
        links.push(vlan);
    }
    let ids: Vec<String> = links.iter().map(|link| link["id"].as_str().unwrap().to_owned()).collect();
    let networks: Vec<Value> =
        (0..rng.below(7)).map(|n| network(n, &ids[rng.below(ids.len())], rng)).collect();
    let mut data = json!({"links": links, "networks": networks});
    if rng.one_in(2) {
        data["services"] =
            json!([{"type": "dns", "address": "192.0.2.53"}, {"type": "dns", "address": "2001:db8::53"}]);
    }
    data.to_string()
}

fn add_mtu(link: &mut Value, rng: &mut Rng) {
    match rng.below(4) {
        0 => link["mtu"] = json!(1500),
        1 => link["mtu"] = json!("9000"),
        2 => link["mtu"] = Value::Null,
        _ => {}
    }
}

fn network(n: usize, link: &str, rng: &mut Rng) -> Value {
    let kinds = [
        "ipv4",
        "ipv4",
        "ipv6",
        "ipv4_dhcp",
        "ipv6_dhcp",
        "ipv6_slaac",
        "ipv6_dhcpv6-stateless",
        "ipv6_dhcpv6-stateful",
    ];
    let kind = kinds[rng.below(kinds.len())];
    let mut network = json!({"id": format!("network{n}"), "link": link, "type": kind, "network_id": "a-b-c"});
    let (address, mask, gateway, far) = match kind {
        "ipv4" => (format!("10.0.{n}.5"), json!("255.255.255.0"), format!("10.0.{n}.1"), "0.0.0.0"),
        "ipv6" => {
            (format!("2001:db8:{n}::5"), json!("ffff:ffff:ffff:ffff::"), format!("2001:db8:{n}::1"), "::")
        }
        _ => return network,
    };
    match rng.below(3) {
        0 => network["ip_address"] = json!(format!("{address}/{}", if kind == "ipv4" { 24 } else { 64 })),
        1 => {
            network["ip_address"] = json!(address);
            network["netmask"] = json!(if kind == "ipv4" { "24" } else { "64" });
        }
        _ => {
            network["ip_address"] = json!(address);
            network["netmask"] = mask;
        }
    }
    if rng.one_in(2) {
        network["gateway"] = json!(gateway);
    }
    if rng.one_in(2) {
        network["routes"] = json!([{"network": far, "netmask": far, "gateway": gateway}]);
    }
    if rng.one_in(3) {
        network["dns_nameservers"] = json!(["192.0.2.54"]);
        network["dns_search"] = json!(["site.example", "example"]);
    }
    network
}
