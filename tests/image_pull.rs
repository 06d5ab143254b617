//! Images from registries: the real one, and one that misbehaves.

mod common;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use airshipctl::error::ErrorKind;
use airshipctl::image::registry::{Access, Options};
use airshipctl::image::{Image, Platform, PullPolicy, Reference, Store, Wanted, acquire};
use airshipctl::interrupt::Interrupt;
use common::cache::{Cache, IMPATIENT};
use common::docker_registry::DockerRegistry;
use common::faulty::{Fault, FaultyRegistry};
use common::image::{Blob, Built, Compression, Entry, TestImage, index_of, noise};
use serde_json::json;

fn big() -> Built {
    TestImage::new()
        .layer(&[Entry::dir("bin"), Entry::program("bin/builder", noise(300_000))])
        .layer(&[Entry::file("etc", "x")])
        .build()
}

fn hex(blob: &Blob) -> &str {
    blob.digest.strip_prefix("sha256:").unwrap()
}

#[test]
fn an_image_of_the_real_registry_is_pulled_once() {
    let registry = DockerRegistry::start();
    let layers = [Entry::dir("a"), Entry::file("a/b", noise(70_000))];
    let image = TestImage::new()
        .layer_as(Compression::Gzip, &layers)
        .layer_as(Compression::Zstd, &[Entry::file("a/c", "c")])
        .layer_as(Compression::None, &[Entry::file("a/d", "d")])
        .build();
    let reference = registry.push("team/builder", "1", &image);
    let cache = Cache::new();
    let pulled = cache.pull(&reference).unwrap();
    assert_eq!(pulled.manifest_digest.as_ref(), image.manifest.digest);
    assert_eq!(pulled.layers.len(), 3);
    assert_eq!(cache.store.missing_layers(&pulled), []);
    assert_eq!(cache.blobs().len(), 5);
    assert_eq!(cache.partials(), 0);
    drop(registry);
    assert_eq!(cache.pull(&reference).unwrap(), pulled);
    let listed = cache.store.list().unwrap();
    assert_eq!((listed.len(), listed[0].reference.as_str()), (1, reference.as_str()));
    assert_eq!(listed[0].platform, Some(Platform::host()));
}

#[test]
fn docker_manifests_and_indexes_of_the_real_registry_are_understood() {
    let registry = DockerRegistry::start();
    let docker = TestImage::new().docker().layer(&[Entry::file("a", "docker")]).build();
    let cache = Cache::new();
    let reference = registry.push("team/docker", "1", &docker);
    assert_eq!(cache.pull(&reference).unwrap().manifest_digest.as_ref(), docker.manifest.digest);
    let own = TestImage::with_file("own");
    let other = TestImage::new().platform("linux/s390x").layer(&[Entry::file("a", "other")]).build();
    let reference = registry.push_index("team/many", "1", &[&other, &own]);
    assert_eq!(cache.pull(&reference).unwrap().manifest_digest.as_ref(), own.manifest.digest);
    let s390x = Platform { os: "linux".into(), architecture: "s390x".into(), variant: None };
    let found = cache.acquire_for(&reference, PullPolicy::Missing, &s390x, &Interrupt::manual().unwrap());
    assert_eq!(found.unwrap().manifest_digest.as_ref(), other.manifest.digest);
    // the name now means one image for each of both platforms
    assert_eq!(
        cache.acquire(&reference, PullPolicy::Never).unwrap().manifest_digest.as_ref(),
        own.manifest.digest
    );
    registry.push("team/docker", "1", &own);
    let current = cache.acquire(&format!("{}/team/docker:1", registry.host()), PullPolicy::Always).unwrap();
    assert_eq!(current.manifest_digest.as_ref(), own.manifest.digest);
}

#[test]
fn a_reference_by_digest_is_found_by_digest_and_never_pulled_again() {
    let registry = FaultyRegistry::start();
    let (own, other) = (
        TestImage::with_file("own"),
        TestImage::new().platform("linux/s390x").layer(&[Entry::file("a", "b")]).build(),
    );
    registry.add_index("many", &[&other, &own]);
    let index = index_of(&[&other, &own]);
    let cache = Cache::new();
    let reference = format!("{}/team/builder@{}", registry.host(), index.digest);
    assert_eq!(cache.pull(&reference).unwrap().manifest_digest.as_ref(), own.manifest.digest);
    let requests = registry.requests().len();
    cache.acquire(&reference, PullPolicy::Always).unwrap();
    cache.acquire(&format!("registry.example/x@{}", index.digest), PullPolicy::Never).unwrap();
    assert_eq!(registry.requests().len(), requests);
}

