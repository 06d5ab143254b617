use std::path::PathBuf;

use super::*;

fn parse(text: &str) -> Result<IsoConfiguration, Error> {
    isogen::parse("isogen.yaml", text.as_bytes(), Some(Path::new("/home/op")))
}

fn faults(text: &str) -> Vec<String> {
    let error = parse(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Usage);
    error.fault_list().iter().map(ToString::to_string).collect()
}

const BUILDER: &str = "builder:\n  userDataFileName: user-data\n  networkConfigFileName: network-config\n";

fn with_container(container: &str) -> String {
    format!("container:\n{container}{BUILDER}")
}

fn with_builder(more: &str) -> String {
    format!("container:\n  volume: /srv/iso:/config\n{BUILDER}{more}")
}

#[test]
fn the_shortest_configuration_gets_the_defaults() {
    let configuration = parse(&with_builder("")).unwrap();
    let container = &configuration.container;
    assert_eq!(container.volume.host, PathBuf::from("/srv/iso"));
    assert_eq!((container.image.as_deref(), container.network), (None, None));
    assert_eq!((container.runtime, container.privilege), (ContainerRuntime::Oci, Privilege::Default));
    let builder = &configuration.builder;
    assert_eq!(builder.output_metadata_file_name, "output-metadata.yaml");
    assert_eq!(builder.output_file_name, None);
    assert_eq!((builder.user_data.key.as_str(), &builder.user_data.selector), ("userData", &None));
    assert_eq!(builder.network_config.key, "networkData");
}

#[test]
fn everything_that_can_be_given_is_read() {
    let configuration = parse(
        "apiVersion: airshipit.org/v1alpha1
kind: ImageConfiguration
metadata: {name: isogen, labels: {a: b}}
container:
  volume: /srv/iso:/config:z
  image: registry.example/isogen:1
  containerRuntime: docker
  privileged: yes
  network: host
builder:
  userDataFileName: ud
  networkConfigFileName: nc
  outputMetadataFileName: om
  outputFileName: out.iso
  userDataSelector: {group: '', version: v1, kind: Secret, namespace: ns, name: n, annotationSelector: a, labelSelector: 'b in (c)'}
  userDataKey: uk
  networkConfigSelector: {kind: BareMetalHost, name: h}
  networkConfigKey: nk
",
    )
    .unwrap();
    let ContainerSection { image, runtime, privilege, network, volume, .. } = &configuration.container;
    assert_eq!(image.as_deref(), Some("registry.example/isogen:1"));
    assert_eq!((*runtime, *privilege), (ContainerRuntime::Docker, Privilege::Privileged));
    assert_eq!((*network, volume.to_string().as_str()), (Some(Network::Host), "/srv/iso:/config"));
    let builder = &configuration.builder;
    assert_eq!(builder.output_file_name.as_deref(), Some("out.iso"));
    assert_eq!((builder.user_data.key.as_str(), builder.network_config.key.as_str()), ("uk", "nk"));
    let selector = builder.user_data.selector.as_ref().unwrap();
    assert_eq!(
        selector.to_string(),
        "version v1, kind Secret, namespace ns, name n, label b in (c), annotation a"
    );
}

#[test]
fn all_faults_come_at_once_each_with_its_place() {
    let shown = faults(
        "container:
  image: ''
  privileged: 'true'
  containerRuntime: podman
  network: bridge
builder:
  userDataFileName: a/b
  networkConfigFileName: [x]
  userDataSelector:
    labelSelector: 'a in b'
",
    );
    assert_eq!(
        shown,
        [
            "isogen.yaml:2:3: `container.volume` is missing",
            "isogen.yaml:2:10: `container.image`: is empty",
            "isogen.yaml:4:21: `container.containerRuntime`: unknown container runtime \"podman\"; there are oci and docker",
            "isogen.yaml:5:12: `container.network`: unknown network \"bridge\"; there are none and host",
            "isogen.yaml:3:15: `container.privileged`: expected true or false, found a string",
            "isogen.yaml:10:20: `builder.userDataSelector.labelSelector`: expected `(` after in or notin",
            "isogen.yaml:8:26: `builder.networkConfigFileName`: expected a string, found a list",
            "isogen.yaml:7:21: `builder.userDataFileName` has a `/` in it; expected a plain file name",
        ]
    );
}

#[test]
fn a_missing_key_has_the_line_of_the_mapping_that_lacks_it() {
    assert_eq!(
        faults("\ncontainer:\n  image: x\nbuilder:\n  outputFileName: x\n"),
        [
            "isogen.yaml:3:3: `container.volume` is missing",
            "isogen.yaml:5:3: `builder.userDataFileName` is missing",
            "isogen.yaml:5:3: `builder.networkConfigFileName` is missing",
        ]
    );
    assert_eq!(
        faults("{}"),
        ["isogen.yaml:1:1: `container` is missing", "isogen.yaml:1:1: `builder` is missing"]
    );
    assert_eq!(faults("container:\nbuilder: {}\n").len(), 3);
}

