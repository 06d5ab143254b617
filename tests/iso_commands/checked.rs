//! `bootstrap isogen` looks at what came out.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::common::image::{Built, Entry, Layout};
use super::common::site::{BUILD, SECRET, Site, builder, iso, stderr, stdout};
use super::hostile;
use super::made::Medium;

/// The name by which the reference builder is known.
const REFERENCE: &str = "localhost/isogen-builder:latest";

/// A builder that leaves this image.
fn leaving(image: &[u8]) -> Built {
    builder(BUILD).layer(&[Entry::file("iso", image)]).build()
}

/// A site with this image for the reference builder.
fn reference(site: &Site, image: &[u8]) {
    let layout = site.path("layout");
    Layout::new().named(REFERENCE, &leaving(image)).write(&layout);
    let output = site.command(&["image", "load"]).arg(&layout).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_dir_all(layout).unwrap();
    site.configure(REFERENCE, "");
}

/// A part of the site's cloud-init data.
fn part(site: &Site, format: &str) -> Vec<u8> {
    let mut command = site.command(&["document", "cloud-init", "-c", "isogen.yaml", "--format", format]);
    let output = command.args(["--reveal", "site.yaml"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output.stdout
}

/// A medium with the site's data.
fn medium(site: &Site) -> Medium {
    Medium::new(&[
        ("boot/loader.img", &[0xeb; 2048]),
        ("nocloud/user-data", &part(site, "user-data")),
        ("nocloud/network-config", &part(site, "network-config")),
        ("nocloud/meta-data", &part(site, "meta-data")),
    ])
}

/// The image of a medium.
fn image(medium: &Medium) -> Vec<u8> {
    medium.make("out.iso", &[]);
    medium.read("out.iso")
}

/// The smallest image, and no boot record on it.
fn unbootable() -> Vec<u8> {
    let mut image = iso();
    image.copy_within(18 * 2048..19 * 2048, 17 * 2048);
    image
}

#[test]
fn an_image_with_the_sites_data_is_handed_over_without_a_word() {
    let site = Site::new();
    reference(&site, &image(&medium(&site)));
    let output = site.succeed(&[]);
    assert_eq!(stdout(&output), format!("{}/out.iso\n", site.volume().display()));
    assert!(!stderr(&output).contains("payload"), "{}", stderr(&output));
    assert_eq!(site.names(), ["out.iso", "output-metadata.yaml"]);
}

#[test]
fn an_image_that_nothing_starts_is_kept_as_rejected_and_the_older_one_put_back() {
    let site = Site::with_builder(BUILD);
    site.succeed(&[]);
    site.load(&leaving(&unbootable()));
    fs::write(site.volume().join("out.iso.rejected"), "older").unwrap();
    let output = site.run(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("no firmware can start it") && said.contains("[no-boot-entry]"), "{said}");
    let rejected = site.volume().join("out.iso.rejected");
    assert!(said.contains(&format!("the image is kept as {}", rejected.display())), "{said}");
    assert!(!said.contains("left in volume"), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(site.names(), ["out.iso", "out.iso.rejected", "output-metadata.yaml"]);
    assert_eq!(fs::read(&rejected).unwrap(), unbootable());
    let found = fs::metadata(&rejected).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.uid()), (0o600, nix::unistd::geteuid().as_raw()));
    assert_eq!(fs::read(site.volume().join("out.iso")).unwrap(), iso());
    site.assert_clean();
    // a later run minds neither
    site.load(&leaving(&iso()));
    site.succeed(&[]);
    assert_eq!(site.names(), ["out.iso", "out.iso.rejected", "output-metadata.yaml"]);
}

#[test]
fn what_others_do_in_their_own_way_is_a_warning_and_of_the_reference_builder_an_error() {
    let strange = hostile::looping();
    let site = Site::with_image(&leaving(&strange));
    let output = site.succeed(&[]);
    assert!(stderr(&output).contains("warning: the image: "), "{}", stderr(&output));
    assert!(stderr(&output).contains("[directory-loop]"), "{}", stderr(&output));
    reference(&site, &strange);
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("it is damaged or does not boot"), "{}", stderr(&output));
}

#[test]
fn a_truncated_image_is_kept_as_rejected() {
    let site = Site::with_image(&leaving(&iso()[..40_000]));
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("it is truncated"), "{}", stderr(&output));
    assert_eq!(site.names(), ["out.iso.rejected"]);
    site.assert_clean();
}

