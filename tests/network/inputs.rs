//! Inputs that cloud-init reads, and such that it fails at.

/// What it is, and network_data or network-config v1.
pub const SOUND: &[(&str, &str)] = &[
    ("a site of two networks", TWO_NETWORKS),
    ("a site with bonds and VLANs", BONDS_AND_VLANS),
    ("links with names and without addresses of their own", "
links:
- {id: oam, name: oam, type: phy, mtu: '1500'}
- {id: pxe, name: pxe, type: phy, mtu: '1500'}
networks:
- {id: oam-ipv4, type: ipv4, link: oam, ip_address: 10.23.25.101, netmask: 255.255.255.0, routes: [{network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.23.25.1}]}
- {id: pxe-ipv4, type: ipv4, link: pxe, ip_address: 10.23.24.101, netmask: 255.255.255.0}
services:
- {address: 8.8.8.8, type: dns}
- {address: 8.8.4.4, type: dns}
"),
    ("DHCP", "links: [{id: a, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a}]\n"),
    ("JSON", "{\"links\": [{\"id\": \"tap-1\", \"type\": \"ovs\", \"mtu\": 1450, \"vif_id\": \"x\", \"ethernet_mac_address\": \"FA:16:3E:00:00:01\"}], \"networks\": [{\"id\": \"network0\", \"network_id\": \"y\", \"link\": \"tap-1\", \"type\": \"ipv4_dhcp\"}], \"services\": []}"),
    ("DHCP of both families", "links: [{id: a, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a}, {id: m, type: ipv6_dhcp, link: a}]\n"),
    ("router advertisements", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: m, type: ipv6_slaac, link: a}]\n"),
    ("stateless DHCPv6", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: m, type: ipv6_dhcpv6-stateless, link: a}]\n"),
    ("stateful DHCPv6", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: m, type: ipv6_dhcpv6-stateful, link: a}]\n"),
    ("static IPv6 after DHCPv6", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: m, type: ipv6_dhcp, link: a}, {id: n, type: ipv6, link: a, ip_address: 2001:db8::5, netmask: 64}]\n"),
    ("static IPv6 with a gateway", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv6, link: a, ip_address: '2001:DB8:0::5/48', gateway: 'fe80::1', dns_nameservers: ['2001:db8::53']}]\n"),
    ("IPv6 with a netmask and routes", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv6, link: a, ip_address: '2001:db8::5', netmask: 'ffff:ffff:ffff:ffff::', routes: [{network: '::', netmask: '::', gateway: '2001:db8::1'}, {network: '2001:db8:9::', netmask: 48, gateway: '2001:db8::2', metric: 5}]}]\n"),
    ("no netmask", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5}, {id: m, type: ipv6, link: a, ip_address: '2001:db8::5'}]\n"),
    ("masks of all forms", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 16}, {id: m, type: ipv4, link: a, ip_address: 10.1.0.5/255.255.0.0}, {id: o, type: ipv4, link: a, ip_address: 10.2.0.5, netmask: 0.0.0.255}, {id: p, type: ipv4, link: a, ip_address: 10.3.0.5/8, netmask: 24}]\n"),
    ("the netmask 0 as a number is none", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 255.255.255.0, routes: [{network: 0.0.0.0, netmask: 0, gateway: 10.0.0.1}]}]\n"),
    ("two networks with one id", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24}, {id: n, type: ipv4_dhcp, link: a}]\n"),
    ("a network on no link", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4_dhcp, link: b}]\n"),
    ("an unknown type of link", "links: [{id: a, type: wire, name: a}]\nnetworks: []\n"),
    ("the type null", "links: [{id: a, type: null, name: a}]\nnetworks: []\n"),
    ("nothing", "links: []\nnetworks: []\n"),
    ("no services", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24}]\nservices: []\n"),
    ("services with DHCP alone", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a}]\nservices: [{type: dns, address: 192.0.2.1}]\n"),
    ("a service that is no name server", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24}]\nservices: [{type: ntp, address: 192.0.2.1}, {type: dns, address: [192.0.2.2, 192.0.2.3], search: a.example}]\n"),
    ("name servers of one network", "links: [{id: a, type: phy, name: a}, {id: b, type: phy, name: b}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24, dns_nameservers: '192.0.2.1 192.0.2.2', dns_search: a.example b.example}, {id: m, type: ipv4, link: b, ip_address: 10.1.0.5, netmask: 24}]\nservices: [{type: dns, address: 192.0.2.9}]\n"),
    ("gateways of both families", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24, gateway: 10.0.0.1}, {id: m, type: ipv6, link: a, ip_address: '2001:db8::5/64', gateway: '2001:db8::1'}, {id: o, type: ipv4, link: a, ip_address: 10.1.0.5, netmask: 24, gateway: 10.1.0.1}]\n"),
    ("routes with DHCP", "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4_dhcp, link: a, routes: [{network: 10.0.0.0, netmask: 255.0.0.0, gateway: 10.0.0.1}], gateway: 10.0.0.1, ip_address: 10.0.0.5}]\n"),
    ("a VLAN on a link without a name", "links: [{id: nic-one, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}, {id: v, type: vlan, vlan_link: nic-one, vlan_id: '100', vlan_mac_address: null, mtu: 1400}]\nnetworks: [{id: n, type: ipv4, link: v, ip_address: 10.0.0.5, netmask: 24}]\nservices: [{type: dns, address: 192.0.2.1}]\n"),
    ("a VLAN on a link with a long id", "links: [{id: 1f00c8a2-0e2a-4c31-9f4d-000000000000, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}, {id: v, type: vlan, vlan_link: 1f00c8a2-0e2a-4c31-9f4d-000000000000, vlan_id: 100, vlan_mac_address: '52:54:00:00:00:AA'}]\nnetworks: []\n"),
    ("VLANs on VLANs", "links: [{id: a, type: phy, name: a}, {id: a.5, type: vlan, vlan_link: a, vlan_id: 5, vlan_mac_address: null}, {id: b, type: vlan, vlan_link: a.5, vlan_id: 6, vlan_mac_address: null}]\nnetworks: []\n"),
    ("a bond of links without names", "links: [{id: one, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}, {id: two, type: phy, ethernet_mac_address: '52:54:00:00:00:02', mtu: 9000}, {id: b, type: bond, bond_links: [two, one], bond_mode: active-backup, bond_miimon: '100', bond_lacp_rate: fast, bond_updelay: 3, ethernet_mac_address: '52:54:00:00:00:0A'}]\nnetworks: [{id: n, type: ipv4_dhcp, link: b}]\n"),
    ("a bond before its links, with a primary", "links: [{id: b, type: bond, bond_links: [one, two], bond_mode: active-backup, bond-primary: eno1}, {id: one, type: phy, name: eno1}, {id: two, type: phy, name: eno2}]\nnetworks: [{id: n, type: ipv4, link: b, ip_address: 10.0.0.5, netmask: 24}]\n"),
    ("two bonds and a link called as one", "links: [{id: bond1, type: phy, ethernet_mac_address: '52:54:00:00:00:01'}, {id: e, type: phy, name: e}, {id: f, type: phy, name: f}, {id: x, type: bond, bond_links: [e], bond_mode: 802.3ad}, {id: y, type: bond, bond_links: [f], bond_mode: 802.3ad}]\nnetworks: []\n"),
    ("version 1", V1),
    ("version 1 below `network`", "network: {version: 1, config: [{type: physical, name: a, subnets: [{type: dhcp}, {type: dhcp6}]}]}"),
    ("version 1 with a bridge", "version: 1\nconfig:\n- {type: physical, name: a}\n- {type: physical, name: b}\n- {type: bridge, name: br0, bridge_interfaces: [b, a], params: {bridge_stp: 'off', bridge_fd: 4, bridge_pathcost: [a 50, b 75], bridge_waitport: 3}, subnets: [{type: static, address: 10.0.0.5/24}]}\n"),
];

