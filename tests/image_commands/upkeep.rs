//! `ls`, `inspect`, `rm`, `prune`, `verify` and `pull`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use airshipctl::image::layer::Layer;
use airshipctl::image::progress::Silent;
use airshipctl::image::registry::Access;
use airshipctl::image::rootfs::{self, Mapping, Ownership, Unpack};
use airshipctl::image::{Platform, Reference, Store};
use serde_json::json;

use super::common::faulty::{Fault, FaultyRegistry};
use super::common::image::index_of;
use super::common::site::{stderr, stdout};
use super::*;

/// Unpacks an image as this user's own mapping.
fn unpack(bench: &Bench, name: &str) -> (Mapping, Vec<Layer>) {
    let store = Store::open(&bench.path("cache")).unwrap();
    let image = store.find(&Reference::parse(name).unwrap(), &Platform::host()).unwrap().unwrap();
    let mapping = Mapping::single(nix::unistd::geteuid().as_raw());
    let job =
        Unpack { cache: store.path(), mapping: &mapping, ownership: Ownership::Own, layers: &image.layers };
    rootfs::unpack(&job, &|_, layer| rootfs::verified(store.open_blob(layer)?, layer), None).unwrap();
    (mapping, image.layers)
}

fn trees(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.cache("rootfs")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_command_is_content_with_no_cache_or_says_so() {
    let bench = Bench::new();
    assert_eq!(bench.good(&["ls"]), "");
    assert_eq!(bench.json(&["ls"]), json!({ "images": [] }));
    assert!(bench.good(&["prune"]).starts_with("freed 0 bytes"));
    for command in ["inspect", "rm", "verify"] {
        bench.bad(&[command, NAME], 4, "there is no rootfs cache");
    }
    assert!(!bench.path("cache").exists());
}

#[test]
fn references_that_are_none_are_a_usage_error() {
    let bench = Bench::with(&image());
    for command in ["inspect", "rm", "verify"] {
        bench.bad(&[command, "Not A Reference"], 2, "parsing image reference");
    }
    bench.bad(&["rm"], 2, "REFERENCE");
}

#[test]
fn listing_and_inspecting_tell_all_in_text_and_json() {
    let (bench, image) = (Bench::with(&image()), image());
    let listed = bench.json(&["ls"]);
    assert_eq!(listed["images"][0]["reference"], NAME);
    assert_eq!(listed["images"][0]["digest"], image.manifest.digest);
    assert_eq!(listed["images"][0]["platform"], image.platform.to_string());
    assert!(listed["images"][0]["size"].as_u64().unwrap() > 0);
    let shown = bench.json(&["inspect", NAME]);
    assert_eq!(shown["digest"], image.manifest.digest);
    assert_eq!(shown["config"]["entrypoint"], json!(["/bin/builder"]));
    assert_eq!(shown["config"]["user"], "1000:1000");
    assert_eq!(shown["config"]["workingDir"], "/work");
    assert_eq!(shown["layers"][1]["digest"], image.layers[1].digest);
    assert_eq!(shown["layers"][1]["mediaType"], image.layers[1].media_type);
    assert_eq!(shown["layers"][1]["present"], true);
    assert_eq!(shown["rootfs"], json!([]));
    let text = bench.good(&["inspect", NAME]);
    assert!(text.contains("cmd         \"--all\"") && text.contains(&image.layers[0].digest), "{text}");
    assert!(!text.contains('\u{1b}'), "an image must not steer the terminal: {text:?}");
}

#[test]
fn inspecting_shows_where_the_image_is_unpacked() {
    let bench = Bench::with(&image());
    let (mapping, _) = unpack(&bench, NAME);
    let rootfs = &bench.json(&["inspect", NAME])["rootfs"][0];
    assert_eq!(
        (rootfs["mapping"].as_str(), rootfs["state"].as_str()),
        (Some(&*mapping.to_string()), Some("valid"))
    );
    fs::write(bench.cache("rootfs").join(&trees(&bench)[0]).join("record.json"), "{}").unwrap();
    assert_eq!(bench.json(&["inspect", NAME])["rootfs"][0]["state"], "invalid");
}

#[test]
fn removing_a_name_leaves_what_others_share_and_prune_frees_the_rest() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    bench.load(&Layout::new().named("localhost/again:1", &image()));
    let removed = bench.json(&["rm", NAME]);
    assert_eq!(removed["images"][0]["alsoNamed"], json!(["localhost/again:1"]));
    assert_eq!(removed["images"][0]["unused"], 0);
    let removed = bench.json(&["rm", "localhost/again:1"]);
    assert_eq!(removed["images"][0]["shared"], image().layers[0].bytes.len());
    let unused: usize = image().blobs()[1..].iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(removed["images"][0]["unused"], unused);
    assert_eq!(bench.blobs(), 7, "blobs go with prune");
    let freed = bench.json(&["prune"]);
    assert_eq!((freed["blobs"].as_u64(), freed["bytes"].as_u64()), (Some(3), Some(unused as u64)));
    assert_eq!(bench.blobs(), 4);
    bench.good(&["verify"]);
}