#[test]
fn the_variant_decides_between_images_for_arm() {
    let registry = FaultyRegistry::start();
    let build =
        |platform: &str| TestImage::new().platform(platform).layer(&[Entry::file("a", platform)]).build();
    let (v5, v6, v7) = (build("linux/arm/v5"), build("linux/arm/v6"), build("linux/arm/v7"));
    let reference = registry.add_index("1", &[&v5, &v7, &v6]);
    let host = Platform { os: "linux".into(), architecture: "arm".into(), variant: Some("v6".into()) };
    let pulled =
        Cache::new().acquire_for(&reference, PullPolicy::Missing, &host, &Interrupt::manual().unwrap());
    assert_eq!(pulled.unwrap().manifest_digest.as_ref(), v6.manifest.digest);
}

#[test]
fn policies_decide_whether_the_registry_is_asked() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &TestImage::with_file("first"));
    let cache = Cache::new();
    let error = cache.acquire(&reference, PullPolicy::Never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Image);
    assert!(error.to_string().contains(cache.store.path().to_str().unwrap()), "{error}");
    assert!(error.to_string().contains(&reference) && error.hint_text().unwrap().contains("--pull missing"));
    assert_eq!(registry.requests().len(), 0);
    let first = cache.pull(&reference).unwrap();
    registry.add("1", &TestImage::with_file("second"));
    let requests = registry.requests().len();
    assert_eq!(cache.pull(&reference).unwrap(), first);
    assert_eq!(cache.acquire(&reference, PullPolicy::Never).unwrap(), first);
    assert_eq!(registry.requests().len(), requests);
    assert_ne!(cache.acquire(&reference, PullPolicy::Always).unwrap(), first);
    assert_eq!(cache.store.list().unwrap().len(), 1);
}

#[test]
fn a_local_image_is_never_looked_for_in_a_registry() {
    let cache = Cache::new();
    for policy in [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never] {
        let error = cache.acquire("localhost/isogen-builder", policy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.hint_text().unwrap().contains("scripts/builder/build.sh"), "{error}");
        let error = cache.acquire("localhost/other", policy).unwrap_err();
        assert!(error.hint_text().unwrap().contains("image load"), "{error}");
    }
}

#[test]
fn a_missing_layer_is_fetched_alone_unless_there_is_a_rootfs() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let cache = Cache::new();
    let pulled = cache.pull(&reference).unwrap();
    cache.store.discard_blob(&pulled.layers[0]).unwrap();
    let parsed = Reference::parse(&reference).unwrap();
    let platform = Platform::host();
    let wanted = |have_rootfs: &dyn Fn(&Image) -> bool, policy| {
        let wanted = Wanted {
            reference: &parsed,
            platform: &platform,
            policy,
            have_rootfs,
            transfer: IMPATIENT,
            access: &Access::default(),
        };
        acquire(&cache.store, wanted, &Interrupt::manual().unwrap())
    };
    let requests = registry.requests().len();
    wanted(&|_| true, PullPolicy::Missing).unwrap();
    wanted(&|_| true, PullPolicy::Never).unwrap();
    assert_eq!(registry.requests().len(), requests);
    let error = wanted(&|_| false, PullPolicy::Never).unwrap_err();
    assert!(error.to_string().contains(&image.layers[0].digest), "{error}");
    wanted(&|_| false, PullPolicy::Missing).unwrap();
    assert_eq!(registry.count(&image.layers[0].digest), 2);
    assert_eq!(registry.count(&image.layers[1].digest), 1);
    assert_eq!(registry.count("/manifests/1"), 1);
}

/// A run that is killed late can leave a rootfs and neither the name nor the last blob.
#[test]
fn an_image_that_gets_its_name_has_its_layers_also_where_there_is_a_rootfs() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &big());
    let cache = Cache::new();
    let wanted = Wanted {
        reference: &Reference::parse(&reference).unwrap(),
        platform: &Platform::host(),
        policy: PullPolicy::Missing,
        have_rootfs: &|_| true,
        transfer: IMPATIENT,
        access: &Access::default(),
    };
    let image = acquire(&cache.store, wanted, &Interrupt::manual().unwrap()).unwrap();
    assert_eq!(cache.store.missing_layers(&image), []);
}