const TWO_NETWORKS: &str = "
links:
- {id: oam, name: oam, type: phy, mtu: '1500', ethernet_mac_address: '52:54:00:9b:27:02'}
- {id: pxe, name: pxe, type: phy, mtu: '1500', ethernet_mac_address: 52:54:00:b6:ed:02}
networks:
- id: oam-ipv4
  type: ipv4
  link: oam
  ip_address: 10.23.25.101
  netmask: 255.255.255.0
  routes:
  - {network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.23.25.1}
- {id: pxe-ipv4, type: ipv4, link: pxe, ip_address: 10.23.24.101, netmask: 255.255.255.0}
services:
- {address: 10.23.25.53, type: dns}
";

const BONDS_AND_VLANS: &str = "
links:
- {id: eno4, name: eno4, type: phy, mtu: '1500'}
- {id: enp59s0f1, name: enp59s0f1, type: phy, mtu: '9100'}
- {id: enp216s0f0, name: enp216s0f0, type: phy, mtu: '9100'}
- id: bond0
  name: bond0
  type: bond
  bond_links: [enp59s0f1, enp216s0f0]
  bond_mode: 802.3ad
  bond_xmit_hash_policy: layer3+4
  bond_miimon: 100
  mtu: '9100'
- {id: bond0.41, name: bond0.41, type: vlan, mtu: '9100', vlan_link: bond0, vlan_id: 41, vlan_mac_address: null}
- {id: bond0.42, name: bond0.42, type: vlan, vlan_link: bond0, vlan_id: 42, vlan_mac_address: null}
networks:
- {id: oam-ipv4, type: ipv4, link: bond0.41, ip_address: 10.0.1.12, netmask: 255.255.255.128, routes: [{network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.0.1.101}]}
- {id: storage, type: ipv4, link: bond0.42, ip_address: 10.0.2.12, netmask: 255.255.255.128}
- {id: storage, type: ipv6, link: bond0.42, ip_address: '2001:db8:2::12', netmask: '64'}
- {id: pxe-ipv4, type: ipv4, link: eno4, ip_address: 172.30.0.12, netmask: 255.255.255.128}
services: [{address: 192.0.2.53, type: dns}]
";

