//! Images from layouts and archives, honest and hostile.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use airshipctl::error::{Error, ErrorKind};
use airshipctl::image::{Platform, Reference, Store};
use airshipctl::interrupt::Interrupt;
use common::image::{Blob, Built, Compression, Entry, Layout, TestImage, index_of, tar};
use serde_json::json;

const NAME: &str = "registry.example/team/builder:1";

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("cache")).unwrap();
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn archive(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("archive.tar");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn directory(&self, layout: &Layout) -> PathBuf {
        let path = self.path("source");
        layout.write(&path);
        path
    }

    fn load(&self, source: &Path) -> Result<Vec<String>, Error> {
        let loaded = self.store.load(source, &Interrupt::manual().unwrap())?;
        Ok(loaded.into_iter().map(|image| image.reference).collect())
    }

    fn load_as(&self, source: &Path, name: &str) -> Result<Vec<String>, Error> {
        let name = Reference::parse(name).unwrap();
        let loaded = self.store.load_as(source, Some(&name), &Interrupt::manual().unwrap())?;
        Ok(loaded.into_iter().map(|image| image.reference).collect())
    }

    /// Whether the image is there with all its layers.
    fn has(&self, name: &str, image: &Built) -> bool {
        let reference = Reference::parse(name).unwrap();
        let Some(found) = self.store.find(&reference, &image.platform).unwrap() else { return false };
        found.manifest_digest.as_ref() == image.manifest.digest
            && self.store.missing_layers(&found).is_empty()
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.path("cache/blobs/sha256")).map_or(0, |entries| entries.count())
    }

    fn partials(&self) -> usize {
        fs::read_dir(self.path("cache/.partial")).unwrap().count()
    }

    /// Loading fails, names the source, and leaves nothing.
    fn refuses(&self, source: &Path, kind: ErrorKind, word: &str) -> Error {
        let error = self.load(source).expect_err(word);
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(source.to_str().unwrap()) && text.contains(word), "{word:?} is not in: {text}");
        assert_eq!((self.blobs(), self.partials(), self.store.list().unwrap().len()), (0, 0, 0), "{text}");
        error
    }
}

fn image() -> Built {
    TestImage::new().layer(&[Entry::file("a", "lower")]).layer(&[Entry::file("a", "upper")]).build()
}

#[test]
fn a_directory_is_loaded_and_left_as_it_was() {
    let bench = Bench::new();
    let source = bench.directory(&Layout::new().named(NAME, &image()));
    assert_eq!(bench.load(&source).unwrap(), [NAME]);
    assert!(bench.has(NAME, &image()));
    assert_eq!((bench.blobs(), bench.partials()), (4, 0));
    assert_eq!(bench.load(&source).unwrap(), [NAME]);
    assert_eq!(bench.store.list().unwrap().len(), 1);
    assert_eq!(fs::read_dir(source.join("blobs/sha256")).unwrap().count(), 4);
}

#[test]
fn archives_are_loaded_whatever_their_compression_and_order() {
    let layout = Layout::new().named(NAME, &image());
    let mut backwards = layout.members();
    backwards.reverse();
    let dotted: Vec<Entry> =
        layout.files().iter().map(|(path, bytes)| Entry::file(&format!("./{path}"), bytes)).collect();
    for members in [layout.members(), backwards, dotted] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let bench = Bench::new();
            let source = bench.archive(compression.apply(&tar(&members)));
            assert_eq!(bench.load(&source).unwrap(), [NAME]);
            assert!(bench.has(NAME, &image()));
            assert_eq!((bench.blobs(), bench.partials()), (4, 0));
            assert_eq!(bench.load(&source).unwrap(), [NAME]);
        }
    }
}

#[test]
fn all_named_images_are_loaded_and_nothing_else_is_stored() {
    let (one, two, stray) = (TestImage::with_file("1"), TestImage::with_file("2"), TestImage::with_file("3"));
    let layout = Layout::new()
        .named("registry.example/one:1", &one)
        .named("localhost/two:latest", &two)
        .unnamed(&stray);
    let bench = Bench::new();
    let loaded = bench.load(&bench.archive(layout.archive())).unwrap();
    assert_eq!(loaded, ["registry.example/one:1", "localhost/two:latest"]);
    assert!(bench.has("registry.example/one:1", &one) && bench.has("localhost/two", &two));
    assert_eq!((bench.blobs(), bench.partials()), (6, 0));
}