#[test]
fn passing_faults_are_got_over() {
    let image = big();
    let layer = image.layers[0].digest.as_str();
    let config = image.config.digest.as_str();
    for (suffix, fault) in [
        ("/manifests/1", Fault::Status(500, "")),
        ("/manifests/1", Fault::Status(429, "")),
        ("/manifests/1", Fault::CutAfter(10)),
        ("/v2/", Fault::CutAfter(0)),
        (config, Fault::Status(503, "")),
        (config, Fault::CutAfter(10)),
        (layer, Fault::Status(500, "")),
        (layer, Fault::Status(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow"}]}"#)),
        (layer, Fault::CutAfter(100_000)),
        (layer, Fault::CutAfter(0)),
        (layer, Fault::Shorter(1000)),
        (layer, Fault::NoRange),
        (layer, Fault::Silence(1000)),
        (layer, Fault::Pause(1000, Duration::from_millis(200))),
    ] {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &image);
        registry.fault(suffix, 1, fault.clone());
        let cache = Cache::new();
        cache.pull(&reference).unwrap_or_else(|error| panic!("{suffix} {fault:?}: {error}"));
        assert_eq!(cache.blobs().len(), 4, "{fault:?}");
        assert_eq!(cache.partials(), 0, "{fault:?}");
    }
}

#[test]
fn a_cut_transfer_goes_on_where_it_ended() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.as_str();
    registry.fault(layer, 5, Fault::CutAfter(100_000));
    let cache = Cache::new();
    cache.refuses(&reference, &[layer]);
    assert_eq!(cache.partials(), 1);
    registry.heal();
    cache.pull(&reference).unwrap();
    let ranges: Vec<Option<String>> = registry
        .requests()
        .iter()
        .filter(|request| request.target.ends_with(layer))
        .map(|request| request.headers.get("range").cloned())
        .collect();
    let offset = |range: &String| range["bytes=".len()..].trim_end_matches('-').parse::<u64>().unwrap();
    let offsets: Vec<u64> = ranges.iter().map(|range| range.as_ref().map_or(0, offset)).collect();
    assert_eq!(offsets[0], 0);
    assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "{offsets:?}");
}

#[test]
fn a_damaged_partial_is_fetched_anew() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let cache = Cache::new();
    let dir = cache.dir.path().join("cache/.partial");
    let layer = &image.layers[0];
    for leftover in
        [vec![0; 1000], vec![0; layer.bytes.len()], vec![0; layer.bytes.len() + 1], layer.bytes.clone()]
    {
        std::fs::write(dir.join(format!("sha256-{}", hex(layer))), leftover).unwrap();
        let pulled = cache.pull(&reference).unwrap();
        assert_eq!(cache.blobs().len(), 4);
        assert_eq!(cache.partials(), 0);
        cache.store.discard_blob(&pulled.layers[0]).unwrap();
    }
}

#[test]
fn wrong_bytes_are_refused_wherever_they_come() {
    let image = big();
    let (layer, config) = (image.layers[0].digest.as_str(), image.config.digest.as_str());
    let cases: Vec<(&str, Fault, Vec<&str>)> = vec![
        (layer, Fault::Flip(1000), vec![layer, "digest"]),
        (layer, Fault::Longer(10), vec![layer, "longer"]),
        (layer, Fault::Shorter(10), vec![layer, "too early"]),
        (config, Fault::Flip(5), vec![config, "digest"]),
        (config, Fault::Longer(1), vec![config, "longer"]),
        ("/manifests/1", Fault::Flip(5), vec!["/team/builder"]),
        ("/manifests/1", Fault::Body(b"<html>".to_vec()), vec!["/team/builder"]),
        ("/manifests/1", Fault::Body(vec![b' '; 9 << 20]), vec!["longer than"]),
        ("/manifests/1", Fault::Header("Docker-Content-Digest", layer.to_owned()), vec!["header", layer]),
        (
            "/manifests/1",
            Fault::Header("Content-Type", "application/vnd.oci.image.index.v1+json".into()),
            vec!["handed out as"],
        ),
    ];
    for (suffix, fault, words) in cases {
        for no_range in [false, true] {
            let registry = FaultyRegistry::start();
            let reference = registry.add("1", &image);
            registry.fault(suffix, 99, fault.clone());
            if no_range {
                registry.fault(suffix, 99, Fault::NoRange);
            }
            Cache::new().refuses(&reference, &words);
        }
    }
}

