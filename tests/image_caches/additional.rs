//! Additional caches: where they are named, in which order they are searched, and that nothing is
//! ever written to them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::common::faulty::FaultyRegistry;
use super::common::image::TestImage;
use super::common::site::{IMAGE, stderr, stdout};
use super::{Bench, LARGE, built, damage_layers, state};

const OTHER: &str = "localhost/other:1";

#[test]
fn a_run_takes_its_image_from_an_additional_cache_and_leaves_that_as_it_was() {
    let bench = Bench::new();
    let stick = bench.fill("stick", IMAGE, &built());
    let before = state(&stick);
    let site = &bench.0;
    site.fail(&["--pull", "never"], 4, &["has it not"]);
    site.succeed(&["--pull", "never", "--additional-rootfs-cache", "stick"]);
    site.assert_outputs();
    assert_eq!(state(&stick), before);
    assert!(!site.path("cache/blobs/sha256").exists(), "blobs serve where they are");
    assert_eq!(fs::read_dir(site.path("cache/rootfs")).unwrap().count(), 1, "the rootfs is in the own cache");
}

#[test]
fn additional_caches_are_named_by_environment_and_configuration_too_and_the_command_line_comes_first() {
    let bench = Bench::new();
    let (first, second) = (TestImage::with_file("first"), TestImage::with_file("second"));
    bench.fill("a", IMAGE, &first);
    bench.fill("b", IMAGE, &second);
    bench.fill("c", IMAGE, &built());
    let site = &bench.0;
    site.configure(IMAGE, "  additionalRootfsCaches: [./c]\n");
    let from = |arguments: &[&str], listed: &str| {
        let mut command = site.isogen(&[arguments, &["--dry-run"]].concat());
        let output = command.env("AIRSHIP_ADDITIONAL_ROOTFS_CACHES", listed).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let line = stdout(&output).lines().find(|line| line.contains("from: ")).unwrap().to_owned();
        line.rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(from(&["--additional-rootfs-cache", "a"], "b"), "a");
    assert_eq!(from(&["--additional-rootfs-cache", "b", "--additional-rootfs-cache", "a"], ""), "b");
    assert_eq!(from(&[], "b:a"), "b");
    assert_eq!(from(&[], ":"), "c");
    assert!(!site.path("cache").exists(), "a dry run writes nothing");
    site.succeed(&[]);
    site.assert_outputs();
}

#[test]
fn an_additional_cache_that_is_no_good_is_named_once_and_left_out() {
    let bench = Bench::new();
    bench.fill("cache", IMAGE, &built());
    let site = &bench.0;
    fs::create_dir(site.path("photos")).unwrap();
    fs::write(site.path("photos/cat.jpg"), "").unwrap();
    bench.fill("torn", OTHER, &TestImage::with_file("torn"));
    fs::write(site.path("torn/index.json"), "{").unwrap();
    bench.fill("future", OTHER, &TestImage::with_file("future"));
    fs::write(site.path("future/oci-layout"), r#"{"imageLayoutVersion":"9.0.0"}"#).unwrap();
    fs::create_dir_all(site.path("unreadable/oci-layout")).unwrap();
    let listed =
        ["photos", "torn", "future", "unreadable", "gone"].map(|name| site.path(name).display().to_string());
    let mut command = site.isogen(&[]);
    let output = command.env("AIRSHIP_ADDITIONAL_ROOTFS_CACHES", listed.join(":")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in listed {
        let warning = format!("leaving out additional cache {name}: ");
        assert_eq!(stderr(&output).matches(&warning).count(), 1, "{}", stderr(&output));
    }
    site.fail(&["--additional-rootfs-cache", "gone"], 2, &["gone", "it is not there"]);
    bench.bad(&["ls", "--additional-rootfs-cache", "gone"], 2, "gone");
}

#[test]
fn a_damaged_blob_is_named_and_the_next_cache_or_the_registry_serves() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let name = format!("{}/some/builder:1", registry.host());
    let bench = Bench::new();
    let first = bench.fill("first", &name, &built());
    bench.fill("second", &name, &built());
    let damaged = damage_layers(&first, LARGE);
    let before = state(&first);
    let site = &bench.0;
    site.configure(&name, "");
    let one = ["--additional-rootfs-cache", "first"];
    site.fail(&[&one[..], &["--pull", "never"]].concat(), 4, &[damaged[0].to_str().unwrap()]);

    let both = [&one[..], &["--pull", "never", "--additional-rootfs-cache", "second"]].concat();
    let said = stderr(&site.succeed(&both));
    assert!(said.contains(damaged[0].to_str().unwrap()), "{said}");
    assert_eq!(registry.requests().len(), 0);

    fs::remove_dir_all(site.path("cache")).unwrap();
    let said = stderr(&site.succeed(&one));
    assert!(said.contains(damaged[0].to_str().unwrap()), "{said}");
    assert!(!registry.requests().is_empty());
    assert_eq!(state(&first), before, "nobody repairs an additional cache");
}

#[test]
fn a_damaged_document_is_named_and_the_next_cache_serves() {
    let bench = Bench::new();
    let first = bench.fill("first", IMAGE, &built());
    bench.fill("second", IMAGE, &built());
    damage_layers(&first, 0);
    let (one, two) = (["--additional-rootfs-cache", "first"], ["--additional-rootfs-cache", "second"]);
    let said = stderr(&bench.0.succeed(&[one, two].concat()));
    assert!(said.contains(first.join("blobs").to_str().unwrap()), "{said}");
    fs::remove_dir_all(bench.path("cache")).unwrap();
    bench.0.fail(&one, 4, &[first.join("blobs").to_str().unwrap()]);
}

#[test]
fn links_out_of_an_additional_cache_are_not_followed() {
    let bench = Bench::new();
    let stick = bench.fill("stick", IMAGE, &built());
    for path in fs::read_dir(stick.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()) {
        let elsewhere = bench.path(path.file_name().unwrap().to_str().unwrap());
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere, path).unwrap();
    }
    bench.0.fail(&["--additional-rootfs-cache", "stick"], 4, &["blob"]);
}

#[test]
fn a_rootfs_of_an_additional_cache_serves_only_its_own_user_and_when_nobody_else_could_write_it() {
    let bench = Bench::new();
    let site = &bench.0;
    bench.fill("cache", IMAGE, &built());
    site.succeed(&[]);
    fs::rename(site.path("cache"), site.path("stick")).unwrap();
    let arguments = ["--additional-rootfs-cache", "stick"];
    site.succeed(&arguments);
    assert!(!site.path("cache/rootfs").exists(), "the additional one serves");
    let rootfs = fs::read_dir(site.path("stick/rootfs")).unwrap().next().unwrap().unwrap().path();
    fs::set_permissions(&rootfs, fs::Permissions::from_mode(0o777)).unwrap();
    let said = stderr(&site.succeed(&arguments));
    assert!(said.contains("other users may write it"), "{said}");
    assert_eq!(fs::read_dir(site.path("cache/rootfs")).unwrap().count(), 1);
}

#[test]
fn commands_that_read_go_through_additional_caches_and_say_where_things_are() {
    let bench = Bench::new();
    let stick = bench.fill("stick", IMAGE, &TestImage::with_file("on the stick"));
    let (stick, added) = (stick.display().to_string(), ["--additional-rootfs-cache", "stick"]);
    let json = |arguments: &[&str]| -> serde_json::Value {
        let arguments = [arguments, &added, &["--output", "json"]].concat();
        serde_json::from_str(&bench.good(&arguments)).unwrap()
    };
    assert_eq!(json(&["ls"])["images"][0]["cache"], stick);
    assert_eq!(json(&["inspect", IMAGE])["cache"], stick);
    assert_eq!(json(&["inspect", IMAGE])["layers"][0]["present"], true);
    assert_eq!(json(&["verify"])["blobs"], 3);
    assert!(bench.good(&[&["ls"][..], &added].concat()).trim_end().ends_with(&stick));
    assert!(!bench.path("cache").exists(), "nobody needs an own cache to read");
    bench.good(&[&["save", IMAGE, "out.tar"][..], &added].concat());
    bench.good(&["load", "out.tar"]);
    assert_eq!(json(&["ls"])["images"].as_array().unwrap().len(), 2, "once in each cache");

    let before = state(&bench.path("stick"));
    bench.good(&["rm", IMAGE]);
    bench.good(&[&["prune"][..], &added].concat());
    bench.bad(&[&["rm", IMAGE][..], &added].concat(), 4, "never changed");
    assert_eq!(state(&bench.path("stick")), before);
}

#[test]
fn verify_looks_at_every_cache_and_repairs_only_the_own_one() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let name = format!("{}/some/builder:1", registry.host());
    let bench = Bench::new();
    let stick = bench.fill("stick", &name, &built());
    let own = bench.fill("cache", &name, &built());
    damage_layers(&stick, LARGE);
    damage_layers(&own, LARGE);
    let before = state(&stick);
    let arguments = ["verify", "--additional-rootfs-cache", "stick"];
    let report = bench.image(&arguments);
    assert_eq!(report.status.code(), Some(4));
    let text = stdout(&report);
    assert!(text.contains(&format!("in {}", stick.display())), "{text}");
    assert!(text.contains(&format!("in {}", own.display())), "{text}");

    let repaired = bench.image(&[&arguments[..], &["--repair"]].concat());
    assert_eq!(repaired.status.code(), Some(4), "the stick is as it was");
    assert!(stdout(&repaired).contains("repaired sha256:"), "{}", stdout(&repaired));
    assert_eq!(state(&stick), before);
    bench.good(&["verify"]);
    bench.bad(&arguments, 4, "");
}