#[test]
fn an_image_without_a_full_name_needs_one() {
    // as umoci and skopeo write them: the tag alone
    for layout in [
        Layout::new().unnamed(&image()),
        Layout::new().named("latest", &image()),
        Layout::new().named("v1", &image()),
    ] {
        let bench = Bench::new();
        let source = bench.archive(layout.archive());
        let error = bench.refuses(&source, ErrorKind::Usage, "full name");
        assert!(error.hint_text().unwrap().contains("--name"));
        assert_eq!(
            bench.load_as(&source, "localhost/isogen-builder").unwrap(),
            ["localhost/isogen-builder:latest"]
        );
        assert!(bench.has("localhost/isogen-builder", &image()));
    }
}

#[test]
fn a_name_is_not_given_to_several_images() {
    let bench = Bench::new();
    let layout = Layout::new().named(NAME, &image()).unnamed(&TestImage::with_file("x"));
    let error = bench.load_as(&bench.directory(&layout), "localhost/x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(bench.blobs(), 0);
}

#[test]
fn the_name_that_docker_and_containerd_write_counts() {
    let mut entry = image().manifest.descriptor();
    entry["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1" });
    let bench = Bench::new();
    let layout = Layout::new().add(entry, None, image().blobs());
    assert_eq!(bench.load(&bench.archive(layout.archive())).unwrap(), ["docker.io/library/x:1"]);
}

#[test]
fn an_index_is_loaded_with_the_images_that_are_there() {
    let own = TestImage::with_file("own");
    let other = TestImage::new().platform("linux/s390x").layer(&[Entry::file("a", "other")]).build();
    let attestation = TestImage::new().platform("unknown/unknown").layer(&[Entry::file("a", "b")]).build();
    let index = index_of(&[&own, &other, &attestation]);
    let mut present = own.blobs();
    present.push(&index);
    present.extend(attestation.blobs());
    let bench = Bench::new();
    let layout = Layout::new().add(index.descriptor(), Some(NAME), present);
    bench.load(&bench.archive(layout.archive())).unwrap();
    assert!(bench.has(NAME, &own));
    assert!(!bench.has(NAME, &other));
    assert_eq!(bench.blobs(), 4);
    let listed = bench.store.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].platform, Some(Platform::host()));
    let none = Bench::new();
    let layout = Layout::new().add(index.descriptor(), Some(NAME), vec![&index]);
    none.refuses(&none.archive(layout.archive()), ErrorKind::Image, "none of its images");
}

#[test]
fn what_is_no_layout_is_refused() {
    let bench = Bench::new();
    assert_eq!(bench.load(&bench.path("absent")).unwrap_err().kind(), ErrorKind::Usage);
    fs::create_dir(bench.path("empty")).unwrap();
    bench.refuses(&bench.path("empty"), ErrorKind::Image, "oci-layout");
    let cache = bench.store.path().to_owned();
    assert_eq!(bench.load(&cache).unwrap_err().kind(), ErrorKind::Usage);
    bench.refuses(&bench.archive(b""), ErrorKind::Image, "not an OCI archive");
    bench.refuses(&bench.archive(b"not a tar archive".repeat(100)), ErrorKind::Image, "reading");
    bench.refuses(&bench.archive(b"\x1f\x8bnonsense"), ErrorKind::Image, "reading");
    bench.refuses(&bench.archive(b"\x28\xb5\x2f\xfdnonsense"), ErrorKind::Image, "reading");
    let docker = tar(&[Entry::file("manifest.json", "[]"), Entry::file("abc/layer.tar", "x")]);
    bench.refuses(&bench.archive(docker), ErrorKind::Image, "holds no image");
    let empty = Layout::new().archive();
    bench.refuses(&bench.archive(empty), ErrorKind::Image, "no image");
}

