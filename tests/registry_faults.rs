//! Transfers from registries that fail in every way: several blobs at once, expiring tokens,
//! requests for patience, lies in headers, mirrors that are down.

mod common;

#[path = "registry_faults/documents.rs"]
mod documents;
#[path = "registry_faults/limits.rs"]
mod limits;
#[path = "registry_faults/places.rs"]
mod places;
#[path = "registry_faults/ranges.rs"]
mod ranges;

use std::time::{Duration, Instant};

use airshipctl::error::ErrorKind;
use airshipctl::image::registry::{Access, Options};
use common::cache::{Cache, IMPATIENT};
use common::faulty::{Fault, FaultyRegistry};
use common::guard::Login;
use common::image::{Built, Entry, TestImage, noise};
use common::site::Site;

/// So many layers of some 20 kB, each another.
fn layers(count: usize) -> Built {
    let layer =
        |image: TestImage, at| image.layer(&[Entry::file(&format!("file{at}"), noise(20_000 + 8 * at))]);
    (0..count).fold(TestImage::new(), layer).build()
}

/// Which layers were asked for, in the order of their first requests.
fn begun(registry: &FaultyRegistry, image: &Built) -> Vec<usize> {
    let mut order = Vec::new();
    for request in registry.requests() {
        let at = image.layers.iter().position(|layer| request.target.ends_with(&layer.digest));
        order.extend(at.filter(|at| !order.contains(at)));
    }
    order
}

fn tokens(registry: &FaultyRegistry) -> usize {
    registry.requests().iter().filter(|request| request.target.starts_with("/token")).count()
}

#[test]
fn several_layers_are_fetched_at_once_and_begun_in_order() {
    let image = layers(7);
    for (parallel, peak) in [(3, 3), (1, 1), (0, 1), (99, 7)] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        registry.fault("", usize::MAX, Fault::Pause(5000, Duration::from_millis(150)));
        let cache = Cache::new();
        cache.pull_with(&reference, Options { parallel, ..IMPATIENT }, &Access::default()).unwrap();
        assert_eq!(registry.peak(), peak, "{parallel}");
        assert_eq!((cache.blobs().len(), cache.partials()), (9, 0));
        if parallel <= 1 {
            assert_eq!(begun(&registry, &image), [0, 1, 2, 3, 4, 5, 6]);
        }
        let order = begun(&registry, &image);
        // those begun together may come in any order, each on its connection
        assert!(order.iter().enumerate().all(|(turn, at)| at.abs_diff(turn) < parallel.max(1)), "{order:?}");
    }
}

#[test]
fn the_first_failure_stops_the_others_and_what_they_have_is_kept() {
    let (registry, image) = (FaultyRegistry::start(), layers(5));
    let reference = registry.add("1", &image);
    let slow = Fault::Pause(10_000, Duration::from_secs(20));
    registry.fault(&image.layers[0].digest, 1, slow.clone());
    registry.fault(&image.layers[1].digest, 1, slow);
    registry.fault(&image.layers[2].digest, 99, Fault::Status(404, "gone"));
    registry.fault(&image.layers[2].digest, 99, Fault::Pause(0, Duration::from_millis(500)));
    let patient = Options { idle_timeout: Duration::from_secs(30), ..IMPATIENT };
    let cache = Cache::new();
    let start = Instant::now();
    let error = cache.pull_with(&reference, patient, &Access::default()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "the others were waited for");
    assert!(error.to_string().contains(&image.layers[2].digest), "{error}");
    registry.heal();
    let before = registry.requests().len();
    cache.pull(&reference).unwrap();
    let resumed: Vec<String> =
        registry.requests()[before..].iter().filter_map(|it| it.headers.get("range").cloned()).collect();
    assert_eq!(resumed.iter().filter(|range| *range == "bytes=10000-").count(), 2, "{resumed:?}");
    assert_eq!((cache.blobs().len(), cache.partials()), (7, 0));
}

#[test]
fn tokens_that_are_soon_used_up_are_renewed_by_one_for_all() {
    for uses in [1, 2, 3, 5] {
        let (registry, image) = (FaultyRegistry::start(), layers(8));
        let reference = registry.add("1", &image);
        registry.require(Login::Token(None));
        registry.limit_tokens(uses);
        let cache = Cache::new();
        cache.pull(&reference).unwrap_or_else(|error| panic!("{uses}: {error}"));
        assert_eq!((cache.blobs().len(), cache.partials()), (10, 0));
        // a manifest, a configuration and eight layers
        let needed = 10_usize.div_ceil(uses);
        assert!((needed..=needed + 6).contains(&tokens(&registry)), "{uses}: {}", tokens(&registry));
    }
}

#[test]
fn a_token_that_runs_out_at_each_resumption_is_renewed_each_time() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    let reference = registry.add("1", &image);
    registry.require(Login::Token(None));
    registry.limit_tokens(1);
    registry.fault(&image.layers[0].digest, 8, Fault::CutAfter(2000));
    let tenacious = Options { attempts: 12, ..IMPATIENT };
    Cache::new().pull_with(&reference, tenacious, &Access::default()).unwrap();
}

#[test]
fn a_registry_that_refuses_its_own_tokens_is_left() {
    let (registry, image) = (FaultyRegistry::start(), layers(4));
    let reference = registry.add("1", &image);
    registry.require(Login::Token(None));
    registry.limit_tokens(0);
    let error = Cache::new().refuses(&reference, &["401", "manifest"]);
    assert!(error.hint_text().is_some());
    assert!(registry.requests().len() < 15, "{} requests", registry.requests().len());
    // the same for a blob, with the program
    let (registry, site) = (FaultyRegistry::start(), Site::new());
    let reference = registry.add("1", &image);
    registry.require(Login::Token(None));
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"test\"", registry.host());
    for layer in &image.layers {
        registry.fault(&layer.digest, usize::MAX, Fault::Status(401, ""));
        registry.fault(&layer.digest, usize::MAX, Fault::Header("WWW-Authenticate", challenge.clone()));
    }
    let output = site.command(&["image", "pull", &reference]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("401") && !text.contains("s3cret"), "{text}");
    assert!(registry.requests().len() < 40, "{} requests", registry.requests().len());
}

#[test]
fn a_signal_ends_several_transfers_at_once() {
    let (registry, image, site) = (FaultyRegistry::start(), layers(6), Site::new());
    let reference = registry.add("1", &image);
    for layer in &image.layers {
        registry.fault(&layer.digest, usize::MAX, Fault::Silence(1000));
    }
    let mut command = site.command(&["image", "pull", &reference]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while registry.peak() < 3 {
        assert!(start.elapsed() < Duration::from_secs(20), "the transfers do not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let sent = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
}

#[test]
fn a_failure_of_the_cache_is_not_blamed_on_the_registry() {
    let (registry, image, cache) = (FaultyRegistry::start(), layers(2), Cache::new());
    let reference = registry.add("1", &image);
    // the name under which the finished blob would be put
    let hex = image.layers[0].digest.replace("sha256:", "");
    std::fs::create_dir_all(cache.dir.path().join("cache/blobs/sha256").join(&hex).join("x")).unwrap();
    let error = cache.pull(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Image);
    assert!(error.to_string().contains("storing blob"), "{error}");
    assert_eq!(registry.count(&image.layers[0].digest), 1, "it was fetched again");
}