#[test]
fn what_is_no_configuration_is_refused() {
    for (text, reason) in [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a\n", "1:1: expected a mapping, found a list"),
        ("hello", "1:1: expected a mapping, found a string"),
        ("a: [", "not YAML"),
        ("a: 1\n---\nb: 2\n", "3:1: a second document"),
        ("container: x\nbuilder: {}\n", "1:12: `container`: expected a mapping, found a string"),
        ("kind: Secret\napiVersion: v1\n", "`kind`: expected ImageConfiguration or IsoConfiguration"),
        ("kind: IsoConfiguration\n", "1:1: `apiVersion` is missing"),
        ("apiVersion: airshipit.org/v1alpha1\n", "1:1: `kind` is missing"),
        ("container: {}\ncontainer: {}\n", "2:1: `container` is there twice"),
        (
            "container: {volume: 12}\n",
            "1:21: `container.volume`: expected a string, found a number; put it in quotes",
        ),
    ] {
        let shown = faults(text).join("\n");
        assert!(shown.contains(reason), "{text}: {shown}");
    }
}

#[test]
fn bombs_and_binaries_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
    }
    assert!(faults(&laughs).join("").contains("bomb"));
    let error = isogen::parse("f", &[0x1f, 0x8b, 8, 0], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn file_names_are_plain_free_and_different() {
    for (name, reason) in [
        ("..", "not a file name"),
        (".", "not a file name"),
        ("a/b", "`/`"),
        ("/a", "`/`"),
        ("meta-data", "reserved"),
        ("builder-conf.yaml", "reserved"),
        ("\"a\\nb\"", "control character"),
        ("''", "is empty"),
        ("user-data", "same name as `builder.userDataFileName`"),
        ("output-metadata.yaml", "same name as"),
    ] {
        let shown = faults(&with_builder(&format!("  outputFileName: {name}\n")));
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].contains(reason), "{name}: {shown:?}");
    }
    assert!(faults(&with_builder(&format!("  outputFileName: {}\n", "x".repeat(256))))[0].contains("255"));
    parse(&with_builder("  outputFileName: 'my image..iso'\n")).unwrap();
}

#[test]
fn only_the_volume_of_the_builders_copy_changes() {
    let rest = "\n  image: x # keep\nbuilder:\n  userDataFileName: ud\n  networkConfigFileName: nc\n  extra: [no, \"no\", 0644]\n";
    for (written, expected) in [
        ("/srv/iso:/config", "/srv/iso:/config"),
        ("\"/srv/iso:/config\"", "\"/srv/iso:/config\""),
        ("/srv//iso/:/config/:z # c", "/srv/iso:/config # c"),
        ("'/srv/iso/:/config'", "'/srv/iso:/config'"),
        ("\"/srv/\\u0069so/:/config\"", "\"/srv/iso:/config\""),
        ("~/iso", "/home/op/iso:/home/op/iso"),
        ("/srv/a#b/", "/srv/a#b:/srv/a#b"),
        ("'/srv/a #b/'", "'/srv/a #b:/srv/a #b'"),
        ("'/srv/it''s #b/'", "'/srv/it''s #b:/srv/it''s #b'"),
        ("&v /srv/iso/:/config", "&v /srv/iso:/config"),
        ("!!str /srv/iso/:/config", "!!str /srv/iso:/config"),
        ("|-\n    /srv/iso/:/config", "/srv/iso:/config"),
        (">-\n    /srv/iso/:/config", "/srv/iso:/config"),
        ("|\n    /srv/iso/:/config", "/srv/iso:/config"),
        ("|2- # c\n    /srv/iso/:/config\n\n  # d", "/srv/iso:/config # c\n\n  # d"),
        ("&v |+\n    /srv/iso/:/config\n", "&v /srv/iso:/config\n"),
        ("\n    /srv/iso/:/config", "\n    /srv/iso:/config"),
    ] {
        let text = format!("# mine\ncontainer:\n  volume: {written}{rest}");
        let conf = parse(&text).unwrap_or_else(|e| panic!("{written}: {e}")).builder_conf().unwrap();
        let conf = String::from_utf8(conf).unwrap();
        assert_eq!(conf, format!("# mine\ncontainer:\n  volume: {expected}{rest}"), "{written}");
    }
}