#[test]
fn hostile_members_are_refused_or_ignored() {
    let image = image();
    let members = Layout::new().named(NAME, &image).members();
    let layer = format!("blobs/{}", image.layers[0].digest.replace(':', "/"));
    let with = |extra: &[Entry]| [members.as_slice(), extra].concat();
    let without = |path: &str| {
        let layout = Layout::new().named(NAME, &image);
        let kept = layout.files().into_iter().filter(|(name, _)| name != path);
        kept.map(|(name, bytes)| Entry::file(&name, bytes)).collect::<Vec<_>>()
    };
    let in_place = |path: &str, entry: Entry| [without(path), vec![entry]].concat();
    let refused: Vec<(Vec<Entry>, &str)> = vec![
        (with(&[Entry::file("index.json", "{}")]), "twice"),
        (with(&[Entry::file(&layer, "x")]), "twice"),
        (with(&[Entry::file(&format!("./{layer}"), &image.layers[0].bytes)]), "twice"),
        (in_place("index.json", Entry::symlink("index.json", "/etc/passwd")), "regular"),
        (in_place(&layer, Entry::symlink(&layer, "/etc/passwd")), "regular"),
        (in_place(&layer, Entry::hard_link(&layer, "/etc/passwd")), "regular"),
        (in_place(&layer, Entry::fifo(&layer)), "regular"),
        (in_place(&layer, Entry::file(&layer, "other bytes")), "digest"),
        (in_place("index.json", Entry::file("index.json", vec![b' '; 9 << 20])), "more than"),
        (in_place("oci-layout", Entry::file("oci-layout", "{}")), "oci-layout"),
        (in_place("index.json", Entry::file("index.json", "{")), "index.json"),
        (without(&layer), "missing"),
        (without("index.json"), "not an OCI archive"),
        (without("oci-layout"), "not an OCI archive"),
        (without(&format!("blobs/{}", image.config.digest.replace(':', "/"))), &image.config.digest[7..]),
        (without(&format!("blobs/{}", image.manifest.digest.replace(':', "/"))), &image.manifest.digest[7..]),
        (with(&[Entry::file("x", "").pax("comment", vec![b'x'; 3 << 20])]), "too long"),
    ];
    for (members, word) in refused {
        let bench = Bench::new();
        bench.refuses(&bench.archive(tar(&members)), ErrorKind::Image, word);
    }
    let ignored = with(&[
        Entry::file("../escaped", "x"),
        Entry::file("/escaped", "x"),
        Entry::symlink("blobs/sha256/link", "/etc"),
        Entry::file("blobs/sha256/../../../escaped", "x"),
        Entry::file("blobs/md5/0123", "x"),
        Entry::file("blobs/sha256/short", "x"),
        Entry::dir("blobs/sha256"),
        Entry::char_device("null", 1, 3),
        Entry::file("manifest.json", "[]"),
    ]);
    let bench = Bench::new();
    bench.load(&bench.archive(tar(&ignored))).unwrap();
    assert!(bench.has(NAME, &image));
    assert_eq!((bench.blobs(), bench.partials()), (4, 0));
    assert!(!bench.path("escaped").exists() && !bench.path("cache/escaped").exists());
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let whole = Layout::new().named(NAME, &image()).archive();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let bytes = compression.apply(&whole);
        // the end of a plain archive is two blocks of zeros that carry nothing
        let end = if compression == Compression::None { bytes.len() - 1536 } else { bytes.len() };
        for cut in (1..12).map(|step| end * step / 12).chain([end - 1]) {
            let bench = Bench::new();
            let source = bench.archive(&bytes[..cut]);
            let error = bench.load(&source).expect_err("a cut archive was taken");
            assert_eq!(error.kind(), ErrorKind::Image, "{cut}: {error}");
            assert_eq!((bench.blobs(), bench.partials()), (0, 0), "{cut}");
        }
    }
}

