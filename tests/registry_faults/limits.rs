//! Registries that want patience, and those that try it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use airshipctl::image::registry::{Access, Options, Pace};

use super::common::cache::{Cache, IMPATIENT};
use super::common::faulty::{Fault, FaultyRegistry};
use super::common::guard::Login;
use super::common::image::TestImage;
use super::layers;

const BUSY: &str = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;

#[test]
fn a_registry_that_names_a_time_is_not_asked_before_it() {
    let image = layers(2);
    // a date has no fractions
    let in_two_seconds = http_date(SystemTime::now() + Duration::from_secs(2));
    assert!(in_two_seconds.ends_with(" GMT"));
    for (suffix, status, after, least) in [
        ("/manifests/1", 429, "1".to_owned(), 1000),
        ("/manifests/1", 503, "1".to_owned(), 1000),
        ("/v2/", 429, "1".to_owned(), 1000),
        (image.config.digest.as_str(), 429, "1".to_owned(), 1000),
        (image.layers[0].digest.as_str(), 503, "1".to_owned(), 1000),
        (image.layers[0].digest.as_str(), 429, String::new(), 900),
        // not a time: no more than the usual pause
        (image.layers[0].digest.as_str(), 429, "tomorrow".to_owned(), 0),
    ] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        let after = match after.as_str() {
            "" => http_date(SystemTime::now() + Duration::from_secs(2)),
            _ => after,
        };
        registry.fault(suffix, 1, Fault::Status(status, BUSY));
        registry.fault(suffix, 1, Fault::Header("Retry-After", after.clone()));
        let start = Instant::now();
        Cache::new().pull(&reference).unwrap_or_else(|error| panic!("{suffix} {after}: {error}"));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(least), "{suffix} {after}: {took:?}");
        assert!(took < Duration::from_secs(4), "{suffix} {after}: {took:?}");
        assert_eq!(registry.count(suffix), 2, "{suffix} {after}");
    }
}

#[test]
fn a_registry_that_wants_to_be_left_alone_too_long_is_left_at_once() {
    let image = layers(4);
    for suffix in ["/manifests/1", image.layers[1].digest.as_str()] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        registry.fault(suffix, 99, Fault::Status(429, BUSY));
        registry.fault(suffix, 99, Fault::Header("Retry-After", "3600".into()));
        let start = Instant::now();
        let error = Cache::new().refuses(&reference, &["429", "slow down", "asked again in 3600 s"]);
        assert!(error.hint_text().unwrap().contains("3600 seconds"), "{:?}", error.hint_text());
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(registry.count(suffix), 1);
    }
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &image);
    registry.fault("/manifests/1", 1, Fault::Status(503, ""));
    registry.fault("/manifests/1", 1, Fault::Header("Retry-After", u64::MAX.to_string()));
    Cache::new().refuses(&reference, &["503"]);
}

#[test]
fn a_registry_that_hardly_sends_anything_is_left() {
    let image = layers(2);
    let slowest = Pace { bytes: 1000, within: Duration::from_millis(300) };
    // far from silent
    let transfer = Options { slowest, attempts: 2, ..IMPATIENT };
    for suffix in ["/manifests/1", image.config.digest.as_str(), image.layers[0].digest.as_str()] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        registry.fault(suffix, 99, Fault::Drip(Duration::from_millis(20)));
        let start = Instant::now();
        let error = Cache::new().pull_with(&reference, transfer, &Access::default()).unwrap_err();
        assert!(error.to_string().contains("all but stalled"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
        // another connection may do better
        registry.heal();
        registry.fault(suffix, 1, Fault::Drip(Duration::from_millis(20)));
        Cache::new().pull_with(&reference, transfer, &Access::default()).unwrap();
    }
}

#[test]
fn a_slow_transfer_that_lives_is_let_live() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    let reference = registry.add("1", &image);
    registry.fault(&image.config.digest, 1, Fault::Drip(Duration::from_millis(5)));
    let slowest = Pace { bytes: 5, within: Duration::from_millis(100) };
    let transfer = Options { slowest, attempts: 1, idle_timeout: Duration::from_secs(2), ..IMPATIENT };
    let start = Instant::now();
    Cache::new().pull_with(&reference, transfer, &Access::default()).unwrap();
    assert!(start.elapsed() > 10 * slowest.within, "that was not slow");
}

#[test]
fn a_registry_that_cuts_every_whole_answer_does_not_keep_us_for_ever() {
    let image = {
        use super::common::image::{Entry, TestImage, noise};
        TestImage::new().layer(&[Entry::file("a", noise(4 << 20))]).build()
    };
    let (registry, cache) = (FaultyRegistry::start(), Cache::new());
    let reference = registry.add("1", &image);
    let layer = &image.layers[0].digest;
    // each attempt brings megabytes, and the same ones
    registry.fault(layer, usize::MAX, Fault::NoRange);
    registry.fault(layer, usize::MAX, Fault::CutAfter(3 << 20));
    cache.refuses(&reference, &[layer]);
    assert!(registry.count(layer) <= 6, "{} requests", registry.count(layer));
    // where ranges are heeded, every cut is progress
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &image);
    registry.fault(layer, usize::MAX, Fault::CutAfter((1 << 20) + 100_000));
    Cache::new().pull_with(&reference, Options { attempts: 2, ..IMPATIENT }, &Access::default()).unwrap();
    assert_eq!(registry.count(layer), 4);
}

/// As `date -u -R` has it, with the zone's name of HTTP.
fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let output = std::process::Command::new("date")
        .args(["-u", &format!("-d@{seconds}"), "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_token_that_comes_byte_by_byte_is_not_waited_for() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &TestImage::with_file("a"));
    registry.require(Login::Token(None));
    let body = "{\"token\":\"x\"}                                                          ";
    let slowest = Pace { bytes: 1000, within: Duration::from_millis(300) };
    for (status, attempts, word) in [(200, 2, "all but stalled"), (500, 1, "500")] {
        registry.heal();
        registry.fault("/token", 99, Fault::Status(status, body));
        registry.fault("/token", 99, Fault::Drip(Duration::from_millis(100)));
        let transfer = Options { slowest, attempts, ..IMPATIENT };
        let start = Instant::now();
        let error = Cache::new().pull_with(&reference, transfer, &Access::default()).unwrap_err().to_string();
        assert!(error.contains("getting a token") && error.contains(word), "{error}");
        assert!(start.elapsed() < Duration::from_secs(6), "{status}: {:?}", start.elapsed());
    }
}