#[test]
fn one_name_that_is_not_there_removes_none() {
    let bench = Bench::with(&image());
    let said = bench.bad(&["rm", NAME, OTHER], 4, OTHER);
    assert!(said.contains("image ls"), "{said}");
    assert!(bench.good(&["ls"]).contains(NAME));
}

#[test]
fn a_digest_removes_the_name_of_its_own_repository_only() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &image()));
    let digest = image().manifest.digest;
    bench.bad(&["rm", &format!("registry.example/someone/else@{digest}")], 4, "there is no");
    bench.good(&["rm", &format!("registry.example/team/builder@{digest}")]);
    assert!(bench.good(&["ls"]).starts_with(OTHER));
}

#[test]
fn prune_removes_nothing_while_a_run_uses_the_cache() {
    let bench = Bench::with(&image());
    bench.good(&["rm", NAME]);
    let store = Store::open(&bench.path("cache")).unwrap();
    let in_use = store.lock_shared().unwrap();
    bench.bad(&["prune"], 4, "in use");
    assert_eq!(bench.blobs(), 4);
    drop(in_use);
    assert!(bench.good(&["prune"]).contains("4 blobs"));
    assert_eq!(bench.blobs(), 0);
}

#[test]
fn prune_takes_old_and_unlocked_halves_and_with_all_the_young_too() {
    let bench = Bench::with(&image());
    let partial = |name: &str, age: u64| {
        let path = bench.cache(".partial").join(name);
        fs::write(&path, "half").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age * 24 * 3600)).unwrap();
        file
    };
    partial("sha256-old", 8);
    partial("sha256-young", 6);
    let held = partial("sha256-held", 9);
    held.lock().unwrap();
    fs::create_dir_all(bench.cache(".partial/load-7/blobs")).unwrap();
    fs::write(bench.cache(".partial/load-7/index.json"), "12345").unwrap();
    let freed = bench.json(&["prune"]);
    assert_eq!((freed["partials"].as_u64(), freed["bytes"].as_u64()), (Some(1), Some(4)));
    let freed = bench.json(&["prune", "--all"]);
    assert_eq!((freed["partials"].as_u64(), freed["bytes"].as_u64()), (Some(2), Some(9)));
    assert_eq!(bench.partials(), 1);
    assert!(bench.cache(".partial/sha256-held").exists());
}

#[test]
fn prune_follows_no_link_out_of_the_cache() {
    let bench = Bench::with(&image());
    let outside = bench.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "1").unwrap();
    for name in ["blobs/sha256/link", ".partial/link", "blobs/link"] {
        std::os::unix::fs::symlink(&outside, bench.cache(name)).unwrap();
    }
    bench.good(&["prune", "--all"]);
    assert!(outside.join("precious").exists());
    assert!(!bench.cache(".partial/link").exists() && !bench.cache("blobs/sha256/link").exists());
    bench.good(&["verify"]);
}

