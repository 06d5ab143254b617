//! The commands of `airshipctl image`, by the program itself.

mod common;

#[path = "image_commands/archives.rs"]
mod archives;
#[path = "image_commands/upkeep.rs"]
mod upkeep;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::image::{Built, Entry, Layout, TestImage};
use common::site::{Site, stderr, stdout};
use serde_json::Value;

const NAME: &str = "registry.example/team/builder:1";
const OTHER: &str = "localhost/other:2";

/// A cache and the program.
struct Bench(Site);

impl Bench {
    fn new() -> Self {
        Self(Site::new())
    }

    /// A cache with the image under [`NAME`].
    fn with(image: &Built) -> Self {
        let bench = Self::new();
        bench.load(&Layout::new().named(NAME, image));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.path("cache").join(name)
    }

    fn load(&self, layout: &Layout) {
        let dir = self.path("source");
        layout.write(&dir);
        self.good(&["load", dir.to_str().unwrap()]);
        fs::remove_dir_all(dir).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.0.command(&["image"]).args(arguments).output().unwrap()
    }

    /// What a command that must succeed prints.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// A command that must end with `code` and say `word`.
    fn bad(&self, arguments: &[&str], code: i32, word: &str) -> String {
        let output = self.run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{word:?} is not in: {said}");
        said
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.cache("blobs").join(digest.replace(':', "/"))
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.cache("blobs/sha256")).map_or(0, |entries| entries.count())
    }

    fn partials(&self) -> usize {
        fs::read_dir(self.cache(".partial")).unwrap().count()
    }
}

fn image() -> Built {
    TestImage::new()
        .config(serde_json::json!({
            "Env": ["PATH=/bin", "TITLE=\u{1b}[2J"], "Entrypoint": ["/bin/builder"], "Cmd": ["--all"],
            "User": "1000:1000", "WorkingDir": "/work",
        }))
        .layer(&[Entry::dir("etc"), Entry::file("etc/motd", "lower")])
        .layer(&[Entry::file("etc/motd", "upper")])
        .build()
}

/// Shares its lower layer with [`image`].
fn sibling() -> Built {
    TestImage::new()
        .layer(&[Entry::dir("etc"), Entry::file("etc/motd", "lower")])
        .layer(&[Entry::file("etc/other", "sibling")])
        .build()
}

/// Changes one byte.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}