#[test]
fn an_answer_to_a_digest_must_have_it() {
    let registry = FaultyRegistry::start();
    let (asked, sent) = (TestImage::with_file("asked"), TestImage::with_file("sent"));
    registry.add("1", &asked);
    registry.fault(&asked.manifest.digest, 99, Fault::Body(sent.manifest.bytes.clone()));
    registry.fault(
        &asked.manifest.digest,
        99,
        Fault::Header("Docker-Content-Digest", sent.manifest.digest.clone()),
    );
    let reference = format!("{}/team/builder@{}", registry.host(), asked.manifest.digest);
    Cache::new().refuses(&reference, &["the one asked for", &sent.manifest.digest]);
    // the same where an index asks
    registry.add_index("many", &[&asked]);
    Cache::new().refuses(&format!("{}/team/builder:many", registry.host()), &["the one asked for"]);
}

#[test]
fn what_is_no_container_image_is_refused_by_name() {
    let registry = FaultyRegistry::start();
    let image = big();
    let document =
        |value: serde_json::Value, media_type: &str| Blob::new(media_type, value.to_string().into_bytes());
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let edited = |edit: &dyn Fn(&mut serde_json::Value)| image.clone().with_manifest(edit).manifest;
    let schema1 = json!({ "schemaVersion": 1, "name": "x", "fsLayers": [], "history": [] });
    let cases: Vec<(Blob, &str)> = vec![
        (document(schema1, "application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
        (document(json!({ "schemaVersion": 2 }), "application/json"), "parsing manifest"),
        (document(json!({ "schemaVersion": 3, "layers": [] }), oci), "schemaVersion"),
        (document(json!([]), oci), "parsing"),
        (edited(&|m| m["manifests"] = json!([])), "manifest and an index at once"),
        (
            edited(&|m| m["mediaType"] = json!("application/vnd.oci.artifact.manifest.v1+json")),
            "handed out as",
        ),
        (edited(&|m| m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")), "helm"),
        (
            edited(&|m| {
                m["layers"][0]["mediaType"] =
                    json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
            }),
            "do not hand out",
        ),
        (
            edited(&|m| {
                m["layers"][0]["mediaType"] =
                    json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
            }),
            "do not hand out",
        ),
        (edited(&|m| m["layers"][0]["mediaType"] = json!("text/plain")), "text/plain"),
        (edited(&|m| m["layers"] = json!([])), "no layers"),
        (edited(&|m| drop(m["layers"].as_array_mut().unwrap().pop())), "1 layers but its configuration 2"),
        (edited(&|m| m["layers"][0]["digest"] = json!("sha256:../../../etc/passwd")), "parsing"),
        (edited(&|m| m["layers"][0]["digest"] = json!("md5:0123456789abcdef")), "md5"),
        (edited(&|m| m["layers"][0]["size"] = json!(-1)), "parsing"),
        (edited(&|m| m["layers"][0]["size"] = json!(u64::MAX)), "left and"),
        (edited(&|m| m["config"]["size"] = json!(1_u64 << 40)), "are not taken"),
        (edited(&|m| m["config"]["size"] = json!(3)), "longer"),
    ];
    registry.add("image", &image);
    for (number, (manifest, word)) in cases.into_iter().enumerate() {
        let reference = registry.add_manifest(&format!("case{number}"), &manifest);
        let error = Cache::new().refuses(&reference, &[word]);
        assert!(error.to_string().len() < 1000, "{error}");
    }
}

#[test]
fn an_index_without_this_platform_names_those_it_has() {
    let registry = FaultyRegistry::start();
    let other = TestImage::new().platform("linux/s390x").layer(&[Entry::file("a", "b")]).build();
    let unknown = TestImage::new().platform("unknown/unknown").layer(&[Entry::file("a", "c")]).build();
    let reference = registry.add_index("1", &[&other, &unknown]);
    let host = Platform::host().to_string();
    Cache::new().refuses(&reference, &["linux/s390x", &host]);
}

#[test]
fn what_the_registry_says_is_in_the_error() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let missing = format!("{}/team/builder:missing", registry.host());
    Cache::new().refuses(&missing, &["404", "not here", "missing"]);
    for (suffix, status, body, words) in [
        (
            "/manifests/1",
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"log in first"}]}"#,
            ["401", "log in first"],
        ),
        (
            "/manifests/1",
            403,
            r#"{"errors":[{"code":"DENIED","message":"not for you"}]}"#,
            ["403", "not for you"],
        ),
        ("/manifests/1", 500, "the disk\u{1b}[2J is on fire", ["500", "the disk [2J is on fire"]),
        (
            image.layers[0].digest.as_str(),
            404,
            r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}"#,
            ["gone", &image.layers[0].digest],
        ),
        (image.layers[0].digest.as_str(), 401, "", ["401", "blob"]),
        (image.layers[0].digest.as_str(), 500, "oops", ["500", "oops"]),
    ] {
        registry.fault(suffix, 99, Fault::Status(status, body));
        Cache::new().refuses(&reference, &words);
        registry.heal();
    }
    assert_eq!(registry.count("/manifests/missing"), 1, "a 404 was asked for again");
}

