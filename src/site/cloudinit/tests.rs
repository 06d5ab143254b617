use super::*;
use crate::error::Result;

const CONFIGURATION: &str =
    "container:\n  volume: /srv/iso:/config\nbuilder:\n  userDataFileName: u\n  networkConfigFileName: n\n";
const USER_DATA: &str = "apiVersion: v1
kind: Secret
metadata:
  name: user
  labels: {airshipit.org/ephemeral-user-data: 'true'}
stringData:
  userData: |
    #cloud-config
    password: hunter2-canary
";
const HOST: &str = "apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata:
  name: node-0
  labels: {airshipit.org/ephemeral-node: 'True'}
spec:
  bootMACAddress: 52:54:00:bf:b2:d8
  networkData: {name: net, namespace: default}
";
const NETWORK: &str = "apiVersion: v1
kind: Secret
metadata: {name: net}
stringData:
  networkData: '{\"links\": [{\"id\": \"e\", \"type\": \"phy\", \"ethernet_mac_address\": \"52:54:00:bf:b2:d8\", \"vif_id\": \"hunter2-canary\"}], \"networks\": []}'
";

fn generate_with(configuration: &str, documents: &[&str]) -> Result<CloudInit> {
    let configuration = IsoConfiguration::parse("isogen.yaml", configuration.as_bytes()).unwrap();
    let documents = DocumentSet::parse("site.yaml", documents.join("---\n").as_bytes())?;
    let mut report = Report::default();
    CloudInit::generate(&documents, &configuration, &mut report).ok_or_else(|| refusal(report.errors))
}

/// The warnings that are given, and the number of errors.
fn warned(documents: &[&str]) -> (Vec<String>, usize) {
    let configuration = IsoConfiguration::parse("isogen.yaml", CONFIGURATION.as_bytes()).unwrap();
    let documents = DocumentSet::parse("site.yaml", documents.join("---\n").as_bytes()).unwrap();
    let mut report = Report::default();
    CloudInit::generate(&documents, &configuration, &mut report);
    (report.warnings.iter().map(ToString::to_string).collect(), report.errors.len())
}

fn generate(documents: &[&str]) -> Result<CloudInit> {
    generate_with(CONFIGURATION, documents)
}

fn faults(documents: &[&str]) -> Vec<String> {
    let error = generate(documents).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Documents);
    assert!(!error.to_string().contains("canary"), "{error}");
    error.fault_list().iter().map(ToString::to_string).collect()
}

#[test]
fn the_files_are_the_bytes_of_the_secrets() {
    let cloud_init = generate(&[USER_DATA, HOST, NETWORK]).unwrap();
    assert_eq!(cloud_init.user_data, b"#cloud-config\npassword: hunter2-canary\n");
    assert!(cloud_init.network_config.starts_with(b"{\"links\": [{"));
    assert_eq!(cloud_init.network, NetworkSource::Secret { format: NetworkFormat::OpenStack });
    assert_eq!(cloud_init.host_name, "node-0");
    assert_eq!(cloud_init.user_data_kind(), UserDataKind::CloudConfig);
    let meta_data = String::from_utf8(cloud_init.meta_data.clone()).unwrap();
    assert!(meta_data.ends_with("\nlocal-hostname: \"node-0\"\n"), "{meta_data}");
    assert!(!format!("{cloud_init:?}").contains("canary"));
}

#[test]
fn the_order_of_the_documents_does_not_matter() {
    assert_eq!(
        generate(&[NETWORK, HOST, USER_DATA]).unwrap(),
        generate(&[USER_DATA, HOST, NETWORK]).unwrap()
    );
}

#[test]
fn without_network_data_the_network_is_made_from_the_address() {
    let host = HOST.replace("  networkData: {name: net, namespace: default}\n", "");
    let cloud_init = generate(&[USER_DATA, &host]).unwrap();
    assert_eq!(cloud_init.network, NetworkSource::Generated);
    let text = String::from_utf8(cloud_init.network_config).unwrap();
    assert!(text.contains("macaddress: \"52:54:00:bf:b2:d8\""), "{text}");
    let bare = host.replace("  bootMACAddress: 52:54:00:bf:b2:d8\n", "  online: true\n");
    assert!(
        faults(&[USER_DATA, &bare])[0].contains("`spec.networkData` and `spec.bootMACAddress` are missing")
    );
    let without_spec = &host[..host.find("spec:").unwrap()];
    assert_eq!(faults(&[USER_DATA, without_spec]).len(), 1);
}

