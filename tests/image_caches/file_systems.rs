//! Caches on file systems from which nothing can be run: the rootfs goes elsewhere.

use std::fs;
use std::process::{Command, Output};

use super::built;
use super::common::image::Layout;
use super::common::site::{IMAGE, Site, program, stderr, stdout};

/// Runs a shell script in a mount namespace of its own, as root of a user namespace where the test
/// is not run by root. `$A` is the program, `$1` the site's directory.
pub fn apart(site: &Site, script: &str) -> Output {
    let mut unshare = Command::new("unshare");
    unshare.arg(if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" });
    let given = site.command(&[]);
    unshare.env_clear().envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unshare.args(["sh", "-ec", script, "sh"]).arg(site.path("").components().as_path());
    unshare.env("A", program()).current_dir(site.path("")).output().unwrap()
}

/// A site with an empty directory for the cache, and a layout to be loaded into it.
fn site() -> Site {
    let site = Site::new();
    Layout::new().named(IMAGE, &built()).write(&site.path("layout"));
    fs::create_dir(site.path("cache")).unwrap();
    fs::create_dir(site.path("state")).unwrap();
    site
}

const RUN: &str = "$A image load layout; $A bootstrap isogen --conf isogen.yaml site.yaml";

#[test]
fn a_noexec_cache_keeps_its_blobs_and_the_rootfs_goes_to_the_state_directory() {
    let site = site();
    let output = apart(
        &site,
        &format!(
            "mount -t tmpfs -o noexec,mode=700 tmpfs $1/cache\n{RUN}\n{RUN}
             ls $1/cache/rootfs >&2 || echo no rootfs in the cache >&2
             $A image inspect {IMAGE} --output json > inspected
             $A image verify --deep >&2
             touch state/rootfs-cache/*/rootfs/*/record.json; echo '{{}}' > $(ls state/rootfs-cache/*/rootfs/*/record.json)
             ! $A image verify --deep > verified 2>/dev/null
             $A image rm {IMAGE}; $A image prune >&2; find $1/state/rootfs-cache >&2"
        ),
    );
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    site.assert_outputs();
    let moved = said.lines().find(|line| line.contains("The rootfs goes to")).expect(&said);
    let (state, cache) = (site.path("state/rootfs-cache"), site.path("cache"));
    assert!(moved.contains(state.to_str().unwrap()) && moved.contains(cache.to_str().unwrap()), "{moved}");
    assert!(moved.contains("noexec"), "{moved}");
    assert_eq!(said.matches("The rootfs goes to").count(), 1, "the second run finds it: {said}");
    assert!(said.contains("no rootfs in the cache"), "{said}");
    let inspected: serde_json::Value =
        serde_json::from_slice(&fs::read(site.path("inspected")).unwrap()).unwrap();
    assert!(inspected["rootfs"][0]["path"].as_str().unwrap().starts_with(state.to_str().unwrap()));
    assert_eq!(inspected["rootfs"][0]["state"], "valid");
    let verified = fs::read_to_string(site.path("verified")).unwrap();
    assert!(verified.contains("invalid ") && verified.contains(state.to_str().unwrap()), "{verified}");
    assert!(said.contains(" 1 rootfs"), "{said}");
}

#[test]
fn where_the_state_directory_will_not_do_either_both_are_named() {
    let site = site();
    let mount = "mount -t tmpfs -o noexec,mode=700 tmpfs $1/cache; mount -t tmpfs -o noexec tmpfs $1/state";
    let output = apart(&site, &format!("{mount}\n{RUN}"));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    for name in ["cache", "state"] {
        assert!(said.contains(site.path(name).to_str().unwrap()), "{said}");
    }
    assert!(said.contains("--state-dir"), "{said}");
}

#[test]
fn a_nodev_cache_is_avoided_by_root_only_for_something_better() {
    let mount = "mount -t tmpfs -o nodev,mode=700 tmpfs";
    let better = site();
    let output = apart(&better, &format!("{mount} $1/cache\n{RUN}"));
    assert!(stderr(&output).contains("mounted nodev"), "{}", stderr(&output));
    better.assert_outputs();
    let worse = site();
    let output = apart(&worse, &format!("{mount} $1/cache; {mount} $1/state\n{RUN}"));
    assert!(!stderr(&output).contains("The rootfs goes to"), "{}", stderr(&output));
    worse.assert_outputs();
}

#[test]
fn a_read_only_cache_serves_a_run() {
    let site = site();
    site.load(&built());
    let script = "mount --bind $1/cache $1/cache; mount -o remount,bind,ro $1/cache
        $A bootstrap isogen --conf isogen.yaml site.yaml";
    let output = apart(&site, script);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("its file system is read-only"), "{}", stderr(&output));
    site.assert_outputs();
    assert!(stdout(&output).ends_with("out.iso\n"));
}
