//! More than one cache: additional ones that are only read, caches on file systems that cannot hold a
//! rootfs, caches of others, full ones, and runs without any network.

mod common;

#[path = "image_caches/additional.rs"]
mod additional;
#[path = "image_caches/file_systems.rs"]
mod file_systems;
#[path = "image_caches/offline.rs"]
mod offline;
#[path = "image_caches/room.rs"]
mod room;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::image::{Built, Layout};
use common::site::{Site, builder, stderr};

/// Changes one byte of every blob larger than this many bytes in the cache; returns their paths.
fn damage_layers(cache: &Path, larger: u64) -> Vec<PathBuf> {
    let blobs = fs::read_dir(cache.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let layers: Vec<_> = blobs.filter(|path| fs::metadata(path).unwrap().len() > larger).collect();
    for path in &layers {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    layers
}

/// A site whose own cache is empty and that has others beside it.
struct Bench(Site);

impl Bench {
    fn new() -> Self {
        Self(Site::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Makes the cache `cache`, with the image under `name`.
    fn fill(&self, cache: &str, name: &str, image: &Built) -> PathBuf {
        let (cache, layout) = (self.path(cache), self.path("layout"));
        Layout::new().named(name, image).write(&layout);
        let mut command = self.0.command(&["image", "load", "layout", "--rootfs-cache"]);
        let output = command.arg(&cache).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        fs::remove_dir_all(layout).unwrap();
        cache
    }

    fn image(&self, arguments: &[&str]) -> Output {
        self.0.command(&["image"]).args(arguments).output().unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.image(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        common::site::stdout(&output)
    }

    fn bad(&self, arguments: &[&str], code: i32, says: &str) -> String {
        let output = self.image(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{says:?} is not in: {said}");
        said
    }
}

/// Every file below with its contents' length and the time of its last change.
fn state(dir: &Path) -> Vec<(PathBuf, u64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let (mut found, mut directories) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
            let metadata = entry.metadata().unwrap();
            found.push((entry.path(), metadata.len(), metadata.ctime_nsec() ^ metadata.ctime()));
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Of which the builder's layer with busybox has more than this.
const LARGE: u64 = 10_000;

fn built() -> Built {
    builder(common::site::BUILD).build()
}