#[test]
fn data_is_base64_with_line_breaks_and_string_data_wins() {
    let encoded = "data:\n  userData: |\n    I2Nsb3VkLWNv\n    bmZpZwo=\n";
    let secret = USER_DATA.split("stringData").next().unwrap().to_owned();
    let from_data = generate(&[&format!("{secret}{encoded}"), HOST, NETWORK]).unwrap();
    assert_eq!(from_data.user_data, b"#cloud-config\n");
    let both = generate(&[&format!("{USER_DATA}{encoded}"), HOST, NETWORK]).unwrap();
    assert!(both.user_data.len() > from_data.user_data.len());
    let null =
        generate(&[&format!("{secret}stringData: {{userData: null}}\n{encoded}"), HOST, NETWORK]).unwrap();
    assert_eq!(null.user_data, from_data.user_data);
}

#[test]
fn bytes_that_are_no_text_pass_through() {
    let secret =
        USER_DATA.split("stringData").next().unwrap().to_owned() + "data: {userData: H4sIAP/+AAE=}\n";
    let cloud_init = generate(&[&secret, HOST, NETWORK]).unwrap();
    assert_eq!(cloud_init.user_data, [0x1f, 0x8b, 8, 0, 0xff, 0xfe, 0, 1]);
    assert_eq!(cloud_init.user_data_kind(), UserDataKind::Gzip);
}

#[test]
fn bad_values_are_refused_by_key_and_place() {
    let secret = USER_DATA.split("stringData").next().unwrap();
    for (values, expected) in [
        (
            "",
            "site.yaml:1:1 (document 1): Secret \"user\" has no `userData` in stringData or data; it has nothing",
        ),
        ("data: {a: eA==, b: eA==, userData: null}\n", "it has `a`, `b`"),
        ("data: {userData: '*hunter2-canary*'}\n", "site.yaml:6:18 (document 1): `userData`: is not base64"),
        ("data: {userData: I2Nsb3VkLWNvbmZpZw}\n", "is not base64"),
        ("data: {userData: ''}\n", "is empty"),
        ("stringData: {userData: ''}\n", "is empty"),
        ("stringData: {userData: \" \\n\"}\n", "is empty"),
        ("stringData: {userData: no}\n", "expected a string, found a boolean; put it in quotes"),
        ("stringData: {userData: 0644}\n", "expected a string, found a number; put it in quotes"),
        ("stringData: {userData: [hunter2-canary]}\n", "expected a string, found a list"),
        ("stringData: hunter2-canary\n", "has no `userData`"),
    ] {
        let shown = faults(&[&format!("{secret}{values}"), HOST, NETWORK]);
        assert_eq!(shown.len(), 1, "{values}: {shown:?}");
        assert!(shown[0].contains(expected), "{values}: {shown:?}");
    }
}

#[test]
fn everything_that_is_missing_is_reported_at_once() {
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    assert_eq!(
        faults(&[NETWORK, config_map]),
        [
            "no document matches kind Secret, label airshipit.org/ephemeral-user-data in (true,True); \
             candidates: Secret \"net\" in site.yaml:1:1 (document 1)",
            "no document matches kind BareMetalHost, label airshipit.org/ephemeral-node in (true,True): \
             there is no BareMetalHost among the 2 documents",
        ]
    );
}

#[test]
fn several_matches_are_refused_and_named() {
    let shown = faults(&[USER_DATA, HOST, USER_DATA, HOST, NETWORK]);
    assert_eq!(shown.len(), 2);
    assert!(
        shown[0].starts_with("site.yaml:20:1 (document 3): 2 documents match kind Secret, label"),
        "{shown:?}"
    );
    assert!(shown[0].ends_with(
        "expected one: Secret \"user\" in site.yaml:1:1 (document 1), Secret \"user\" in site.yaml:20:1 (document 3)"
    ));
    let many: Vec<_> = std::iter::repeat_n(USER_DATA, 15).chain([HOST, NETWORK]).collect();
    assert!(faults(&many)[0].ends_with("and 5 more"));
}

#[test]
fn labels_select_by_the_values_in_use() {
    for (value, expected) in [("true", true), ("'True'", true), ("'yes'", false), ("'false'", false)] {
        let host = HOST.replace("'True'", value);
        assert_eq!(generate(&[USER_DATA, &host, NETWORK]).is_ok(), expected, "{value}");
    }
}

