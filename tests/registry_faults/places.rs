//! Mirrors that are down, and what is said of all of them.

use std::path::Path;
use std::time::{Duration, Instant};

use airshipctl::image::registry::{Access, Options, Places};

use super::common::cache::{Cache, IMPATIENT};
use super::common::faulty::{Fault, FaultyRegistry};
use super::layers;

const NAME: &str = "registry.example/team/builder:1";

/// A port of this host where nobody listens.
fn nobody() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Access by a registries.conf in `dir` that sends [`NAME`] to these hosts, the last being its own.
fn through(dir: &Path, hosts: &[&str]) -> Access {
    let (location, mirrors) = hosts.split_last().unwrap();
    let mut text = format!("[[registry]]\nprefix = \"registry.example\"\nlocation = \"{location}\"\n");
    for mirror in mirrors {
        text.push_str(&format!("[[registry.mirror]]\nlocation = \"{mirror}\"\n"));
    }
    let path = dir.join("registries.conf");
    std::fs::write(&path, text).unwrap();
    Access { places: Places { registries_file: Some(path), ..Places::default() }, ..Access::default() }
}

#[test]
fn a_mirror_that_is_down_costs_one_attempt_and_no_pause() {
    let (registry, image, cache) = (FaultyRegistry::start(), layers(5), Cache::new());
    registry.add("1", &image);
    let access = through(cache.dir.path(), &[&nobody(), &nobody(), &registry.host()]);
    let lazy = Options { backoff: Duration::from_secs(20), ..IMPATIENT };
    let start = Instant::now();
    cache.pull_with(NAME, lazy, &access).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((cache.blobs().len(), cache.partials()), (7, 0));
}

#[test]
fn where_all_fail_each_is_named_with_its_reason() {
    let (first, last, cache) = (FaultyRegistry::start(), FaultyRegistry::start(), Cache::new());
    let down = nobody();
    first.fault("/v2/", usize::MAX, Fault::Status(503, "being moved"));
    last.fault("/manifests/1", usize::MAX, Fault::Status(403, "not for you"));
    let access = through(cache.dir.path(), &[&first.host(), &down, &last.host()]);
    let error = cache.pull_with(NAME, IMPATIENT, &access).unwrap_err();
    let text = error.to_string();
    for (host, reason) in [(&first.host(), "being moved"), (&down, "refused"), (&last.host(), "not for you")]
    {
        let at = text.find(&format!("from {host}/team/builder")).unwrap_or_else(|| panic!("{text}"));
        let part = text[at..].split("; from").next().unwrap();
        assert!(part.contains(reason), "{host} {reason}: {text}");
    }
    assert!(text.starts_with(&format!("pulling {NAME}: fetching manifest 1: from ")), "{text}");
    assert!(error.hint_text().unwrap().contains("--authfile"), "{:?}", error.hint_text());
    // who refuses is asked once, who may recover as often as said
    assert_eq!((last.count("/manifests/1"), first.count("/v2/")), (1, 3));
}

#[test]
fn a_mirror_that_wants_patience_is_passed_by() {
    let (busy, origin, image) = (FaultyRegistry::start(), FaultyRegistry::start(), layers(2));
    busy.add("1", &image);
    origin.add("1", &image);
    busy.fault("/manifests/1", 9, Fault::Status(429, "slow down"));
    busy.fault("/manifests/1", 9, Fault::Header("Retry-After", "30".into()));
    let cache = Cache::new();
    let access = through(cache.dir.path(), &[&busy.host(), &origin.host()]);
    let start = Instant::now();
    cache.pull_with(NAME, IMPATIENT, &access).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!((busy.count("/manifests/1"), origin.count("/manifests/1")), (1, 1));
}

#[test]
fn places_take_turns_where_each_sends_a_part() {
    let (one, two, image) = (FaultyRegistry::start(), FaultyRegistry::start(), layers(3));
    let layer = image.layers[1].digest.as_str();
    for registry in [&one, &two] {
        registry.add("1", &image);
        registry.fault(layer, usize::MAX, Fault::CutAfter(6000));
    }
    let cache = Cache::new();
    let access = through(cache.dir.path(), &[&one.host(), &two.host()]);
    cache.pull_with(NAME, IMPATIENT, &access).unwrap();
    // 20 kB in four parts
    assert_eq!((one.count(layer), two.count(layer)), (2, 2));
    assert_eq!((cache.blobs().len(), cache.partials()), (5, 0));
}

#[test]
fn wrong_bytes_of_a_mirror_are_had_from_the_next() {
    let (lying, origin, image) = (FaultyRegistry::start(), FaultyRegistry::start(), layers(3));
    lying.add("1", &image);
    origin.add("1", &image);
    lying.fault(&image.layers[1].digest, usize::MAX, Fault::Flip(77));
    lying.fault(&image.layers[2].digest, usize::MAX, Fault::Longer(77));
    let cache = Cache::new();
    let access = through(cache.dir.path(), &[&lying.host(), &origin.host()]);
    cache.pull_with(NAME, IMPATIENT, &access).unwrap();
    assert_eq!((cache.blobs().len(), cache.partials()), (5, 0));
    assert_eq!(origin.count("/manifests/1"), 0);
}