#[test]
fn prune_refuses_when_a_damaged_manifest_hides_what_is_needed() {
    let bench = Bench::with(&image());
    damage(&bench.blob(&image().manifest.digest));
    let said = bench.bad(&["prune"], 4, NAME);
    assert!(said.contains("--repair"), "{said}");
    assert_eq!(bench.blobs(), 4);
    bench.good(&["rm", NAME]);
    bench.good(&["prune"]);
    assert_eq!(bench.blobs(), 0);
}

#[test]
fn prune_removes_rootfses_that_no_name_needs_and_halves_of_them() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    let (mapping, _) = unpack(&bench, NAME);
    unpack(&bench, OTHER);
    let half = bench.cache("rootfs").join(format!(".tmp-{mapping}-sha256-{}", "a".repeat(64)));
    fs::create_dir_all(half.join("rootfs/etc")).unwrap();
    fs::set_permissions(half.join("rootfs/etc"), PermissionsExt::from_mode(0o555)).unwrap();
    bench.good(&["rm", NAME]);
    let freed = bench.json(&["prune"]);
    assert_eq!(freed["rootfs"], 2);
    assert_eq!(trees(&bench).len(), 1);
    assert_eq!(bench.json(&["inspect", OTHER])["rootfs"][0]["state"], "valid");
}

#[test]
fn mapped_rootfses_are_left_with_the_command_that_removes_them() {
    let bench = Bench::with(&image());
    let name = format!("u{}-map-0123456789ab-sha256-{}", nix::unistd::geteuid(), "b".repeat(64));
    let dir = bench.cache("rootfs").join(&name);
    fs::create_dir_all(dir.join("rootfs")).unwrap();
    let pruned = bench.json(&["prune"]);
    // root has every id there is
    if nix::unistd::geteuid().is_root() {
        assert_eq!((pruned["rootfs"].as_u64(), dir.exists()), (Some(1), false));
    } else {
        let command = pruned["left"][0]["command"].as_str().unwrap();
        assert!(command.starts_with("unshare -r --map-auto rm -rf") && command.ends_with(&name), "{command}");
        assert!(dir.exists());
    }
}

#[test]
fn a_whole_cache_verifies_with_what_was_looked_at() {
    let bench = Bench::with(&image());
    let report = bench.json(&["verify"]);
    let bytes: usize = image().blobs().iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(report["names"], 1);
    assert_eq!((report["blobs"].as_u64(), report["bytes"].as_u64()), (Some(4), Some(bytes as u64)));
    assert_eq!((&report["faults"], &report["rootfs"]), (&json!([]), &json!([])));
    bench.bad(&["verify", OTHER], 4, "has it not");
}

#[test]
fn each_damaged_or_missing_blob_is_found_and_named() {
    for blob in image().blobs() {
        for (state, spoil) in [("damaged", true), ("missing", false)] {
            let bench = Bench::with(&image());
            let path = bench.blob(&blob.digest);
            if spoil {
                damage(&path)
            } else {
                fs::remove_file(&path).unwrap()
            };
            let output = bench.run(&["verify", "--output", "json"]);
            assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
            let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
            assert_eq!(report["faults"][0]["digest"], blob.digest);
            assert_eq!(report["faults"][0]["state"], state);
            assert_eq!(report["faults"][0]["references"], json!([NAME]));
            assert!(stdout(&bench.run(&["verify", NAME])).contains(&format!("{state} {}", blob.digest)));
        }
    }
}

