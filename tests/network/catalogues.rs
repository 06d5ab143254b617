//! Networks made from the site's catalogues.

use airshipctl::site::cloudinit::{CloudInit, NetworkSource, usual_builder};
use airshipctl::site::document::DocumentSet;
use airshipctl::site::report::Report;
use serde_json::Value;

use super::{check, cloud_init};

const SITE: &str = "apiVersion: v1
kind: Secret
metadata: {name: u, labels: {airshipit.org/ephemeral-user-data: 'true'}}
stringData: {userData: '#!/bin/sh'}
---
apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata: {name: node01, labels: {airshipit.org/ephemeral-node: 'true'}}
spec: {bootMACAddress: 52:54:00:b6:ed:31}
";
const HOSTS: &str = "---
apiVersion: airshipit.org/v1alpha1
kind: VariableCatalogue
metadata: {name: host-catalogue}
hosts:
  m3:
    node01:
      macAddress: 52:54:00:b6:ed:31
      bmcPassword: hunter2
      ipAddresses: {oam-ipv4: 10.23.25.102, pxe-ipv4: 10.23.24.102}
      macAddresses: {oam: 52:54:00:9b:27:4c, pxe: 52:54:00:b6:ed:31}
---
apiVersion: airshipit.org/v1alpha1
kind: VariableCatalogue
metadata: {name: host-generation-catalogue}
hosts:
  m3: [node01]
";
const NETWORKING: &str = "---
apiVersion: airshipit.org/v1alpha1
kind: NetworkCatalogue
metadata: {name: networking}
spec:
  commonHostNetworking:
    links:
    - {id: oam, name: oam, type: phy, mtu: '1500'}
    - {id: pxe, name: pxe, type: phy, mtu: '1500'}
    - {id: storage, type: vlan, vlan_link: pxe, vlan_id: 40}
    networks:
    - {id: oam-ipv4, type: ipv4, link: oam, netmask: 255.255.255.0, routes: [{network: 0.0.0.0, netmask: 0.0.0.0, gateway: 10.23.25.1}]}
    - {id: pxe-ipv4, type: ipv4, link: pxe, netmask: 255.255.255.0}
    - {id: storage-dhcp, type: ipv4_dhcp, link: storage}
    services: [{address: 8.8.8.8, type: dns}]
";
const DHCP: &str =
    "version: 2\nethernets:\n  \"boot\":\n    match: {macaddress: \"52:54:00:b6:ed:31\"}\n    dhcp4: true\n";

/// The network, and what is said of it.
fn generated(documents: &str) -> (Option<String>, Vec<String>) {
    let documents = DocumentSet::parse("site.yaml", documents.as_bytes()).unwrap();
    let mut report = Report::default();
    let data = CloudInit::select(&documents, &usual_builder(), &mut report);
    assert_eq!(data.is_some(), report.errors.is_empty());
    let network = data.map(|data| {
        assert_eq!(data.network, NetworkSource::Generated);
        String::from_utf8(data.network_config).unwrap()
    });
    (network, report.errors.iter().chain(&report.warnings).map(ToString::to_string).collect())
}

#[test]
fn names_and_addresses_come_from_the_catalogues() {
    let (network, said) = generated(&format!("{SITE}{HOSTS}{NETWORKING}"));
    assert_eq!(said, [""; 0]);
    let expected = r#"version: 2
ethernets:
  "oam":
    match: {macaddress: "52:54:00:9b:27:4c"}
    set-name: "oam"
    mtu: 1500
    addresses: ["10.23.25.102/24"]
    routes:
      - {to: "0.0.0.0/0", via: "10.23.25.1"}
    nameservers:
      addresses: ["8.8.8.8"]
      search: []
  "pxe":
    match: {macaddress: "52:54:00:b6:ed:31"}
    set-name: "pxe"
    mtu: 1500
    addresses: ["10.23.24.102/24"]
    nameservers:
      addresses: ["8.8.8.8"]
      search: []
vlans:
  "pxe.40":
    id: 40
    link: "pxe"
    dhcp4: true
"#;
    assert_eq!(network.as_deref(), Some(expected));
}

#[test]
fn the_older_form_of_the_catalogue_serves_too() {
    let old = NETWORKING
        .replace("NetworkCatalogue", "VariableCatalogue")
        .replace("name: networking", "name: common-networking-catalogue")
        .replace("spec:\n  commonHostNetworking:", "commonNetworking:");
    let new = generated(&format!("{SITE}{HOSTS}{NETWORKING}"));
    assert_eq!(generated(&format!("{SITE}{HOSTS}{old}")), new);
}

