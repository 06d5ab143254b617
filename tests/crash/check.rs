//! Whether what is seen of a cache is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use airshipctl::image::digest::sha256_hex;
use serde_json::Value;

use super::common::site::{stderr, stdout};
use super::sample::Sample;

/// Nothing that is seen in the cache is half, whoever was killed when.
pub fn assert_nothing_half(cache: &Path, samples: &[&Sample]) {
    blobs(cache, samples);
    if let Ok(bytes) = fs::read(cache.join("index.json")) {
        let index: Value = serde_json::from_slice(&bytes).unwrap();
        reachable(cache, &index);
    }
    for name in names(&cache.join("rootfs")).into_iter().filter(|name| !name.starts_with('.')) {
        rootfs(&cache.join("rootfs").join(name), samples);
    }
}

/// The images are complete, `image verify` thinks so too, and nothing half is left over.
pub fn assert_whole(cache: &Path, samples: &[&Sample], verify: &mut Command) {
    assert_nothing_half(cache, samples);
    for sample in samples {
        for digest in sample.blobs.keys() {
            assert!(blob(cache, digest).exists(), "{digest} is missing");
        }
    }
    assert!(names(&cache.join("rootfs")).iter().any(|name| !name.starts_with('.')), "no rootfs");
    assert_no_leftovers(cache);
    let output = verify.output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

pub fn assert_no_leftovers(cache: &Path) {
    assert_eq!(names(&cache.join(".partial")), [""; 0], "half blobs");
    let hidden = |dir: &str| -> Vec<String> {
        names(&cache.join(dir)).into_iter().filter(|name| name.contains("tmp")).collect()
    };
    assert_eq!(hidden("rootfs"), [""; 0], "half a rootfs");
    assert_eq!(hidden(""), [""; 0], "half an index");
}

pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn blob(cache: &Path, digest: &str) -> PathBuf {
    cache.join("blobs").join(digest.replace(':', "/"))
}

fn blobs(cache: &Path, samples: &[&Sample]) {
    for name in names(&cache.join("blobs/sha256")) {
        let bytes = fs::read(cache.join("blobs/sha256").join(&name)).unwrap();
        let digest = format!("sha256:{name}");
        // comparing is cheaper than hashing
        match samples.iter().find_map(|sample| sample.blobs.get(&digest)) {
            Some(want) => {
                assert!(bytes == *want, "{digest} is half: {} of {} bytes", bytes.len(), want.len())
            }
            None => assert_eq!(sha256_hex(&bytes), name, "{} bytes", bytes.len()),
        }
    }
}

/// Whatever a document of the layout names is there.
fn reachable(cache: &Path, document: &Value) {
    let lists = ["manifests", "layers"].into_iter().filter_map(|key| document[key].as_array()).flatten();
    for descriptor in lists.chain(document.get("config").filter(|config| config["digest"].is_string())) {
        let path = blob(cache, descriptor["digest"].as_str().unwrap());
        let size = fs::metadata(&path).map(|found| found.len()).ok();
        assert_eq!(size, descriptor["size"].as_u64(), "{descriptor}");
        if descriptor["mediaType"].as_str().is_some_and(|it| it.contains("manifest") || it.contains("index"))
        {
            reachable(cache, &serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
        }
    }
}

/// A rootfs that is seen has a record, and just the files of its image.
fn rootfs(dir: &Path, samples: &[&Sample]) {
    let record: Value = serde_json::from_slice(&fs::read(dir.join("record.json")).unwrap()).unwrap();
    let is_its = |sample: &&&Sample| record["diff_ids"] == Value::from(sample.diff_ids.clone());
    let sample = samples.iter().find(is_its).expect("a rootfs of another image");
    let tree: BTreeMap<String, Vec<u8>> = names(&dir.join("rootfs"))
        .into_iter()
        .map(|name| {
            let bytes = fs::read(dir.join("rootfs").join(&name)).unwrap();
            (name, bytes)
        })
        .collect();
    assert!(tree == sample.tree, "{} is not the image's tree", dir.display());
}