#[test]
fn where_the_name_is_taken_a_bad_image_goes_as_any_other_half_output() {
    let site = Site::with_image(&leaving(&unbootable()));
    fs::create_dir(site.volume().join("out.iso.rejected")).unwrap();
    let said = site.fail(&[], 7, &["no firmware can start it", "what has that name is no file"]);
    assert!(!said.contains("is kept as"), "{said}");
}

#[test]
fn other_data_than_the_sites_are_an_error_of_the_reference_builder() {
    let site = Site::new();
    let mut medium = medium(&site);
    medium.add("nocloud/user-data", b"#cloud-config\npassword: other\n");
    reference(&site, &image(&medium));
    let output = site.run(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("/nocloud/user-data is not the user-data of the site [payload-differs]"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(site.names(), ["out.iso.rejected"]);
    site.assert_clean();
}

#[test]
fn missing_data_are_an_error_of_the_reference_builder_and_a_warning_of_others() {
    let site = Site::new();
    reference(&site, &iso());
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("[payload-missing]"), "{}", stderr(&output));
    let site = Site::with_builder(BUILD);
    let output = site.succeed(&[]);
    assert!(stderr(&output).contains("[payload-missing]"), "{}", stderr(&output));
}

#[test]
fn other_data_of_other_builders_are_a_warning() {
    let site = Site::new();
    let mut medium = medium(&site);
    medium.add("nocloud/meta-data", b"instance-id: of the builder\n");
    site.load(&leaving(&image(&medium)));
    let output = site.succeed(&[]);
    assert!(!stderr(&output).contains("payload"), "{}", stderr(&output));
    fs::remove_file(medium.path().join("tree/nocloud/network-config")).unwrap();
    site.load(&leaving(&image(&medium)));
    let output = site.succeed(&[]);
    let warning = "the NoCloud seed in /nocloud has no network-config [payload-incomplete]";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    medium.add("nocloud/network-config", b"version: 1\nconfig: []\n");
    site.load(&leaving(&image(&medium)));
    let output = site.succeed(&[]);
    let warning = "/nocloud/network-config is not the network-config of the site [payload-differs]";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
}

/// OpenStack's form, in YAML as people write it.
const NETWORK_DATA: &str = "links:\n- {id: e, type: phy, ethernet_mac_address: \"52:54:00:00:00:01\", mtu: 1500}\n\
                            networks:\n- {id: n, link: e, type: ipv4_dhcp}\n";

#[test]
fn a_config_drive_has_the_sites_data_as_json() {
    let site = Site::new();
    let text = fs::read_to_string(site.path("site.yaml")).unwrap();
    let (others, network) = text.rsplit_once("---\n").unwrap();
    let mut network: serde_json::Value = serde_json::from_str(network).unwrap();
    network["stringData"]["networkData"] = NETWORK_DATA.into();
    fs::write(site.path("site.yaml"), format!("{others}---\n{network}\n")).unwrap();
    let meta_data = String::from_utf8(part(&site, "meta-data")).unwrap();
    let id = meta_data.split('"').nth(1).unwrap();
    let json = r#"{"networks": [{"id": "n", "link": "e", "type": "ipv4_dhcp"}], "links": [{"id": "e", "type": "phy",
                  "ethernet_mac_address": "52:54:00:00:00:01", "mtu": 1500}]}"#;
    let latest = "config-drive/openstack/latest";
    let mut medium = Medium::new(&[
        ("boot/loader.img", &[0xeb; 2048]),
        (&format!("{latest}/user_data"), &part(&site, "user-data")),
        (
            &format!("{latest}/meta_data.json"),
            format!(r#"{{"uuid": "{id}", "hostname": "node-1", "name": "node-1"}}"#).as_bytes(),
        ),
        (&format!("{latest}/network_data.json"), json.as_bytes()),
    ]);
    reference(&site, &image(&medium));
    site.succeed(&[]);
    medium.add(&format!("{latest}/network_data.json"), json.replace("1500", "9000").as_bytes());
    medium.add(&format!("{latest}/meta_data.json"), br#"{"uuid": "another", "hostname": "node-1"}"#);
    reference(&site, &image(&medium));
    let output = site.run(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    for (name, role) in [("network_data.json", "network-config"), ("meta_data.json", "meta-data")] {
        let text = format!("/{latest}/{name} is not the {role} of the site [payload-differs]");
        assert!(said.contains(&text), "{said}");
    }
    assert!(!said.contains(&format!("/{latest}/user_data is not")), "{said}");
}
