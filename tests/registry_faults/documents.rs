//! Manifests and indexes that are not as they should be, and the ways to them.

use serde_json::json;

use super::common::cache::Cache;
use super::common::faulty::{Fault, FaultyRegistry};
use super::common::image::{Blob, Built, Entry, TestImage, index_of};
use super::layers;

/// An index with this one entry.
fn index(of: &Blob) -> Blob {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let value = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [of.descriptor()] });
    Blob::new(media_type, value.to_string().into_bytes())
}

#[test]
fn indexes_of_indexes_are_followed_to_a_depth() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    registry.add("image", &image);
    let mut outer = index_of(&[&image]);
    for depth in 1..=6 {
        let reference = registry.add_manifest(&format!("depth{depth}"), &outer);
        match depth {
            1..=4 => {
                let pulled = Cache::new().pull(&reference).unwrap();
                assert_eq!(pulled.manifest_digest.as_ref(), image.manifest.digest);
            }
            _ => drop(Cache::new().refuses(&reference, &["too deep"])),
        }
        outer = index(&outer);
    }
}

#[test]
fn an_index_that_leads_nowhere_is_refused() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    let missing = registry.add_manifest("missing", &index_of(&[&image]));
    Cache::new().refuses(&missing, &["404", &image.manifest.digest]);
    let empty = json!({ "schemaVersion": 2, "manifests": [] }).to_string().into_bytes();
    let empty = registry.add_manifest("empty", &Blob::new("application/vnd.oci.image.index.v1+json", empty));
    Cache::new().refuses(&empty, &["has no image for"]);
    // the entry says another size than the document has
    registry.add("image", &image);
    let mut value = serde_json::from_slice::<serde_json::Value>(&index_of(&[&image]).bytes).unwrap();
    for (size, word) in [(10_u64, "longer"), (100_000, "bytes, not 100000"), (1 << 40, "are not taken")] {
        value["manifests"][0]["size"] = json!(size);
        let blob = Blob::new("application/vnd.oci.image.index.v1+json", value.to_string().into_bytes());
        Cache::new().refuses(&registry.add_manifest(&format!("size{size}"), &blob), &[word]);
    }
}

#[test]
fn a_huge_manifest_is_not_read_to_its_end() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    let reference = registry.add("1", &image);
    registry.fault("/manifests/1", 99, Fault::Body(vec![b' '; 64 << 20]));
    Cache::new().refuses(&reference, &["longer than"]);
    // nor where it does not say how long it is
    registry.fault("/manifests/1", 99, Fault::Header("Transfer-Encoding", "identity".into()));
    Cache::new().refuses(&reference, &[]);
}

#[test]
fn a_layer_that_a_manifest_has_twice_is_fetched_once() {
    let registry = FaultyRegistry::start();
    let twice: Built = TestImage::new()
        .layer(&[Entry::file("a", "a")])
        .layer(&[Entry::file("b", "b")])
        .layer(&[Entry::file("a", "a")])
        .build();
    assert_eq!(twice.layers[0].digest, twice.layers[2].digest);
    let reference = registry.add("1", &twice);
    let cache = Cache::new();
    assert_eq!(cache.pull(&reference).unwrap().layers.len(), 3);
    assert_eq!(registry.count(&twice.layers[0].digest), 1);
    assert_eq!((cache.blobs().len(), cache.partials()), (4, 0));
    // of two sizes only one can be right
    let other = twice.with_manifest(|it| it["layers"][2]["size"] = json!(7));
    Cache::new().refuses(&registry.add("2", &other), &["has not the 7 bytes"]);
}

#[test]
fn redirects_that_lead_nowhere_end_in_an_error() {
    let (registry, image) = (FaultyRegistry::start(), layers(1));
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.as_str();
    for (suffix, kind) in [("/manifests/1", "manifests/1".to_owned()), (layer, format!("blobs/{layer}"))] {
        let itself = format!("http://{}/v2/team/builder/{kind}", registry.host());
        for (target, words) in [
            (itself, vec!["redirect"]),
            ("http://127.0.0.1:1/".to_owned(), vec!["connecting"]),
            ("file:///etc/passwd".to_owned(), vec![]),
            ("::nonsense::".to_owned(), vec![]),
        ] {
            registry.fault(suffix, usize::MAX, Fault::Status(307, ""));
            registry.fault(suffix, usize::MAX, Fault::Header("Location", target));
            let before = registry.requests().len();
            Cache::new().refuses(&reference, &words);
            assert!(registry.requests().len() - before < 50);
            registry.heal();
        }
    }
}