#[test]
fn a_layer_that_only_a_damaged_additional_cache_has_is_fetched_into_the_own_one() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let name = format!("{}/some/builder:1", registry.host());
    let bench = Bench::new();
    let stick = bench.fill("stick", &name, &built());
    let own = bench.fill("cache", &name, &built());
    for path in damage_layers(&stick, LARGE) {
        fs::remove_file(own.join("blobs/sha256").join(path.file_name().unwrap())).unwrap();
    }
    let output = bench.image(&["verify", "--repair", "--additional-rootfs-cache", "stick"]);
    assert_eq!(output.status.code(), Some(4), "the stick is as it was: {}", stderr(&output));
    bench.good(&["verify"]);
}

#[test]
fn a_pull_takes_layers_from_an_additional_cache_and_only_the_rest_from_the_registry() {
    let registry = FaultyRegistry::start();
    registry.add("1", &built());
    let name = format!("{}/some/builder:1", registry.host());
    let bench = Bench::new();
    bench.fill("stick", OTHER, &built());
    bench.good(&["pull", &name, "--additional-rootfs-cache", "stick"]);
    let own: Vec<_> = fs::read_dir(bench.path("cache/blobs/sha256")).unwrap().collect();
    assert_eq!(own.len(), 2, "manifest and configuration");
}

#[test]
fn a_pull_names_what_the_own_cache_has_whole_and_copies_nothing_for_a_name() {
    let (bench, registry) = (Bench::new(), FaultyRegistry::start());
    let image = TestImage::with_file("a");
    let name = registry.add("1", &image);
    let pull = ["pull", "--pull", "missing", &name, "--additional-rootfs-cache", "stick"];
    let stick = bench.fill("stick", &name, &image);
    bench.good(&pull);
    assert!(!bench.path("cache/blobs/sha256").exists(), "it is had, where it is");
    // its layer is fetched: then the rest of it is worth keeping, and kept
    let layer = stick.join("blobs").join(image.layers[0].digest.replace(':', "/"));
    fs::remove_file(layer).unwrap();
    bench.good(&pull);
    bench.good(&["prune"]);
    assert!(bench.good(&["ls"]).contains(&name));
    bench.good(&["verify"]);
    assert_eq!(fs::read_dir(bench.path("cache/blobs/sha256")).unwrap().count(), 3);
}
