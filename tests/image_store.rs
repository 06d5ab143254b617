//! The cache as a directory: made, recognised, refused, searched, damaged.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use airshipctl::error::ErrorKind;
use airshipctl::image::{Image, Platform, Reference, Store};
use airshipctl::interrupt::Interrupt;
use common::image::{Built, Entry, Layout, TestImage};

const NAME: &str = "registry.example/team/builder:1";

fn no_interrupt() -> Interrupt {
    Interrupt::manual().unwrap()
}

/// A cache that holds one image of two layers under [`NAME`].
fn cache_with(image: &Built) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    Layout::new().named(NAME, image).write(&source);
    let store = Store::open(&dir.path().join("cache")).unwrap();
    store.load(&source, &no_interrupt()).unwrap();
    (dir, store)
}

fn two_layers() -> Built {
    TestImage::new().layer(&[Entry::file("a", "lower")]).layer(&[Entry::file("a", "upper")]).build()
}

fn find(store: &Store, name: &str) -> airshipctl::error::Result<Option<Image>> {
    store.find(&Reference::parse(name).unwrap(), &Platform::host())
}

fn blob(store: &Store, digest: &str) -> PathBuf {
    store.path().join("blobs").join(digest.replace(':', "/"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_cache_is_a_layout_that_only_its_owner_enters() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/cache");
    let store = Store::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&dir.path().join("a")), 0o700);
    let header: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("oci-layout")).unwrap()).unwrap();
    assert_eq!(header["imageLayoutVersion"], "1.0.0");
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(Store::open(&path).unwrap().path(), fs::canonicalize(&path).unwrap());
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(Store::open(&link).unwrap().path(), store.path());
}

#[test]
fn looking_for_a_cache_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    assert!(Store::open_existing(&path).unwrap().is_none());
    assert!(!path.exists());
    fs::create_dir(&path).unwrap();
    assert!(Store::open_existing(&path).unwrap().is_none());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    Store::open(&path).unwrap();
    assert!(Store::open_existing(&path).unwrap().is_some());
}

#[test]
fn a_directory_that_is_something_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("passwd"), "x").unwrap();
    for error in [Store::open(dir.path()).unwrap_err(), Store::open_existing(dir.path()).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("passwd") && error.hint_text().is_some(), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let file = dir.path().join("passwd");
    assert_eq!(Store::open(&file).unwrap_err().kind(), ErrorKind::Image);
}

#[test]
fn what_an_interrupted_first_use_leaves_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    for name in [".partial", "blobs", ".index.lock", ".oci-layout.tmp", "README.md", "rootfs"] {
        match name.starts_with('.') && name != ".partial" || name == "README.md" {
            true => fs::write(dir.path().join(name), "half").unwrap(),
            false => fs::create_dir(dir.path().join(name)).unwrap(),
        }
    }
    Store::open(dir.path()).unwrap();
    fs::write(dir.path().join(".index.json.tmp"), "half").unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().list().unwrap(), []);
}

#[test]
fn layouts_of_another_version_or_none_are_refused() {
    for header in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#, "[", r#"{"imageLayoutVersion":1}"#] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("oci-layout"), header).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image, "{header}");
        assert!(error.to_string().contains("oci-layout"), "{error}");
    }
}

#[test]
fn a_damaged_index_is_an_error_that_names_it() {
    let (_dir, store) = cache_with(&two_layers());
    let huge = vec![b' '; 9 << 20];
    for damage in
        [&b""[..], b"{", b"[]", br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:.."}]}"#, &huge]
    {
        fs::write(store.path().join("index.json"), damage).unwrap();
        let error = find(&store, NAME).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.to_string().contains("index.json"), "{error}");
        assert!(store.list().is_err());
    }
}

#[test]
fn an_image_is_found_by_name_and_by_digest() {
    let image = two_layers();
    let (_dir, store) = cache_with(&image);
    let found = find(&store, NAME).unwrap().unwrap();
    assert_eq!(found.manifest_digest.as_ref(), image.manifest.digest);
    assert_eq!(found.manifest_size, image.manifest.bytes.len() as u64);
    assert_eq!(found.layers.len(), 2);
    assert_ne!(found.chain_id(), found.layers[1].diff_id);
    assert_eq!(store.image(&found.manifest_digest).unwrap(), found);
    let by_digest = format!("registry.example/team/builder@{}", image.manifest.digest);
    assert_eq!(find(&store, &by_digest).unwrap(), Some(found));
    assert_eq!(find(&store, "registry.example/team/builder:2").unwrap(), None);
    assert_eq!(find(&store, &format!("x@{}", image.config.digest)).unwrap(), None);
}