#[test]
fn a_refused_token_says_why() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &big());
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", registry.host());
    registry.fault("/v2/", 99, Fault::Status(401, ""));
    registry.fault("/v2/", 99, Fault::Header("WWW-Authenticate", realm));
    registry.fault(
        "/token",
        99,
        Fault::Status(403, r#"{"errors":[{"code":"DENIED","message":"account disabled"}]}"#),
    );
    Cache::new().refuses(&reference, &["account disabled"]);
    registry.heal();
}

#[test]
fn a_silent_registry_ends_in_an_error() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.as_str();
    for (suffix, fault) in [
        ("/v2/", Fault::Mute),
        ("/manifests/1", Fault::Mute),
        ("/manifests/1", Fault::Silence(10)),
        (layer, Fault::Mute),
        (layer, Fault::Silence(10)),
    ] {
        registry.fault(suffix, 99, fault);
        let start = Instant::now();
        Cache::new().refuses(&reference, &["silent"]);
        assert!(start.elapsed() < Duration::from_secs(10));
        registry.heal();
    }
}

#[test]
fn a_registry_that_is_not_there_ends_in_an_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Cache::new().refuses(&format!("127.0.0.1:{port}/x:1"), &["connecting", "refused"]);
    assert!(error.hint_text().is_some());
}

#[test]
fn an_interrupt_ends_a_transfer_and_keeps_what_came() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.as_str();
    registry.fault(layer, 99, Fault::Pause(100_000, Duration::from_secs(20)));
    let cache = Cache::new();
    let interrupt = Interrupt::manual().unwrap();
    let patient = Options { idle_timeout: Duration::from_secs(30), ..IMPATIENT };
    let parsed = Reference::parse(&reference).unwrap();
    let platform = Platform::host();
    let wanted = Wanted {
        reference: &parsed,
        platform: &platform,
        policy: PullPolicy::Missing,
        have_rootfs: &|_| false,
        transfer: patient,
        access: &Access::default(),
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            interrupt.raise(15);
        });
        let error = acquire(&cache.store, wanted, &interrupt).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted(15));
    });
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(cache.partials(), 1);
    registry.heal();
    cache.pull(&reference).unwrap();
    assert_eq!(cache.partials(), 0);
}

#[test]
fn many_pullers_share_one_transfer() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    registry.fault(&image.layers[0].digest, 1, Fault::Pause(10_000, Duration::from_millis(300)));
    let cache = Cache::new();
    let (cache, reference, barrier) = (&cache, &reference, &Barrier::new(6));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(move || {
                // each as another process would: with a store of its own
                let own = Store::open(cache.store.path()).unwrap();
                barrier.wait();
                let pulled = cache.pull(reference).unwrap();
                assert_eq!(own.missing_layers(&pulled), []);
            });
        }
    });
    assert_eq!(registry.count(&image.layers[0].digest), 1);
    assert_eq!(cache.blobs().len(), 4);
    assert_eq!(cache.partials(), 0);
    assert_eq!(cache.store.list().unwrap().len(), 1);
}

#[test]
fn a_waiting_puller_can_be_interrupted() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let cache = Cache::new();
    let path = cache.dir.path().join("cache/.partial").join(format!("sha256-{}", hex(&image.layers[0])));
    let held = std::fs::File::create(path).unwrap();
    held.lock().unwrap();
    let interrupt = Interrupt::manual().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            interrupt.raise(2);
        });
        let error = cache.acquire_for(&reference, PullPolicy::Missing, &Platform::host(), &interrupt);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted(2));
    });
}

#[test]
fn damage_is_found_and_repaired_by_pulling() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let cache = Cache::new();
    cache.pull(&reference).unwrap();
    for blob in [&image.manifest, &image.config] {
        let path = cache.dir.path().join("cache/blobs/sha256").join(hex(blob));
        for damage in [Some(b"{}".to_vec()), Some(vec![]), None] {
            match damage {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let error = cache.acquire(&reference, PullPolicy::Never).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Image);
            assert!(error.to_string().contains(hex(blob)), "{error}");
            cache.pull(&reference).unwrap();
            assert_eq!(cache.blobs().len(), 4);
        }
    }
}