#[test]
fn the_network_secret_is_found_by_name_and_namespace() {
    let secret = |metadata: &str, more: &str| NETWORK.replace("{name: net}", metadata) + more;
    let host = |reference: &str| HOST.replace("{name: net, namespace: default}", reference);
    for (reference, secrets, expected) in [
        ("{name: net, namespace: default}", vec![secret("{name: net}", "")], Ok(())),
        ("{name: net}", vec![secret("{name: net, namespace: default}", "")], Ok(())),
        ("{name: net, namespace: site}", vec![secret("{name: net, namespace: site}", "")], Ok(())),
        ("{name: net, namespace: site}", vec![secret("{name: net}", "")], Ok(())),
        ("{name: net, namespace: site}", vec![secret("{name: net}", "namespace: misplaced\n")], Ok(())),
        (
            "{name: net, namespace: site}",
            vec![secret("{name: net, namespace: site}", ""), secret("{name: net}", "")],
            Ok(()),
        ),
        (
            "{name: net}",
            vec![secret("{name: net, namespace: other}", "")],
            Err("in other namespaces: Secret"),
        ),
        ("{name: net, namespace: site}", vec![secret("{name: other}", "")], Err("candidates: Secret")),
        ("{name: 'n.t'}", vec![secret("{name: net}", "")], Err("name n.t")),
        (
            "{name: net}",
            vec![secret("{name: net}", ""), secret("{name: net, namespace: default}", "")],
            Err("2 documents match kind Secret, namespace default, name net"),
        ),
        ("{namespace: default}", vec![secret("{name: net}", "")], Err("`spec.networkData.name` is missing")),
        ("net", vec![secret("{name: net}", "")], Err("`spec.networkData`: expected a mapping")),
    ] {
        let host = host(reference);
        let mut documents = vec![USER_DATA, host.as_str()];
        documents.extend(secrets.iter().map(String::as_str));
        match expected {
            Ok(()) => assert!(generate(&documents).is_ok(), "{reference}: {:?}", faults(&documents)),
            Err(reason) => {
                let shown = faults(&documents);
                assert_eq!(shown.len(), 1, "{reference}: {shown:?}");
                assert!(shown[0].contains(reason), "{reference}: {shown:?}");
            }
        }
    }
}

#[test]
fn a_reference_without_namespace_means_that_of_the_host_first() {
    let host = HOST.replace("name: node-0", "name: node-0\n  namespace: site");
    let host = host.replace("{name: net, namespace: default}", "{name: net}");
    let near = NETWORK
        .replace("{name: net}", "{name: net, namespace: site}")
        .replace("links", "links\": [], \"near");
    let cloud_init = generate(&[USER_DATA, &host, NETWORK, &near]).unwrap();
    assert!(String::from_utf8(cloud_init.network_config).unwrap().contains("near"));
    generate(&[USER_DATA, &host, NETWORK]).unwrap();
}

#[test]
fn ciphertext_is_refused_wherever_it_is() {
    let encrypted = USER_DATA.replace("password: hunter2-canary", "password: ENC[AES256_GCM,data:x]");
    let error = generate(&[&encrypted, HOST, NETWORK]).unwrap_err();
    assert!(error.to_string().contains("is encrypted with SOPS: Secret \"user\""), "{error}");
    assert!(error.hint_text().unwrap().contains("decrypt"));
    let marked = format!("{NETWORK}sops:\n  version: 3.7.1\n");
    assert!(faults(&[USER_DATA, HOST, &marked])[0].contains("site.yaml:20:1 (document 3): is encrypted"));
    let host = HOST.replace("52:54:00:bf:b2:d8", "ENC[AES256_GCM,data:x]");
    assert!(faults(&[USER_DATA, &host, NETWORK])[0].contains("is encrypted"));
    // I2Nsb3VkLWNvbmZpZwpFTkNbQUVTMjU2X0dDTSx4XQ== is such a text in base64
    let encoded = USER_DATA.split("stringData").next().unwrap().to_owned()
        + "data: {userData: I2Nsb3VkLWNvbmZpZwpFTkNbQUVTMjU2X0dDTSx4XQ==}\n";
    assert!(faults(&[&encoded, HOST, NETWORK])[0].contains("`userData`: is encrypted with SOPS"));
    // documents that are not used may be encrypted
    let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: other}\nsops: {}\n";
    generate(&[USER_DATA, HOST, NETWORK, other]).unwrap();
}

#[test]
fn wrong_facts_of_the_node_are_all_reported() {
    let host = HOST.replace("node-0", "Node_0").replace("52:54:00:bf:b2:d8", "52:54:00");
    let shown = faults(&[USER_DATA, &host, &NETWORK.replace("name: net", "name: other")]);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        shown[0].starts_with("site.yaml:14:9 (document 2): `metadata.name`: is no host name"),
        "{shown:?}"
    );
    assert!(shown[1].contains("`spec.bootMACAddress`: is no MAC address"), "{shown:?}");
    assert!(shown[2].contains("the network data of BareMetalHost \"Node_0\""), "{shown:?}");
}

#[test]
fn network_data_of_no_known_format_is_refused_without_showing_it() {
    for (value, reason) in [
        ("hunter2-canary", "is neither network-config version 1 or 2"),
        ("'version: 3 # hunter2-canary'", "is neither"),
        ("\"a: hunter2-canary\\n b: c\"", "line 2 of `networkData`: not YAML"),
    ] {
        let start = NETWORK.find("networkData: ").unwrap();
        let network = format!("{}networkData: {value}\n", &NETWORK[..start]);
        let shown = faults(&[USER_DATA, HOST, &network]);
        assert!(shown[0].starts_with("site.yaml:24:16 (document 3): "), "{shown:?}");
        assert!(shown[0].contains(reason), "{shown:?}");
    }
}

