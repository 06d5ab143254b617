//! `save` and `load`.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::common::image::{index_of, noise};
use super::*;

/// Names of the members with modes, owners and times.
fn members(archive: &[u8]) -> Vec<(String, u32, u64, u64)> {
    let mut archive = tar::Archive::new(archive);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
    };
    archive.entries().unwrap().map(member).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Bench {
    fn save(&self, references: &[&str]) -> PathBuf {
        let file = self.path("out.tar");
        self.good(&[&["save"], references, &[file.to_str().unwrap()]].concat());
        file
    }
}

#[test]
fn what_was_saved_loads_with_the_same_digests() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    let file = bench.save(&[NAME, OTHER]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let elsewhere = Bench::new();
    let loaded = elsewhere.json(&["load", file.to_str().unwrap()]);
    assert_eq!(
        loaded["images"][0],
        serde_json::json!({ "reference": OTHER, "digest": sibling().manifest.digest })
    );
    assert_eq!(loaded["images"][1]["digest"], image().manifest.digest);
    assert_eq!(elsewhere.good(&["verify"]), bench.good(&["verify"]));
    assert_eq!(elsewhere.blobs(), 7);
}

#[test]
fn an_archive_is_the_same_bytes_whatever_the_order() {
    let bench = Bench::with(&image());
    bench.load(&Layout::new().named(OTHER, &sibling()));
    let one = fs::read(bench.save(&[NAME, OTHER])).unwrap();
    let elsewhere = Bench::new();
    elsewhere.load(&Layout::new().named(OTHER, &sibling()));
    elsewhere.load(&Layout::new().named(NAME, &image()));
    let output = elsewhere.run(&["save", OTHER, NAME, OTHER, "-"]);
    assert!(output.status.success() && output.stdout == one, "{}", stderr(&output));
    let members = members(&one);
    let paths: Vec<&str> = members.iter().map(|member| member.0.as_str()).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(paths.len(), 7 + 2 + 2);
    assert!(
        members.iter().all(|(_, mode, uid, mtime)| (*uid, *mtime) == (0, 0) && matches!(mode, 0o644 | 0o755))
    );
}

#[test]
fn all_stored_platforms_of_an_index_and_images_by_digest_are_saved() {
    let two = TestImage::new().platform("linux/riscv64").layer(&[Entry::file("a", "b")]).build();
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    bench.load(&Layout::new().index(NAME, &[&image(), &two]));
    elsewhere.good(&["load", bench.save(&[NAME]).to_str().unwrap()]);
    assert_eq!(elsewhere.json(&["ls"]), bench.json(&["ls"]));
    let pinned = format!("registry.example/team/builder@{}", index_of(&[&image(), &two]).digest);
    let elsewhere = Bench::new();
    elsewhere.good(&["load", bench.save(&[&pinned]).to_str().unwrap()]);
    elsewhere.good(&["verify", &pinned]);
    assert!(elsewhere.good(&["ls"]).starts_with(&pinned));
}

#[test]
fn other_tools_read_what_was_saved() {
    let bench = Bench::with(&image());
    let source = format!("oci-archive:{}:{NAME}", bench.save(&[NAME]).display());
    let output = Command::new("skopeo").args(["inspect", "--format", "{{.Digest}}", &source]).output();
    let output = output.expect("skopeo is installed by scripts/setup.sh test");
    assert_eq!(stdout(&output).trim(), image().manifest.digest, "{}", stderr(&output));
}

#[test]
fn a_damaged_or_missing_blob_is_not_saved_and_no_file_is_left() {
    for blob in image().blobs() {
        for spoil in [true, false] {
            let bench = Bench::with(&image());
            let path = bench.blob(&blob.digest);
            if spoil {
                damage(&path)
            } else {
                fs::remove_file(&path).unwrap()
            };
            fs::create_dir(bench.path("out")).unwrap();
            let file = bench.path("out/image.tar");
            fs::write(&file, "older").unwrap();
            let said = bench.bad(&["save", NAME, file.to_str().unwrap()], 4, blob.digest.split_at(7).1);
            assert!(said.contains("--repair"), "{said}");
            assert_eq!(names(&bench.path("out")), ["image.tar"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), "older");
        }
    }
}

#[test]
fn saving_refuses_what_cannot_be_meant() {
    let bench = Bench::with(&image());
    let cache = bench.cache("index.json");
    bench.bad(&["save", OTHER, "x.tar"], 4, "has it not");
    bench.bad(&["save", NAME], 2, "Usage");
    bench.bad(&["save", NAME, cache.to_str().unwrap()], 2, "in the rootfs cache");
    bench.bad(&["save", NAME, "/dev/null"], 2, "no regular file");
    bench.bad(&["save", NAME, "not/there/x.tar"], 2, "not/there/x.tar");
    bench.bad(&["save", NAME, "-", "--output", "json"], 2, "--output");
    bench.good(&["verify"]);
}

#[test]
fn a_reader_that_goes_away_ends_a_save_with_an_error() {
    let layer = Entry::file("noise", noise(4 << 20));
    let bench = Bench::with(&TestImage::new().layer(&[layer]).build());
    let mut command = bench.0.command(&["image", "save", NAME, "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("Broken pipe"), "{}", stderr(&output));
}