#[test]
fn blobs_that_are_too_long_or_no_files_are_damaged() {
    let bench = Bench::with(&image());
    let [one, two] = [0, 1].map(|n| bench.blob(&image().layers[n].digest));
    let mut bytes = fs::read(&one).unwrap();
    bytes.push(0);
    fs::write(&one, bytes).unwrap();
    fs::remove_file(&two).unwrap();
    nix::unistd::mkfifo(&two, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let output = bench.run(&["verify", "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["faults"].as_array().unwrap().len(), 2, "{report}");
    assert!(report["faults"].as_array().unwrap().iter().all(|fault| fault["state"] == "damaged"));
}

#[test]
fn repair_removes_what_is_damaged_of_local_images_and_still_fails() {
    let bench = Bench::new();
    bench.load(&Layout::new().named(OTHER, &image()));
    let path = bench.blob(&image().layers[0].digest);
    damage(&path);
    let said = bench.bad(&["verify", "--repair"], 4, "load it again");
    assert!(!path.exists(), "{said}");
    bench.load(&Layout::new().named(OTHER, &image()));
    bench.good(&["verify"]);
}

#[test]
fn repair_fetches_each_damaged_blob_from_the_registry() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &image());
    for blob in image().blobs() {
        let bench = Bench::new();
        bench.load(&Layout::new().named(&name, &image()));
        damage(&bench.blob(&blob.digest));
        bench.bad(&["verify"], 4, "--repair");
        let report = bench.json(&["verify", "--repair"]);
        assert_eq!(report["repaired"], json!([blob.digest]));
        bench.good(&["verify", &name]);
    }
}

#[test]
fn repair_brings_the_same_image_back_though_its_tag_has_moved() {
    let registry = FaultyRegistry::start();
    for blob in image().blobs() {
        let name = registry.add("1", &image());
        let bench = Bench::new();
        bench.load(&Layout::new().named(&name, &image()));
        registry.add("1", &sibling());
        damage(&bench.blob(&blob.digest));
        bench.good(&["verify", "--repair"]);
        let listed = bench.json(&["ls"]);
        assert_eq!(listed["images"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed["images"][0]["digest"], image().manifest.digest);
        assert_eq!(bench.blobs(), 4);
    }
}

#[test]
fn repair_of_what_the_registry_has_no_more_tells_what_the_tag_means_now() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &sibling());
    for blob in [&image().manifest, &image().layers[1]] {
        let bench = Bench::new();
        bench.load(&Layout::new().named(&name, &image()));
        damage(&bench.blob(&blob.digest));
        let said = bench.bad(&["verify", "--repair"], 4, "image pull");
        assert!(said.contains("404") && said.contains(&sibling().manifest.digest), "{said}");
        let listed = bench.json(&["ls"]);
        assert_eq!(listed["images"][0]["digest"], image().manifest.digest);
    }
}

#[test]
fn repair_without_an_answer_from_the_registry_leaves_the_fault() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &image());
    registry.fault("", 100, Fault::Status(404, "{}"));
    let bench = Bench::new();
    bench.load(&Layout::new().named(&name, &image()));
    damage(&bench.blob(&image().layers[0].digest));
    bench.bad(&["verify", "--repair"], 4, "404");
}

#[test]
fn deep_verification_finds_records_that_are_wrong_and_repair_removes_their_trees() {
    let bench = Bench::with(&image());
    let (mapping, layers) = unpack(&bench, NAME);
    bench.good(&["verify", "--deep"]);
    let record = bench.cache("rootfs").join(&trees(&bench)[0]).join("record.json");
    fs::write(&record, "not a record").unwrap();
    bench.good(&["verify"]);
    let output = bench.run(&["verify", "--deep"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stdout(&output).contains("completion record"), "{}", stdout(&output));
    let report = bench.json(&["verify", "--deep", "--repair"]);
    assert_eq!(report["repaired"].as_array().unwrap().len(), 1);
    assert_eq!(trees(&bench), Vec::<String>::new());
    assert_eq!(rootfs::find(&bench.path("cache"), &mapping, &layers).unwrap(), None);
}

#[test]
fn pulling_always_asks_the_registry_and_tells_the_digest() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &image());
    let bench = Bench::new();
    assert_eq!(bench.good(&["pull", &name]), format!("{name}@{}\n", image().manifest.digest));
    registry.add("1", &sibling());
    assert_eq!(
        bench.good(&["pull", "--pull", "missing", &name]),
        format!("{name}@{}\n", image().manifest.digest)
    );
    let pulled = bench.json(&["pull", &name]);
    assert_eq!(pulled, json!({ "reference": name, "digest": sibling().manifest.digest }));
    bench.good(&["verify"]);
    let pinned = format!("{name}@{}", sibling().manifest.digest);
    assert_eq!(bench.good(&["pull", &pinned]), format!("{pinned}\n"));
}