#[test]
fn configured_selectors_and_keys_replace_the_defaults() {
    let configuration = format!(
        "{CONFIGURATION}  userDataSelector: {{name: mine}}\n  userDataKey: ud\n  networkConfigSelector: {{kind: BareMetalHost, name: bmh}}\n  networkConfigKey: nd\n"
    );
    let user_data = "apiVersion: v1\nkind: Secret\nmetadata: {name: mine}\nstringData: {ud: '#!/bin/sh'}\n";
    let same_name = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n";
    let host = HOST.replace("node-0", "bmh");
    let network = NETWORK.replace("networkData", "nd");
    let documents = [USER_DATA, HOST, user_data, same_name, &host, &network];
    let cloud_init = generate_with(&configuration, &documents).unwrap();
    assert_eq!((cloud_init.user_data.as_slice(), cloud_init.host_name.as_str()), (&b"#!/bin/sh"[..], "bmh"));
}

#[test]
fn a_secret_without_a_namespace_is_selected_as_a_last_resort() {
    let configuration = format!("{CONFIGURATION}  userDataSelector: {{name: user, namespace: site}}\n");
    let with = |namespace: &str, text: &str| {
        USER_DATA
            .replace("  name: user\n", &format!("  name: user\n{namespace}"))
            .replace("#cloud-config", text)
    };
    let (here, homeless) = (with("  namespace: site\n", "#!/here"), with("", "#!/homeless"));
    let elsewhere = with("  namespace: other\n", "#!/elsewhere");
    let found = |secrets: &[&str]| {
        let documents = [secrets, &[HOST, NETWORK]].concat();
        generate_with(&configuration, &documents).map(|it| it.user_data.starts_with(b"#!/here"))
    };
    assert_eq!(found(&[&homeless, &here]).ok(), Some(true));
    assert_eq!(found(&[&homeless, &elsewhere]).ok(), Some(false));
    assert!(found(&[&elsewhere]).is_err());
    assert!(found(&[&homeless, &homeless.replace("hunter2", "hunter3")]).is_err());
    // the README's own example
    let empty = format!("{CONFIGURATION}  userDataSelector: {{}}\n  networkConfigSelector: {{kind: ''}}\n");
    assert!(generate_with(&empty, &[USER_DATA, HOST, NETWORK]).is_ok());
}

#[test]
fn names_cannot_command_the_terminal() {
    let host = HOST.replace("{name: net, namespace: default}", "{name: \"\\e[31m\", namespace: \"\\e[1m\"}");
    let secret = NETWORK.replace("{name: net}", "{name: \"\\e[2m\"}");
    let mut shown = faults(&[USER_DATA, &host, &secret]);
    shown.extend(faults(&[USER_DATA, &HOST.replace("node-0", "\"\\e[3m\""), NETWORK]));
    assert_eq!(shown.len(), 2);
    assert!(!shown.join("").contains('\u{1b}'), "{shown:?}");
}

#[test]
fn warnings_name_places_and_no_values() {
    let user_data = USER_DATA
        .replace("#cloud-config\n", "password: x\n")
        .replace("hunter2-canary", "REPLACEMENT_PASSWORDhunter2-canary");
    assert_eq!(
        warned(&[&user_data, HOST, NETWORK]),
        (
            vec![
                "site.yaml:9:5 (document 1): `userData`: a REPLACEMENT_ placeholder that nothing replaced [placeholder]".into(),
                "site.yaml:8:5 (document 1): `userData`: begins like nothing that cloud-init knows, such as #cloud-config; it will be ignored [user-data-kind]".into(),
            ],
            0
        )
    );
    let (warnings, errors) = warned(&[USER_DATA, HOST, NETWORK]);
    assert_eq!((warnings.len(), errors), (1, 0), "{warnings:?}");
    assert!(
        warnings[0].starts_with("site.yaml:9:15 (document 1): `userData`: `password`: a password in plain")
    );
}

#[test]
fn the_example_site_gives_its_files() {
    let site = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/example-site");
    let configuration = IsoConfiguration::load(&site.join("isogen.yaml")).unwrap();
    let source = crate::site::document::Source::Path(site.join("documents"));
    let mut report = Report::default();
    let documents = DocumentSet::read(&source).unwrap();
    let cloud_init = CloudInit::generate(&documents, &configuration, &mut report).unwrap();
    assert_eq!(report, Report::default());
    assert_eq!(cloud_init.network, NetworkSource::Secret { format: NetworkFormat::V2 });
    assert_eq!(cloud_init.host_name, "ephemeral-node");
    assert!(cloud_init.user_data.starts_with(b"#cloud-config\n"));
}