#[test]
fn the_copy_keeps_json_crlf_and_byte_order_mark() {
    let tail = "\"builder\":{\"userDataFileName\":\"u\",\"networkConfigFileName\":\"n\"}}";
    for (written, expected) in [
        (format!("{{\"container\":{{\"volume\":\"/a/,b:/c\"}},{tail}"), "\"volume\":'/a/,b:/c'}"),
        (format!("{{\"container\":{{\"volume\":\"/a,b/:/c\"}},{tail}"), "\"volume\":'/a,b:/c'}"),
        (format!("{{\"container\":{{\"volume\":\"/a/:/c\"}},{tail}"), "\"volume\":\"/a:/c\"}"),
    ] {
        let conf = String::from_utf8(parse(&written).unwrap().builder_conf().unwrap()).unwrap();
        if written.contains("/a/,b") {
            assert_eq!(conf, written, "nothing to clean");
        } else {
            assert!(
                serde_json::from_str::<serde_json::Value>(&conf).is_ok(),
                "still JSON: {conf} ({expected})"
            );
        }
    }
    let crlf = "\u{feff}container:\r\n  volume: /a/\r\nbuilder:\r\n  userDataFileName: u\r\n  networkConfigFileName: n\r\n";
    let conf = String::from_utf8(parse(crlf).unwrap().builder_conf().unwrap()).unwrap();
    assert_eq!(conf, crlf.replace("/a/", "/a:/a"));
}

#[test]
fn an_aliased_volume_is_patched_where_it_is_used() {
    let text = format!("x: &v /a/:/b\ncontainer:\n  volume: *v\n{BUILDER}");
    let conf = String::from_utf8(parse(&text).unwrap().builder_conf().unwrap()).unwrap();
    assert_eq!(conf, text.replace("*v", "/a:/b"));
    let merged = format!("x: &v {{volume: /a/:/b}}\ncontainer:\n  <<: *v\n{BUILDER}");
    assert!(faults(&merged)[0].contains("write it as \"/a:/b\""), "{:?}", faults(&merged));
}

#[test]
fn bad_volumes_have_their_place() {
    let shown = faults(&with_container("  volume: srv:/config\n"));
    assert_eq!(
        shown,
        ["isogen.yaml:2:11: `container.volume`: has a relative host side; write it from `/` on"]
    );
}

#[test]
fn names_of_drivers_and_networks_are_read_as_they_are_shown() {
    for runtime in ContainerRuntime::ALL {
        assert_eq!(runtime.to_string().parse::<ContainerRuntime>().unwrap(), runtime);
    }
    for network in Network::ALL {
        assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
    }
    assert_eq!("OCI".parse::<ContainerRuntime>().unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn debug_output_does_not_show_unknown_keys() {
    let configuration = parse(&with_builder("  registryPassword: hunter2-canary\n")).unwrap();
    assert!(!format!("{configuration:?}").contains("canary"));
    assert!(!format!("{configuration:?}").contains("104, 117, 110"), "nor their bytes");
}

#[test]
fn files_that_cannot_be_a_configuration_are_usage_errors() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let huge = directory.path().join("huge");
    std::fs::write(&huge, vec![b'#'; (1 << 20) + 1]).unwrap();
    for (path, reason) in [
        (directory.path().join("nothing"), "No such file"),
        (directory.path().to_owned(), "it is a directory"),
        (fifo, "not a regular file"),
        (huge, "larger than"),
        ("/dev/zero".into(), "not a regular file"),
    ] {
        let error = IsoConfiguration::load(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let good = directory.path().join("isogen.yaml");
    std::fs::write(&good, with_builder("")).unwrap();
    IsoConfiguration::load(&good).unwrap();
}

#[test]
fn unknown_keys_are_warned_about_once_each_and_kept() {
    let text = with_builder("  extra: 1\nmine: {extra: 2}\n");
    let configuration = parse(&text).unwrap();
    let warnings: Vec<_> = configuration.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "isogen.yaml:7:1: unknown key `mine` is ignored [unknown-key]",
            "isogen.yaml:6:3: unknown key `extra` in `builder` is ignored [unknown-key]",
        ]
    );
    assert_eq!(configuration.builder_conf().unwrap(), text.as_bytes());
}

#[test]
fn what_only_the_reference_builder_reads_is_known_and_kept() {
    let text = with_builder(
        "  kernelArgs: [debug, 'ds=x;y']\n  console: [tty0]\n  label: SITE\n  sourceDateEpoch: 1700000000\n",
    );
    let configuration = parse(&text).unwrap();
    assert!(configuration.warnings.is_empty());
    assert_eq!(configuration.builder_conf().unwrap(), text.as_bytes());
}

#[test]
fn additional_caches_begin_where_the_file_is() {
    let text = with_container(
        "  volume: /srv/iso:/config\n  additionalRootfsCaches: [/mnt/stick, shared/cache, ~/cache]\n",
    );
    let home = Some(Path::new("/home/op"));
    let configuration = isogen::parse("/etc/site/isogen.yaml", text.as_bytes(), home).unwrap();
    let want = ["/mnt/stick", "/etc/site/shared/cache", "/home/op/cache"].map(PathBuf::from);
    assert_eq!(configuration.container.additional_rootfs_caches, want);
    for wrong in ["/mnt", "[[/mnt]]", "[\"\"]", "[1]", "{a: b}"] {
        let container = format!("  volume: /srv/iso:/config\n  additionalRootfsCaches: {wrong}\n");
        let faults = faults(&with_container(&container));
        assert!(faults[0].contains("`container.additionalRootfsCaches`"), "{faults:?}");
    }
}