#[test]
fn plain_http_needs_no_certificates_on_the_host() {
    const MARK: &str = "AIRSHIPCTL_TEST_WITHOUT_CERTIFICATES";
    if std::env::var_os(MARK).is_some() {
        let registry = FaultyRegistry::start();
        let reference = registry.add("1", &big());
        Cache::new().pull(&reference).unwrap();
        let error = Cache::new().refuses("registry.example/x:1", &["certificates"]);
        assert!(error.hint_text().unwrap().contains("ca-certificates"));
        return;
    }
    // where certificates are looked for is read from the environment once in a process
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "plain_http_needs_no_certificates_on_the_host"])
        .env(MARK, "1")
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent")
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_token_is_asked_for_sent_and_renewed() {
    let registry = FaultyRegistry::start();
    let image = big();
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.as_str();
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", registry.host());
    registry.fault("/v2/", 99, Fault::Status(401, ""));
    registry.fault("/v2/", 99, Fault::Header("WWW-Authenticate", realm));
    registry.fault("/token", 99, Fault::Status(200, r#"{"token":"secret-token"}"#));
    registry.fault(layer, 1, Fault::Status(401, ""));
    Cache::new().pull(&reference).unwrap();
    let requests = registry.requests();
    let bearing = |suffix: &str| {
        let mut found = requests.iter().filter(|request| request.target.ends_with(suffix));
        found
            .all(|request| request.headers.get("authorization").is_some_and(|it| it == "Bearer secret-token"))
    };
    assert!(bearing("/manifests/1") && bearing(layer) && bearing(&image.config.digest));
    assert_eq!(registry.count(layer), 2);
    let asked: Vec<&String> =
        requests.iter().map(|r| &r.target).filter(|it| it.starts_with("/token")).collect();
    assert!(asked.iter().all(|it| it.contains("repository%3Ateam%2Fbuilder%3Apull")), "{asked:?}");
    // one renewal is all there is
    registry.fault(layer, 99, Fault::Status(401, ""));
    let error = Cache::new().refuses(&reference, &["401"]);
    assert!(!error.to_string().contains("secret-token"), "{error}");
}

#[test]
fn a_killed_puller_leaves_nothing_that_looks_whole() {
    const CACHE: &str = "AIRSHIPCTL_TEST_KILLED_CACHE";
    const REFERENCE: &str = "AIRSHIPCTL_TEST_KILLED_REFERENCE";
    if let (Ok(dir), Ok(reference)) = (std::env::var(CACHE), std::env::var(REFERENCE)) {
        let store = Store::open(std::path::Path::new(&dir)).unwrap();
        let (reference, platform) = (Reference::parse(&reference).unwrap(), Platform::host());
        let never = Interrupt::manual().unwrap();
        let wanted = Wanted {
            reference: &reference,
            platform: &platform,
            policy: PullPolicy::Missing,
            have_rootfs: &|_| false,
            transfer: Options::default(),
            access: &Access::default(),
        };
        acquire(&store, wanted, &never).unwrap();
        return;
    }
    let registry = FaultyRegistry::start();
    let image = TestImage::new()
        .layer(&[Entry::file("a", noise(3_000_000))])
        .layer(&[Entry::file("b", noise(3_000_000))])
        .build();
    let reference = registry.add("1", &image);
    registry.fault("", usize::MAX, Fault::Pause(100, Duration::from_millis(10)));
    let cache = Cache::new();
    let mut completed = 0;
    for instant in 0..20 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_puller_leaves_nothing_that_looks_whole"])
            .env(CACHE, cache.store.path())
            .env(REFERENCE, &reference)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(15 * instant));
        child.kill().unwrap();
        completed += usize::from(child.wait().unwrap().success());
        // every blob that is seen has its digest, and what has a name is all there
        cache.blobs();
        let parsed = Reference::parse(&reference).unwrap();
        if let Some(found) = cache.store.find(&parsed, &Platform::host()).unwrap() {
            assert_eq!(cache.store.missing_layers(&found), []);
        }
    }
    cache.pull(&reference).unwrap();
    assert_eq!((cache.blobs().len(), cache.partials()), (4, 0));
    assert!(completed < 20, "nobody was killed in time");
}
