//! The exact text of every error and warning about a network configuration.

use std::collections::HashSet;

use airshipctl::site::cloudinit::{CloudInit, MacAddress, NetworkPlace, check_network, usual_builder};
use airshipctl::site::document::DocumentSet;
use airshipctl::site::report::Report;
use airshipctl::site::yaml::Origin;

/// All findings, errors first, one a line.
fn lines(report: &Report) -> Vec<String> {
    let errors = report.errors.iter().map(|fault| format!("error: {fault}"));
    errors.chain(report.warnings.iter().map(|fault| format!("warning: {fault}"))).collect()
}

fn found(text: &str) -> Vec<String> {
    let (origin, mut report) = (Origin::new("net", None), Report::default());
    let boot = MacAddress::parse("52:54:00:00:00:99").unwrap();
    check_network(text.as_bytes(), NetworkPlace::File(&origin), Some(boot), &mut report);
    lines(&report)
}

/// An input, and what is said of it.
const GOLDEN: &[(&str, &[&str])] = &[
    ("links: [\n", &["error: net:1:8: not YAML: unclosed bracket '[' [network-yaml]"]),
    (
        "version: 2\nethernets: {a: {gateway4: !!binary MTAuMC4wLjE=}}\n",
        &[
            "error: net:2:36: is binary by its tag, which nothing in a network configuration is [network-yaml]",
        ],
    ),
    ("", &["error: net:1:1: holds nothing [network-yaml]"]),
    (
        "a: b\n",
        &[
            "error: net:1:1: is neither network-config version 1 or 2 nor OpenStack network_data (links and networks) [network-format]",
        ],
    ),
    (
        "version: 1\nversion: 2\n",
        &[
            "warning: net:1:1: `version` is there again further down; only the last counts [duplicate-key]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: {}\nnetworks: []\n",
        &[
            "error: net:1:8: `links`: expected a list, found a mapping [network-type]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks:\nservices: ~\n",
        &[
            "error: net:2:9: `networks`: expected a list, found null [network-type]",
            "error: net:3:11: `services`: expected a list, found null [network-type]",
        ],
    ),
    (
        "version: 2\nethernets: {'\\ oam0': {match: {name: a}}, a/b: {match: {name: b}}}\nwifis: {é: {}}\n",
        &[
            "error: net:2:13: `ethernets`: is no id for netplan; expected 1 to 200 ASCII characters without `/` and space [network-name]",
            "error: net:2:43: `ethernets.a/b`: is no id for netplan; expected 1 to 200 ASCII characters without `/` and space [network-name]",
            "error: net:3:9: `wifis`: is no id for netplan; expected 1 to 200 ASCII characters without `/` and space [network-name]",
        ],
    ),
    (
        "links: [{type: phy, name: a}]\nnetworks: []\n",
        &[
            "error: net:1:9: `links[0].id` is missing [network-missing]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a, speed: 5}]\nnetworks: []\nhosts: []\n",
        &[
            "warning: net:3:1: unknown key `hosts` is ignored [network-unknown-key]",
            "warning: net:1:37: `links[0]`: unknown key `speed` is ignored [network-unknown-key]",
        ],
    ),
    (
        "links: [{id: a, type: phy, ethernet_mac_address: 'aa'}]\nnetworks: []\n",
        &[
            "error: net:1:50: `links[0].ethernet_mac_address`: is no MAC address; expected six pairs like 52:54:00:12:34:56 [network-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, ethernet_mac_address: 52:54:00:11:22:33}]\nnetworks: []\n",
        &[
            "error: net:1:50: `links[0].ethernet_mac_address`: cloud-init takes it for a number to base 60; put it in quotes [network-mac-unquoted]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.256, netmask: 24}]\n",
        &["error: net:2:53: `networks[0].ip_address`: is no IP address [network-address]"],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2, netmask: 255.0.255.0}]\n",
        &["error: net:2:72: `networks[0].netmask`: is no netmask or prefix length [network-netmask]"],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2}]\n",
        &[
            "warning: net:2:53: `networks[0].ip_address`: has no netmask; cloud-init takes /24 [network-netmask-missing]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv6, link: a, ip_address: 10.0.0.2/24}]\n",
        &[
            "warning: net:2:53: `networks[0].ip_address`: is no IPv6 address, as the network's type says [network-address-family]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24, routes: [{network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.0.1.1}]}]\n",
        &[
            "warning: net:2:121: `networks[0].routes[0].gateway`: the gateway is outside of every subnet of its interface [network-gateway-outside]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24, gateway: 10.0.0.1}, {id: m, type: ipv4, link: a, ip_address: 10.0.1.2/24, gateway: 10.0.1.1}]\n",
        &[
            "warning: net:2:149: `networks[1].gateway`: replaces an earlier gateway of the interface [network-gateway-twice]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24, routes: [{network: 0.0.0.0/0, gateway: 10.0.0.1, metric: far}]}]\n",
        &["error: net:2:123: `networks[0].routes[0].metric`: is no number [network-metric]"],
    ),
    (
        "links: [{id: a, type: phy, name: a, mtu: '15OO'}, {id: b, type: phy, name: b, mtu: 66000}]\nnetworks: []\n",
        &[
            "error: net:1:42: `links[0].mtu`: is no MTU; expected a number from 68 to 65535 [network-mtu]",
            "error: net:1:84: `links[1].mtu`: is no MTU; expected a number from 68 to 65535 [network-mtu]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a, mtu: 1000}]\nnetworks: [{id: n, type: ipv6_slaac, link: a}]\n",
        &["warning: net:1:42: `links[0].mtu`: is too small for IPv6, which takes 1280 [network-mtu-ipv6]"],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: v, type: vlan, vlan_link: a, vlan_id: 4095, vlan_mac_address: null}]\nnetworks: []\n",
        &[
            "error: net:1:81: `links[1].vlan_id`: is no VLAN; expected a number from 1 to 4094 [network-vlan-id]",
        ],
    ),
    (
        "links: [{id: v, type: vlan, vlan_link: a, vlan_id: 5, vlan_mac_address: null}]\nnetworks: []\n",
        &[
            "error: net:1:40: `links[0].vlan_link`: there is no such interface [network-vlan-link]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: b}, {id: v, type: vlan, vlan_link: a, vlan_id: 5, vlan_mac_address: null}, {id: w, type: vlan, vlan_link: v, vlan_id: 6, vlan_mac_address: null}]\nnetworks: []\n",
        &[
            "error: net:1:140: `links[2].vlan_link`: cloud-init 22.4 cannot refer to a VLAN unless the link below it has a name, the same as its id [network-vlan-name]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: b, type: bond, bond_links: [a], bond_mode: '4'}]\nnetworks: []\n",
        &[
            "error: net:1:86: `links[1].bond_mode`: is no bond mode; expected one of balance-rr, active-backup, balance-xor, broadcast, 802.3ad, balance-tlb, balance-alb [network-bond-mode]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: b, type: bond, bond_links: [a, c]}]\nnetworks: []\n",
        &[
            "error: net:1:74: `links[1].bond_links[1]`: there is no such interface [network-bond-link]",
            "warning: net:1:38: `links[1]`: the bond has no mode; it will be balance-rr [network-bond-mode-missing]",
        ],
    ),
    (
        "links: [{id: b, type: bond, bond_links: [], bond_mode: 802.3ad}]\nnetworks: []\n",
        &[
            "warning: net:1:9: `links[0]`: the bond has no links [network-bond-empty]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: b, type: bond, bond_links: [a], bond_mode: active-backup, bond_primary: e, bond_miimon: [1], bond_arp_ip_target: x}]\nnetworks: []\n",
        &[
            "error: net:1:131: `links[1].bond_miimon`: is no number or word [network-bond-parameter]",
            "error: net:1:136: `links[1].bond_arp_ip_target`: cloud-init 22.4 passes it on under a wrong name [network-bond-parameter]",
            "error: net:1:115: `links[1].bond_primary`: is no interface of the bond [network-bond-primary]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: b, type: bond, bond_links: [a], bond_mode: 802.3ad}, {id: c, type: bond, bond_links: [a], bond_mode: 802.3ad}]\nnetworks: []\n",
        &[
            "error: net:1:129: `links[2].bond_links[0]`: the interface is in a bond or bridge already [network-member-twice]",
        ],
    ),
    (
        "links: [{id: a, type: phy}]\nnetworks: []\n",
        &[
            "error: net:1:9: `links[0]`: the link has neither `ethernet_mac_address` nor `name`, so that cloud-init cannot find it [network-link-unidentified]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a/b}, {id: b, type: phy, name: null}]\nnetworks: []\n",
        &[
            "error: net:1:34: `links[0].name`: is no interface name; expected 1 to 15 characters without `/`, `:` and space [network-name]",
            "error: net:1:40: `links[1].name`: is empty; leave it out, or write a name [network-name]",
            "error: net:1:40: `links[1]`: the link has neither `ethernet_mac_address` nor `name`, so that cloud-init cannot find it [network-link-unidentified]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: 'a*'}]\nnetworks: []\n",
        &[
            "error: net:1:34: `links[0].name`: netplan, which gets it from cloud-init, takes no pattern for a name [network-name]",
        ],
    ),
    (
        "links: [{id: a, type: wire, name: a}]\nnetworks: []\n",
        &["warning: net:1:23: `links[0].type`: unknown link type, treated as physical [network-link-type]"],
    ),
    (
        "links: [{id: a, type: phy, name: a}, {id: a, type: phy, name: b}, {id: c, type: phy, name: b}]\nnetworks: []\n",
        &[
            "error: net:1:43: `links[1].id`: another link has this id [network-duplicate-id]",
            "error: net:1:67: `links[2]`: another interface has this name [network-duplicate-id]",
        ],
    ),
    (
        "links: [{id: a, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}, {id: b, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}]\nnetworks: []\n",
        &[
            "error: net:1:113: `links[1].ethernet_mac_address`: another interface has this address [network-duplicate-mac]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24}, {id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24}]\n",
        &[
            "warning: net:2:72: `networks[1].id`: another network has this id [network-duplicate-network]",
            "warning: net:2:108: `networks[1].ip_address`: is the address of `networks[0].ip_address` too [network-duplicate-address]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4_dhcp, link: b}]\n",
        &[
            "warning: net:2:43: `networks[0].link`: there is no such link; the network is left out [network-unknown-link]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv5, link: a}]\n",
        &[
            "error: net:2:26: `networks[0].type`: unknown network type; expected ipv4, ipv4_dhcp, ipv6, ipv6_dhcp, ipv6_slaac, ipv6_dhcpv6-stateless or ipv6_dhcpv6-stateful [network-network-type]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a, dns_nameservers: [192.0.2.1]}]\nservices: [{type: dns, address: 192.0.2.1}]\n",
        &[
            "warning: net:2:63: `networks[0].dns_nameservers`: cloud-init leaves it out where the address is not static [network-ignored]",
            "warning: net:3:11: no interface has a static address, so that cloud-init leaves out the name servers [network-dns-unused]",
        ],
    ),
    (
        "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.2/24}]\nservices: [{type: ntp, address: 192.0.2.1}, {type: dns, address: ns.example}, {type: dns, address: 192.0.2.1, search: 'a b'}]\n",
        &[
            "error: net:3:66: `services[1].address`: is no IP address [network-address]",
            "error: net:3:119: `services[2].search`: is no domain name [network-domain]",
            "warning: net:3:12: `services[0]`: is no dns service, and is taken for one [network-service]",
        ],
    ),
    (
        "version: 1\nconfig: [{type: wire}, {type: route, destination: 10.0.0.0/8, gateway: 10.0.0.1}, {type: nameserver, address: 192.0.2.1, interface: a}]\n",
        &[
            "error: net:2:17: `config[0].type`: unknown type; expected physical, bond, vlan, bridge, nameserver or route [network-config-type]",
            "error: net:2:133: `config[2].interface`: there is no such interface [network-reference]",
            "warning: net:2:72: `config[1]`: cloud-init leaves out routes that are in no subnet [network-ignored]",
            "warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]",
        ],
    ),
    (
        "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: magic}]}, {type: bridge, name: b, bridge_interfaces: [c], params: {bridge_fd: slow}}]\n",
        &[
            "error: net:2:53: `config[0].subnets[0].type`: unknown subnet type; expected static, static6, dhcp4, dhcp6, ipv6_slaac or manual [network-network-type]",
            "error: net:2:131: `config[1].params.bridge_fd`: is no number [network-bridge-parameter]",
            "error: net:2:107: `config[1].bridge_interfaces[0]`: there is no such interface [network-bridge-link]",
        ],
    ),
    (
        "version: 2\nethernets: {a: {set-name: b, addresses: [10.0.0.1], gateway4: 'fd00::1', dhcp6: maybe}, a very long name: {}}\n",
        &[
            "error: net:2:27: `ethernets.a.set-name`: netplan takes it only beside `match` [network-set-name]",
            "error: net:2:81: `ethernets.a.dhcp6`: expected true or false, found a string [network-type]",
            "error: net:2:42: `ethernets.a.addresses[0]`: the address has no prefix length, such as /24 [network-prefix-missing]",
            "error: net:2:63: `ethernets.a.gateway4`: is an address of the other family [network-gateway-family]",
            "error: net:2:89: `ethernets`: is no interface name; expected 1 to 15 characters without `/`, `:` and space [network-name]",
        ],
    ),
    (
        "version: 2\nethernets: {a: {dhcp: true, addresses: [10.0.0.1/24], routes: [{to: default, via: 10.1.0.1}, {to: x, via: 10.0.0.2}, {to: 10.0.0.0/8}]}}\nvlans: {v: {id: 0, link: b}}\nbonds: {b1: {interfaces: [a, a, x]}}\nbridges: {br: {interfaces: [y]}}\n",
        &[
            "error: net:2:99: `ethernets.a.routes[1].to`: is no IP address [network-address]",
            "error: net:2:118: `ethernets.a.routes[2].via` is missing [network-missing]",
            "error: net:3:17: `vlans.v.id`: is no VLAN; expected a number from 1 to 4094 [network-vlan-id]",
            "error: net:4:30: `bonds.b1.interfaces[1]`: the interface is in a bond or bridge already [network-member-twice]",
            "error: net:4:33: `bonds.b1.interfaces[2]`: there is no such interface [network-bond-link]",
            "error: net:5:29: `bridges.br.interfaces[0]`: there is no such interface [network-bridge-link]",
            "error: net:3:26: `vlans.v.link`: there is no such interface [network-vlan-link]",
            "warning: net:2:17: `ethernets.a`: unknown key `dhcp`, which netplan 0.106 refuses [network-unknown-key]",
            "warning: net:4:13: `bonds.b1`: the bond has no mode; it will be balance-rr [network-bond-mode-missing]",
            "warning: net:2:83: `ethernets.a.routes[0].via`: the gateway is outside of every subnet of its interface [network-gateway-outside]",
        ],
    ),
    (
        "links: [{id: e, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}]\nnetworks: []\n",
        &["warning: net:1:1: no interface has the node's bootMACAddress [network-boot-mac]"],
    ),
    (
        "links: [{id: a, type: phy, name: b}, {id: v, type: vlan, vlan_link: a, vlan_id: 5, vlan_mac_address: null}, {id: w, type: vlan, vlan_link: v, vlan_id: 6, vlan_mac_address: null}]\nnetworks: [{id: n, link: w, type: ipv4}]\n",
        &[
            "error: net:1:140: `links[2].vlan_link`: cloud-init 22.4 cannot refer to a VLAN unless the link below it has a name, the same as its id [network-vlan-name]",
            "error: net:2:12: `networks[0].ip_address` is missing [network-missing]",
        ],
    ),
    (
        "version: 2\nrenderer: foo\nbonds: null\nethernets: {'e*': {routes: [{to: 10.0.0.0/8, via: 'fe80::1', metric: -5}], wakeonlan: 5, dhcp4-overrides: {use-dns: x}}}\nbridges: {b: {parameters: {speed: 1}}}\n",
        &[
            "error: net:3:8: `bonds`: expected a value, found null [network-type]",
            "error: net:2:11: `renderer`: expected networkd or NetworkManager [network-renderer]",
            "error: net:4:70: `ethernets.routes[0].metric`: is no number [network-metric]",
            "error: net:4:51: `ethernets.routes[0].via`: is an address of another family than the target [network-route-family]",
            "error: net:4:13: `ethernets`: netplan takes no pattern for an id; write it below `match` [network-name]",
            "error: net:4:87: `ethernets.wakeonlan`: expected true or false, found a number [network-type]",
            "error: net:4:117: `ethernets.dhcp4-overrides.use-dns`: expected true or false, found a string [network-type]",
            "warning: net:5:28: `bridges.b.parameters`: unknown key `speed`, which netplan 0.106 refuses [network-unknown-key]",
        ],
    ),
];

#[test]
fn every_finding_has_its_exact_text() {
    let wrong: Vec<_> = GOLDEN.iter().filter(|(input, expected)| found(input) != *expected).collect();
    for (input, _) in &wrong {
        println!("    (\n        {input:?},\n        &[");
        found(input).iter().for_each(|line| println!("            {line:?},"));
        println!("        ],\n    ),");
    }
    assert!(wrong.is_empty(), "{} differ; what is said now is above", wrong.len());
}

#[test]
fn what_is_larger_than_a_secret_is_not_even_parsed() {
    let text = "#".repeat((1 << 20) + 1);
    let said = "error: net:1:1: is larger than 1 MiB, the most that a Secret holds [network-too-large]";
    assert_eq!(found(&text), [said]);
}

#[test]
fn large_and_repetitive_inputs_end_soon() {
    let begun = std::time::Instant::now();
    let link = "{id: '*', type: phy, ethernet_mac_address: '52:54:00:00:00:01'},";
    let links = link.repeat((1 << 19) / link.len());
    found(&format!("links: [{links}]\nnetworks: []\n"));
    let network = "{type: ipv4, link: a, ip_address: 10.0.0.1/32, gateway: 10.0.0.2},";
    let networks = network.repeat((1 << 19) / network.len());
    found(&format!("links: [{{id: a, name: a, type: phy}}]\nnetworks: [{networks}]\n"));
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn every_code_is_among_them() {
    let said: String = GOLDEN.iter().flat_map(|(_, expected)| expected.iter()).copied().collect();
    let mut codes = HashSet::new();
    let mut directories =
        vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/site/cloudinit/network")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            let quoted = source.split('"').filter(|text| text.starts_with("network-"));
            let is_code = |text: &&str| {
                text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
            };
            codes.extend(
                quoted
                    .filter(is_code)
                    .filter(|text| !["network-data-missing", "network-too-large"].contains(text))
                    .map(str::to_owned),
            );
        }
    }
    assert!(codes.len() > 30, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !said.contains(&format!("[{code}]"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_finding_names_the_line_of_the_file_and_nothing_of_the_value() {
    let documents = "apiVersion: v1
kind: Secret
metadata: {name: u, labels: {airshipit.org/ephemeral-user-data: 'true'}}
stringData: {userData: '#cloud-config'}
---
apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata: {name: node-0, labels: {airshipit.org/ephemeral-node: 'true'}}
spec: {bootMACAddress: 52:54:00:00:00:02, networkData: {name: net}}
---
apiVersion: v1
kind: Secret
metadata: {name: net}
stringData:
  networkData: |
    links:
    - {id: canary, type: canary, ethernet_mac_address: '52:54:00:00:00:01', mtu: canary}
    networks:
    - {id: canary, type: ipv4, link: canary-2, ip_address: canary}
    services: [{type: canary, address: canary}]
";
    let documents = DocumentSet::parse("site.yaml", documents.as_bytes()).unwrap();
    let mut report = Report::default();
    CloudInit::select(&documents, &usual_builder(), &mut report);
    let said = lines(&report);
    assert!(!said.join("").contains("canary"), "{said:?}");
    assert_eq!(
        said[0],
        "error: site.yaml:17:82 (document 3): `networkData`: `links[0].mtu`: is no MTU; expected a number from 68 to 65535 [network-mtu]"
    );
    assert!(said.iter().any(|line| line.contains("no interface has the node's bootMACAddress")), "{said:?}");
}