#[test]
fn every_blob_is_missed_or_found_damaged() {
    let image = two_layers();
    for blob_of in image.blobs() {
        let (_dir, store) = cache_with(&image);
        let found = find(&store, NAME).unwrap().unwrap();
        let path = blob(&store, &blob_of.digest);
        let is_layer = image.layers.contains(blob_of);
        let mut flipped = blob_of.bytes.clone();
        flipped[3] ^= 1;
        let longer = [blob_of.bytes.as_slice(), b"x"].concat();
        for (damage, same_size) in
            [(flipped, true), (blob_of.bytes[1..].to_vec(), false), (longer, false), (vec![], false)]
        {
            fs::write(&path, damage).unwrap();
            match is_layer {
                // the bytes of a layer are held against its digest by whoever applies it
                true => assert_eq!(store.missing_layers(&found).is_empty(), same_size),
                false => {
                    let error = find(&store, NAME).unwrap_err();
                    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                    assert_eq!(error.kind(), ErrorKind::Image);
                    assert!(store.image(&found.manifest_digest).is_err());
                    assert_eq!(store.list().unwrap()[0].size, None);
                }
            }
        }
        fs::remove_file(&path).unwrap();
        match is_layer {
            true => assert_eq!(store.missing_layers(&found).len(), 1),
            false => assert!(find(&store, NAME).is_err()),
        }
    }
}

#[test]
fn links_and_special_files_in_place_of_blobs_are_not_followed() {
    let image = two_layers();
    let (dir, store) = cache_with(&image);
    let found = find(&store, NAME).unwrap().unwrap();
    let outside = dir.path().join("outside");
    for digest in [&image.manifest.digest, &image.config.digest, &image.layers[0].digest] {
        let path = blob(&store, digest);
        fs::rename(&path, &outside).unwrap();
        symlink(&outside, &path).unwrap();
        let linked =
            store.image(&found.manifest_digest).is_err() || store.open_blob(&found.layers[0]).is_err();
        assert!(linked, "{digest}");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let fifo = store.image(&found.manifest_digest).is_err() || store.open_blob(&found.layers[0]).is_err();
        assert!(fifo, "{digest}");
        fs::remove_file(&path).unwrap();
        fs::rename(&outside, &path).unwrap();
    }
    assert_eq!(store.missing_layers(&found), []);
}

#[test]
fn the_index_can_be_read_by_other_tools() {
    let image = two_layers();
    let (_dir, store) = cache_with(&image);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(store.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["schemaVersion"], 2);
    let entry = &index["manifests"][0];
    assert_eq!(entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(entry["digest"], image.manifest.digest);
    assert_eq!(entry["size"], image.manifest.bytes.len());
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], NAME);
    assert_eq!(entry["platform"]["os"], "linux");
    assert_eq!(fs::read(blob(&store, &image.manifest.digest)).unwrap(), image.manifest.bytes);
}

#[test]
fn a_cache_that_cannot_be_written_still_serves() {
    let image = two_layers();
    let (_dir, store) = cache_with(&image);
    fs::remove_file(store.path().join("lock")).unwrap();
    let set = |bits| fs::set_permissions(store.path(), fs::Permissions::from_mode(bits)).unwrap();
    set(0o500);
    let reopened = Store::open(store.path()).unwrap();
    let _lock = reopened.lock_shared().unwrap();
    let found = find(&reopened, NAME).unwrap().unwrap();
    assert_eq!(reopened.missing_layers(&found), []);
    reopened.open_blob(&found.layers[0]).unwrap();
    set(0o700);
}

#[test]
fn uses_of_the_cache_do_not_exclude_each_other() {
    let (_dir, store) = cache_with(&two_layers());
    let (_one, _two) = (store.lock_shared().unwrap(), store.lock_shared().unwrap());
    let file = fs::File::open(store.path().join("lock")).unwrap();
    assert!(file.try_lock().is_err(), "something could be removed while the cache is in use");
}