const V1: &str = "
version: 1
config:
- {type: physical, name: eth0, mac_address: '52:54:00:00:00:01', mtu: 1500, subnets: [{type: static, address: 10.0.0.5, netmask: 255.255.255.0, gateway: 10.0.0.1, dns_nameservers: [192.0.2.1], dns_search: [a.example]}]}
- {type: physical, name: eth1, mac_address: '52:54:00:00:00:02'}
- {type: physical, name: eth2, mac_address: '52:54:00:00:00:03', accept-ra: true, subnets: [{type: dhcp4}, {type: ipv6_slaac}]}
- {type: bond, name: bond0, bond_interfaces: [eth1, eth2], params: {bond-mode: active-backup, bond-miimon: 100}, mac_address: '52:54:00:00:00:02', subnets: [{type: manual}]}
- {type: vlan, name: bond0.7, vlan_id: 7, vlan_link: bond0, mtu: 1400, subnets: [{type: static6, address: '2001:db8::5/64', routes: [{destination: '2001:db8:1::/48', gateway: '2001:db8::1'}]}]}
- {type: nameserver, address: [192.0.2.53], search: [example]}
";

/// Version 2, for the checks alone.
pub const V2: [&str; 2] = [
    "version: 2\nethernets:\n  oam0: {match: {macaddress: '52:54:00:bf:b2:d8'}, set-name: oam0, dhcp4: false, addresses: [10.23.25.101/24], routes: [{to: 0.0.0.0/0, via: 10.23.25.1}], nameservers: {addresses: [10.23.25.53]}}\n",
    "network:\n  version: 2\n  ethernets: {e: {}, f: {dhcp6: yes}}\n  bonds: {b: {interfaces: [e, f], parameters: {mode: 802.3ad, primary: e}}}\n  vlans: {b.5: {id: 5, link: b, addresses: [10.0.0.5/24: {label: x}], gateway4: 10.0.0.1, mtu: 1400}}\n  bridges: {br: {interfaces: [b.5]}}\n",
];

/// What makes cloud-init raise an exception.
pub const BROKEN: &[&str] = &[
    "links: [{id: a, type: phy}]\nnetworks: []\n",
    "links: [{id: a, name: a}]\nnetworks: []\n",
    "links: [{type: phy, name: a}]\nnetworks: []\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, link: a}]\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4}]\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a}]\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0}]\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 255.0.255.0}]\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: [{id: n, type: ipv4, link: a, ip_address: 10.0.0.5, netmask: 24, routes: [{netmask: 24, gateway: 10.0.0.1}]}]\n",
    "links: [{id: a, type: phy, ethernet_mac_address: 52:54:00:11:22:33}]\nnetworks: []\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks:\n",
    "links: [{id: a, type: phy, name: a}]\nnetworks: []\nservices: ~\n",
    "links: ~\nnetworks: []\n",
    "links: [{id: v, type: vlan, vlan_link: a, vlan_id: 5, vlan_mac_address: null}]\nnetworks: []\n",
    "links: [{id: a, type: phy, name: a}, {id: v, type: vlan, vlan_link: a, vlan_id: 5}]\nnetworks: []\n",
    "links: [{id: b, type: bond, bond_links: [a], bond_mode: 802.3ad}]\nnetworks: []\n",
    "links: [{id: b, type: bond, bond_mode: 802.3ad}]\nnetworks: []\n",
    "links: a\nnetworks: []\n",
    "links: [a]\nnetworks: []\n",
    "version: 1\nconfig: [{name: a}]\n",
    "version: 1\nconfig: [{type: wire, name: a}]\n",
    "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: static}]}]\n",
    "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: static, address: x}]}]\n",
    "version: 1\nconfig: [{type: nameserver, address: 192.0.2.1, interface: a}]\n",
    "version: 1\nconfig: [{type: bridge, name: a, bridge_interfaces: [], params: {bridge_stp: maybe}}]\n",
    "version: 1\n",
];
