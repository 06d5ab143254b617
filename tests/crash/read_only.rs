//! A cache that cannot be written.

use std::process::Output;

use super::check::{assert_no_leftovers, assert_nothing_half};
use super::common::docker_registry::DockerRegistry;
use super::common::image::TestImage;
use super::common::site::{Site, stderr};
use super::disk::Disk;
use super::process::pull;
use super::sample::{Sample, layers};

/// What the cache has before it becomes read-only.
#[derive(Clone, Copy, Debug)]
enum Before {
    OtherImage,
    Blobs,
    Rootfs,
}

/// Pulls and unpacks into a cache that has become read-only.
fn read_only(before: Before) -> (Sample, Site, Disk, Output) {
    let registry = DockerRegistry::start();
    let sample = Sample::new(&layers(64 << 10));
    let reference = registry.push("read-only", "1", &sample.built);
    let site = Site::new();
    let other = registry.push("other", "1", &TestImage::with_file("other"));
    let first = match before {
        Before::OtherImage => site.command(&["image", "pull", &other]),
        Before::Blobs => site.command(&["image", "pull", &reference]),
        Before::Rootfs => pull(&site, &reference),
    };
    let disk = Disk::plain(&site);
    let output = disk.with(&first).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    disk.make_read_only();
    let output = disk.with(pull(&site, &reference).args(["--pull", "missing"])).output().unwrap();
    (sample, site, disk, output)
}

#[test]
fn a_read_only_cache_with_a_rootfs_is_all_that_a_run_needs() {
    let (sample, site, disk, output) = read_only(Before::Rootfs);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_nothing_half(&disk.cache(), &[&sample]);
    assert_no_leftovers(&disk.cache());
    assert!(!site.path("state/rootfs-cache").exists(), "it was unpacked again");
}

#[test]
fn from_a_read_only_cache_without_a_rootfs_it_goes_elsewhere() {
    let (sample, site, _disk, output) = read_only(Before::Blobs);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for words in [site.path("cache"), site.path("state/rootfs-cache")] {
        assert!(said.contains(words.to_str().unwrap()), "{words:?} is not in: {said}");
    }
    assert_nothing_half(&site.path("cache"), &[&sample]);
}

#[test]
fn what_a_read_only_cache_lacks_is_an_error_with_a_way_out() {
    let (_sample, _site, _disk, output) = read_only(Before::OtherImage);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for words in ["Read-only file system", "--rootfs-cache"] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
}