#[test]
fn pulling_fetches_the_layers_of_an_image_that_is_unpacked_already() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &image());
    let bench = Bench::new();
    bench.good(&["pull", &name]);
    unpack(&bench, &name);
    fs::remove_file(bench.blob(&image().layers[0].digest)).unwrap();
    bench.good(&["pull", "--pull", "missing", &name]);
    bench.good(&["verify"]);
}

#[test]
fn pulling_what_no_registry_has_fails_and_names_it() {
    let bench = Bench::new();
    bench.bad(&["pull", OTHER], 4, "localhost/ is never looked for in a registry");
    bench.bad(&["pull", "--pull", "perhaps", NAME], 2, "missing, always or never");
}

#[test]
fn a_signal_ends_verifying_pruning_and_saving_and_nothing_is_changed() {
    use airshipctl::error::ErrorKind;
    use airshipctl::image::store::{Half, Target};
    use airshipctl::image::verify::{Cure, Depth, Options, verify};
    use airshipctl::interrupt::Interrupt;
    let bench = Bench::with(&image());
    let store = Store::open(&bench.path("cache")).unwrap();
    let interrupt = Interrupt::manual().unwrap();
    interrupt.raise(15);
    let options = Options { depth: Depth::Deep, cure: Cure::Repair };
    let name = [Reference::parse(NAME).unwrap()];
    let file = bench.path("volume/out.tar");
    let errors = [
        verify(&store, &[], options, &Access::default(), &Silent, &interrupt).map(drop),
        airshipctl::image::prune::prune(&store, Half::All, &interrupt).map(drop),
        store.save(&name, Target::File(&file), &interrupt).map(drop),
    ];
    for error in errors {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted(15));
    }
    assert_eq!((bench.blobs(), fs::read_dir(bench.path("volume")).unwrap().count()), (4, 0));
}

#[test]
fn names_in_a_copied_index_do_not_steer_the_terminal() {
    let bench = Bench::with(&image());
    let index = bench.cache("index.json");
    let hostile = fs::read_to_string(&index).unwrap().replace(NAME, "\\u001b[2Jname");
    fs::write(&index, hostile).unwrap();
    assert!(!bench.good(&["ls"]).contains('\u{1b}'));
    damage(&bench.blob(&image().layers[0].digest));
    let output = bench.run(&["verify"]);
    assert!(!stdout(&output).contains('\u{1b}') && output.status.code() == Some(4));
}

#[test]
fn what_was_pulled_by_digest_stays_when_the_tag_it_was_there_under_goes() {
    let registry = FaultyRegistry::start();
    let name = registry.add("1", &image());
    let pinned = format!("{name}@{}", image().manifest.digest);
    let bench = Bench::new();
    bench.good(&["pull", &name]);
    bench.good(&["pull", &pinned]);
    bench.good(&["pull", &pinned]);
    assert_eq!(bench.json(&["ls"])["images"].as_array().unwrap().len(), 2, "each name once");
    bench.good(&["rm", &name]);
    bench.good(&["prune"]);
    assert_eq!(bench.blobs(), 4);
    bench.good(&["verify", &pinned]);
    bench.good(&["inspect", &pinned]);
    bench.good(&["rm", &pinned]);
    bench.good(&["prune"]);
    assert_eq!(bench.blobs(), 0);
}

#[test]
fn an_index_that_was_pulled_by_digest_keeps_its_image() {
    let registry = FaultyRegistry::start();
    let name = registry.add_index("1", &[&image()]);
    let digest = index_of(&[&image()]).digest;
    let (tagged, pinned) = (format!("{name}@{digest}"), format!("{name}2@{digest}"));
    let bench = Bench::new();
    bench.good(&["pull", &tagged]);
    bench.good(&["pull", &pinned]);
    bench.good(&["rm", &tagged]);
    bench.good(&["prune"]);
    bench.good(&["verify", &pinned]);
    assert_eq!(bench.json(&["ls"])["images"].as_array().unwrap().len(), 1);
}
