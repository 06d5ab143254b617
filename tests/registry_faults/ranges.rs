//! Answers that are not what was asked for: wrong bytes, other ranges, lies in headers.

use airshipctl::image::registry::{Access, Options};

use super::common::cache::{Cache, IMPATIENT};
use super::common::faulty::{Fault, FaultyRegistry};
use super::common::image::Built;
use super::layers;

/// A registry that has cut the only layer at 10,000 bytes, and a cache with these.
fn halfway(image: &Built) -> (FaultyRegistry, Cache, String) {
    let (registry, cache) = (FaultyRegistry::start(), Cache::new());
    let reference = registry.add("1", image);
    registry.fault(&image.layers[0].digest, 99, Fault::CutAfter(10_000));
    let once = Options { attempts: 1, ..IMPATIENT };
    cache.pull_with(&reference, once, &Access::default()).unwrap_err();
    registry.heal();
    let partial = std::fs::read_dir(cache.dir.path().join("cache/.partial")).unwrap().next().unwrap();
    assert_eq!(partial.unwrap().metadata().unwrap().len(), 10_000);
    (registry, cache, reference)
}

#[test]
fn wrong_bytes_in_a_resumed_range_cost_the_whole_and_no_more() {
    let image = layers(1);
    let layer = &image.layers[0].digest;
    let (registry, cache, reference) = halfway(&image);
    registry.fault(layer, 1, Fault::Flip(100));
    cache.pull(&reference).unwrap();
    assert_eq!((cache.blobs().len(), cache.partials()), (3, 0));
    // and where all are wrong, with and without ranges
    for faults in [vec![Fault::Flip(100)], vec![Fault::Flip(100), Fault::NoRange]] {
        let (registry, cache, reference) = halfway(&image);
        let before = registry.count(layer);
        faults.into_iter().for_each(|fault| registry.fault(layer, 99, fault));
        cache.refuses(&reference, &[layer, "other bytes, of digest sha256:"]);
        assert!(registry.count(layer) - before <= 2);
    }
}

#[test]
fn another_range_than_the_wanted_one_is_not_taken() {
    let image = layers(1);
    let (layer, size) = (&image.layers[0].digest, image.layers[0].bytes.len());
    for range in [
        format!("bytes 0-{}/{size}", size - 1),
        format!("bytes 10001-{}/{size}", size - 1),
        format!("bytes 10000-{}/{}", size - 1, size + 1),
        "bytes */20000".to_owned(),
        "lines 1-2/3".to_owned(),
        String::new(),
    ] {
        let (registry, cache, reference) = halfway(&image);
        registry.fault(layer, 1, Fault::Header("Content-Range", range.clone()));
        cache.pull(&reference).unwrap_or_else(|error| panic!("{range:?}: {error}"));
        assert_eq!((cache.blobs().len(), cache.partials()), (3, 0), "{range:?}");
        let last = registry.requests().pop().unwrap();
        assert!(
            matches!(last.headers.get("range").map(String::as_str), None | Some("bytes=0-")),
            "{range:?}"
        );
    }
}

#[test]
fn a_range_beyond_the_end_that_is_too_long_is_refused() {
    let image = layers(1);
    let layer = &image.layers[0].digest;
    for no_range in [false, true] {
        let (registry, cache, reference) = halfway(&image);
        registry.fault(layer, 99, Fault::Longer(50_000));
        if no_range {
            registry.fault(layer, 99, Fault::NoRange);
        }
        cache.refuses(&reference, &[layer, "longer"]);
    }
    let (registry, cache, reference) = halfway(&image);
    registry.fault(layer, 1, Fault::Status(416, "no such range"));
    cache.refuses(&reference, &[layer, "416", "no such range"]);
}

#[test]
fn headers_of_a_blob_that_lie_about_its_name_do_no_harm() {
    let image = layers(1);
    let layer = &image.layers[0].digest;
    let other = format!("sha256:{}", "a".repeat(64));
    for (name, value) in [
        ("Docker-Content-Digest", other),
        ("Docker-Content-Digest", "nonsense".to_owned()),
        ("Content-Type", "text/html".to_owned()),
        ("Content-Encoding", "gzip".to_owned()),
        ("ETag", "\u{e9}".to_owned()),
    ] {
        for no_range in [false, true] {
            let registry = FaultyRegistry::start();
            let reference = registry.add("1", &image);
            registry.fault(layer, 99, Fault::Header(name, value.clone()));
            if no_range {
                registry.fault(layer, 99, Fault::NoRange);
            }
            let cache = Cache::new();
            cache.pull(&reference).unwrap_or_else(|error| panic!("{name} {value}: {error}"));
            assert_eq!((cache.blobs().len(), cache.partials()), (3, 0));
        }
    }
}

#[test]
fn a_length_that_lies_ends_in_an_error_or_in_the_right_bytes() {
    let image = layers(1);
    let (layer, size) = (&image.layers[0].digest, image.layers[0].bytes.len());
    for length in ["0".to_owned(), "100".to_owned(), (size - 1).to_string(), "x".to_owned(), "-1".to_owned()]
    {
        for suffix in ["/manifests/1", layer.as_str()] {
            let (registry, cache) = (FaultyRegistry::start(), Cache::new());
            let reference = registry.add("1", &image);
            registry.fault(suffix, 1, Fault::Header("Content-Length", length.clone()));
            if let Err(error) = cache.pull(&reference) {
                assert!(error.to_string().contains(&reference), "{error}");
                assert_eq!(cache.store.list().unwrap(), []);
            }
            // checks each against its digest
            cache.blobs();
            cache.pull(&reference).unwrap();
        }
    }
    for suffix in ["/manifests/1", layer.as_str()] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        registry.fault(suffix, 99, Fault::Header("Content-Length", (1_u64 << 50).to_string()));
        Cache::new().refuses(&reference, &["longer"]);
    }
}