#[test]
fn without_both_catalogues_the_interface_that_boots_has_dhcp() {
    assert_eq!(generated(SITE), (Some(DHCP.to_owned()), Vec::new()));
    assert_eq!(generated(&format!("{SITE}{HOSTS}")), (Some(DHCP.to_owned()), Vec::new()));
    assert_eq!(generated(&format!("{SITE}{NETWORKING}")), (Some(DHCP.to_owned()), Vec::new()));
    let bare = SITE.replace("spec: {bootMACAddress: 52:54:00:b6:ed:31}", "spec: {online: true}");
    assert_eq!(generated(&format!("{bare}{HOSTS}")).0, Some(DHCP.to_owned()));
}

#[test]
fn generated_networks_are_taken_by_cloud_init_and_by_our_own_checks() {
    for documents in [SITE.to_owned(), format!("{SITE}{HOSTS}{NETWORKING}")] {
        let v2 = generated(&documents).0.unwrap();
        assert_eq!(check(v2.as_bytes()).1.errors, []);
        let cases = serde_json::json!([{"input": "links: []\nnetworks: []\n", "v2": v2}]);
        let cases = cases.to_string().replace("\"input\":\"links: []", "\"input\":\"links: [{id: a, type: phy, name: pxe, ethernet_mac_address: '52:54:00:b6:ed:31'}, {id: b, type: phy, name: oam, ethernet_mac_address: '52:54:00:9b:27:4c'}]");
        let said = cloud_init::ask("network.py", &[], cases.as_bytes());
        let verdicts: Vec<Value> = serde_json::from_str(&said).unwrap();
        assert_eq!(verdicts[0]["refused"], Value::Null, "{v2}");
    }
}

#[test]
fn faults_of_the_catalogues_have_their_place_and_exact_text() {
    let both = format!("{SITE}{HOSTS}{NETWORKING}");
    for (documents, expected) in [
        (
            both.replace("oam-ipv4: 10.23.25.102, ", ""),
            "site.yaml:19:20 (document 3): `hosts.m3.node01.ipAddresses`: has no address for the network `oam-ipv4` [catalogue-address-missing]",
        ),
        (
            both.replace("10.23.25.102", "10.23.25.1O2"),
            "site.yaml:19:31 (document 3): `hosts.m3.node01.ipAddresses.oam-ipv4`: is no IP address [network-address]",
        ),
        (
            both.replace("oam: 52:54:00:9b:27:4c", "oam: 52:54:00:9b:27"),
            "site.yaml:20:27 (document 3): `hosts.m3.node01.macAddresses.oam`: is no MAC address; expected six pairs like 52:54:00:12:34:56 [network-mac]",
        ),
        (
            both.replace("pxe: 52:54:00:b6:ed:31", "pxe: 52:54:00:b6:ed:32"),
            "site.yaml:20:21 (document 3): `hosts.m3.node01.macAddresses`: none is the node's bootMACAddress [network-boot-mac]",
        ),
        (
            both.replace("link: oam,", "link: oem,"),
            "site.yaml:38:40 (document 5): `commonHostNetworking.networks[0].link`: there is no such link; the network is left out [network-unknown-link]",
        ),
        (
            both.replace("netmask: 255.255.255.0}", "netmask: 255.255.255.257}"),
            "site.yaml:39:54 (document 5): `commonHostNetworking.networks[1].netmask`: is no netmask or prefix length [network-netmask]",
        ),
        (
            both.replace("    node01:", "    node02:"),
            "site.yaml:11:1 (document 3): VariableCatalogue \"host-catalogue\" does not know the node, so that NetworkCatalogue \"networking\" is not used and the node gets DHCP [catalogue-host-missing]",
        ),
        (
            format!("{both}{}", NETWORKING.replace("name: networking", "name: b"))
                .replace("name: networking", "name: a"),
            "site.yaml:43:1 (document 6): 2 catalogues describe host networking, expected one: NetworkCatalogue \"a\" in site.yaml:28:1 (document 5), NetworkCatalogue \"b\" in site.yaml:43:1 (document 6) [catalogue-several]",
        ),
        (
            SITE.replace("bootMACAddress: 52:54:00:b6:ed:31", "online: true"),
            "site.yaml:9:7 (document 2): `spec.networkData` and `spec.bootMACAddress` are missing; one is needed [network-data-missing]",
        ),
    ] {
        assert_eq!(generated(&documents).1.join("\n"), expected);
    }
}

#[test]
fn addresses_in_catalogues_need_no_quotes() {
    // PyYAML would read such a one as a number, but cloud-init never sees the catalogue
    let mac = "52:54:00:11:22:33";
    let hosts = HOSTS.replace("52:54:00:9b:27:4c", mac);
    let networking = NETWORKING.replace("vlan_id: 40", &format!("vlan_id: 40, vlan_mac_address: {mac}"));
    let (network, said) = generated(&format!("{SITE}{hosts}{networking}"));
    assert_eq!(said, [""; 0]);
    assert_eq!(network.unwrap().matches(&format!("macaddress: \"{mac}\"")).count(), 2);
}