#[test]
fn every_damaged_blob_of_a_source_is_refused() {
    let image = image();
    for blob in image.blobs() {
        for damage in [b"".to_vec(), vec![b'x'; blob.bytes.len()], [blob.bytes.as_slice(), b"x"].concat()] {
            let bench = Bench::new();
            let source = bench.directory(&Layout::new().named(NAME, &image));
            fs::write(source.join("blobs").join(blob.digest.replace(':', "/")), damage).unwrap();
            let error = bench.load(&source).expect_err("a damaged blob was taken");
            assert!(error.to_string().contains(&blob.digest[7..]), "{error}");
            assert_eq!(error.kind(), ErrorKind::Image);
            assert_eq!(bench.store.list().unwrap(), []);
        }
    }
}

#[test]
fn an_entry_that_lies_about_its_target_is_refused() {
    let image = image();
    let entry = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut entry = image.manifest.descriptor();
        edit(&mut entry);
        entry
    };
    let cases = [
        (entry(&|e| e["size"] = json!(1)), "longer"),
        (entry(&|e| e["size"] = json!(1_u64 << 40)), "not taken"),
        (entry(&|e| e["mediaType"] = json!("application/vnd.oci.image.index.v1+json")), "handed out as"),
        (entry(&|e| e["digest"] = json!(image.config.digest)), &image.config.digest[7..]),
        (entry(&|e| e["digest"] = json!(format!("sha256:{}", "0".repeat(64)))), "000"),
        (entry(&|e| e["digest"] = json!("sha256:../../../../etc/passwd")), "index.json"),
    ];
    for (entry, word) in cases {
        let bench = Bench::new();
        let layout = Layout::new().add(entry, Some(NAME), image.blobs());
        bench.refuses(&bench.archive(layout.archive()), ErrorKind::Image, word);
    }
    let bench = Bench::new();
    let name = format!("registry.example/x@sha256:{}", "0".repeat(64));
    let layout = Layout::new().named(&name, &image);
    bench.refuses(&bench.archive(layout.archive()), ErrorKind::Image, "is the name of");
}

#[test]
fn indexes_that_lie_in_each_other_come_to_an_end() {
    let image = image();
    let mut blobs: Vec<Blob> = image.blobs().into_iter().cloned().collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut inner = image.descriptor();
    for _ in 0..10 {
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [inner] });
        let blob = Blob::new(media_type, index.to_string().into_bytes());
        inner = blob.descriptor();
        blobs.push(blob);
    }
    let bench = Bench::new();
    let layout = Layout::new().add(inner, Some(NAME), blobs.iter().collect());
    bench.refuses(&bench.archive(layout.archive()), ErrorKind::Image, "too deep");
}

#[test]
fn what_a_killed_load_left_is_removed_by_the_next() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("cache/.partial/load-0/blobs/sha256")).unwrap();
    fs::write(bench.path("cache/.partial/load-0/blobs/sha256/x"), "x").unwrap();
    bench.load(&bench.archive(Layout::new().named(NAME, &image()).archive())).unwrap();
    assert_eq!(bench.partials(), 0);
}

#[test]
fn an_interrupted_load_leaves_nothing() {
    let bench = Bench::new();
    let interrupt = Interrupt::manual().unwrap();
    interrupt.raise(2);
    let layout = Layout::new().named(NAME, &image());
    for source in [bench.archive(layout.archive()), bench.directory(&layout)] {
        let error = bench.store.load(&source, &interrupt).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted(2), "{error}");
        assert_eq!((bench.blobs(), bench.store.list().unwrap().len()), (0, 0));
    }
}

#[test]
fn several_loads_at_once_agree() {
    let bench = Bench::new();
    let (one, two) = (TestImage::with_file("1"), TestImage::with_file("2"));
    let layout = |image: &Built, name: &str| Layout::new().named(name, image).archive();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (bench, image) = (&bench, if number % 2 == 0 { &one } else { &two });
            let name = format!("registry.example/x:{number}");
            let source = bench.path(&format!("archive{number}"));
            fs::write(&source, layout(image, &name)).unwrap();
            scope.spawn(move || assert_eq!(bench.load(&source).unwrap(), [name]));
        }
    });
    assert_eq!(bench.store.list().unwrap().len(), 6);
    assert_eq!((bench.blobs(), bench.partials()), (6, 0));
}
