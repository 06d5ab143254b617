//! What becomes visible when: digests, crashes, company.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use airshipctl::error::{Doing, ErrorKind};
use airshipctl::image::layer::Layer;
use airshipctl::image::rootfs::{Unpack, find, sweep, unpack, verified};
use airshipctl::interrupt::Interrupt;
use oci_spec::image::MediaType;

use crate::support::*;

#[test]
fn an_unpacked_rootfs_is_found_and_not_unpacked_again() {
    let applied = apply([Tar::new().file("a", "1"), Tar::new().file(".wh.a", "").file("b", "22")]);
    let site = &applied.site;
    let record = applied.rootfs.record();
    assert_eq!((record.entries, record.bytes, record.diff_ids.len()), (3, 3, 2));
    let layers =
        [site.add(Tar::new().file("a", "1")), site.add(Tar::new().file(".wh.a", "").file("b", "22"))];
    let found = find(&site.cache(), &site.mapping(), &layers).unwrap().unwrap();
    assert_eq!(found, applied.rootfs);
    fs::remove_dir_all(site.home.path().join("blobs")).unwrap();
    assert_eq!(site.unpack(&layers).unwrap(), found);
    assert_eq!(find(&site.cache(), &"u77-single".parse().unwrap(), &layers).unwrap(), None);
    assert_eq!(find(&site.cache(), &site.mapping(), &layers[..1]).unwrap(), None);
}

#[test]
fn nothing_is_found_where_there_is_no_cache_and_no_image_without_layers() {
    let site = Site::new();
    assert_eq!(find(&site.cache(), &site.mapping(), &[site.add(Tar::new())]).unwrap(), None);
    assert!(find(&site.cache(), &site.mapping(), &[]).is_err());
    assert_eq!(sweep(&site.cache(), &site.mapping()).unwrap(), 0);
}

fn refused_layer(change: impl FnOnce(&Site, &mut Layer), part: &str) {
    let site = Site::new();
    let mut layer = site.add(Tar::new().file("a", &"content ".repeat(1000)));
    let good = site.add(Tar::new().file("b", "1"));
    change(&site, &mut layer);
    let error = site.unpack(&[good, layer.clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Image);
    assert!(error.to_string().contains(part) && error.to_string().contains("layer 2 of 2"), "{error}");
    site.check_empty();
}

fn change_blob(site: &Site, layer: &Layer, change: impl FnOnce(&mut Vec<u8>)) {
    let path = site.blob(&layer.digest);
    let mut blob = fs::read(&path).unwrap();
    change(&mut blob);
    fs::write(path, blob).unwrap();
}

#[test]
fn a_changed_blob_is_refused_even_where_its_content_is_right() {
    // the time in gzip's header
    refused_layer(|site, layer| change_blob(site, layer, |blob| blob[4] ^= 1), "expected sha256:");
}

#[test]
fn a_blob_damaged_anywhere_is_refused_for_its_digest() {
    for at in [0, 3, 12, 40] {
        refused_layer(|site, layer| change_blob(site, layer, |blob| blob[at] ^= 0x55), "");
    }
    refused_layer(
        |site, layer| change_blob(site, layer, |blob| *blob.last_mut().unwrap() ^= 1),
        "digest is sha256:",
    );
}

#[test]
fn a_blob_of_another_size_is_refused() {
    refused_layer(|site, layer| change_blob(site, layer, |blob| blob.truncate(50)), "its descriptor says");
    refused_layer(|site, layer| change_blob(site, layer, |blob| blob.push(0)), "its descriptor says");
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    refused_layer(|_, layer| layer.diff_id = digest_of(b"else"), "expected sha256:");
}

#[test]
fn a_compressed_stream_that_is_cut_or_followed_by_something_is_refused() {
    let tar = Tar::new().file("a", &"content ".repeat(1000)).end();
    let cut = |blob: &[u8]| blob[..blob.len() - 9].to_vec();
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    let (gz, zst) = (MediaType::ImageLayerGzip, MediaType::ImageLayerZstd);
    for (blob, media_type) in [
        (cut(&gzip(&tar)), gz.clone()),
        ([gzip(&tar), b"garbage".to_vec()].concat(), gz.clone()),
        (cut(&zstd), zst.clone()),
        ([zstd.clone(), b"garbage".to_vec()].concat(), zst.clone()),
        (tar.clone(), gz),
        (zstd, MediaType::ImageLayer),
        (b"\x28\xb5\x2f\xfd\x00\xf8garbage".to_vec(), zst),
    ] {
        let site = Site::new();
        let layer = site.add_blob(&blob, &tar, media_type);
        site.unpack(&[layer]).unwrap_err();
        site.check_empty();
    }
}

#[test]
fn a_blob_that_cannot_be_opened_leaves_nothing() {
    refused_layer(|site, layer| fs::remove_file(site.blob(&layer.digest)).unwrap(), "");
}

#[test]
fn an_interrupt_ends_the_unpack_and_leaves_nothing() {
    let site = Site::new();
    let layers = [site.add(Tar::new().file("a", "1")), site.add(Tar::new().file("b", "1"))];
    let (cache, mapping) = (site.cache(), site.mapping());
    let interrupt = Interrupt::manual().unwrap();
    let opened = Cell::new(0);
    let open = |_: usize, layer: &Layer| {
        opened.set(opened.get() + 1);
        if opened.get() == 2 {
            interrupt.raise(15);
        }
        site.open(layer)
    };
    let job = Unpack { cache: &cache, mapping: &mapping, ownership: ownership(), layers: &layers };
    let error = unpack(&job, &open, Some(&interrupt)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted(15));
    site.check_empty();
}

#[test]
fn of_many_at_once_one_unpacks_and_all_have_it() {
    let site = Site::new();
    let layers = [site.add(Tar::new().file("a", "1")), site.add(Tar::new().file("b", "1"))];
    let opened = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (cache, mapping) = (site.cache(), site.mapping());
                let job =
                    Unpack { cache: &cache, mapping: &mapping, ownership: ownership(), layers: &layers };
                let open = |_: usize, layer: &Layer| {
                    opened.fetch_add(1, Ordering::SeqCst);
                    site.open(layer)
                };
                assert_eq!(list(unpack(&job, &open, None).unwrap().path()), "a = 1\nb = 1");
            });
        }
    });
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

fn damaged(change: impl FnOnce(&Applied)) {
    let applied = apply([Tar::new().file("a", "1")]);
    let site = &applied.site;
    let layers = [site.add(Tar::new().file("a", "1"))];
    change(&applied);
    assert_eq!(find(&site.cache(), &site.mapping(), &layers).unwrap(), None);
    assert_eq!(list(site.unpack(&layers).unwrap().path()), "a = 1");
    assert_eq!(fs::read_dir(site.cache().join("rootfs")).unwrap().count(), 1);
}

#[test]
fn what_has_no_valid_record_is_not_a_rootfs_and_is_replaced() {
    let record = |applied: &Applied| applied.path("../record.json");
    damaged(|applied| fs::remove_file(record(applied)).unwrap());
    damaged(|applied| fs::write(record(applied), "{").unwrap());
    damaged(|applied| {
        let text = fs::read_to_string(record(applied)).unwrap();
        fs::write(record(applied), text.replace("\"version\": 1", "\"version\": 99")).unwrap();
    });
    damaged(|applied| {
        let text = fs::read_to_string(record(applied)).unwrap();
        let chain = applied.rootfs.record().chain_id.digest();
        fs::write(record(applied), text.replace(chain, &"0".repeat(64))).unwrap();
    });
    damaged(|applied| fs::remove_dir_all(applied.rootfs.path()).unwrap());
    damaged(|applied| {
        let around = applied.rootfs.path().parent().unwrap();
        fs::remove_dir_all(around).unwrap();
        std::os::unix::fs::symlink("/", around).unwrap();
    });
}

#[test]
fn a_cache_that_cannot_be_written_says_so_with_a_way_out() {
    let site = Site::new();
    let layers = [site.add(Tar::new().file("a", "1"))];
    fs::create_dir(site.cache()).unwrap();
    // roots write where modes forbid it, but not to what is mounted read-only
    let error = match caller() {
        Caller::Plain => {
            fs::set_permissions(site.cache(), fs::Permissions::from_mode(0o500)).unwrap();
            site.unpack(&layers).unwrap_err()
        }
        _ => with_tmpfs(&site.cache(), nix::mount::MsFlags::MS_RDONLY, "", || site.unpack(&layers))
            .unwrap_err(),
    };
    assert!(
        error.to_string().contains("cache") && error.hint_text().unwrap().contains("--rootfs-cache"),
        "{error}"
    );
}

/// Calls `act` while a tmpfs is mounted on `dir`.
fn with_tmpfs<T>(
    dir: &std::path::Path,
    flags: nix::mount::MsFlags,
    options: &str,
    act: impl FnOnce() -> T,
) -> T {
    nix::mount::mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some(options)).unwrap();
    let done = act();
    nix::mount::umount(dir).unwrap();
    done
}

#[test]
fn a_full_cache_says_so_with_a_way_out_and_leaves_nothing() {
    if caller() == Caller::Plain {
        return again_as_single("cache::a_full_cache_says_so_with_a_way_out_and_leaves_nothing");
    }
    let mut many = Tar::new().file("a", &"x".repeat(1 << 20));
    (0..100).for_each(|number| many = many.clone().file(&format!("d/{number}"), ""));
    for (options, says) in [("size=256k", "cache is full"), ("nr_inodes=60", "no free inodes")] {
        let site = Site::new();
        let cache = site.cache();
        fs::create_dir(&cache).unwrap();
        let (unpacked, left) = with_tmpfs(&cache, nix::mount::MsFlags::empty(), options, || {
            (site.unpack(&[site.add(many.clone())]), fs::read_dir(cache.join("rootfs")).unwrap().count())
        });
        let error = unpacked.unwrap_err();
        assert_eq!((error.kind(), left), (ErrorKind::Image, 0));
        let text = error.to_string();
        assert!(text.contains("cache is full") && text.contains(says), "{text}");
        assert!(text.contains(cache.to_str().unwrap()) && error.hint_text().is_some(), "{text}");
    }
}

const STUCK: &str = "AIRSHIPCTL_TEST_STUCK_IN";

/// The other process of the next test: applies one layer and then waits for a second one for ever.
#[test]
fn a_process_that_is_stuck_in_the_second_layer() {
    let Some(home) = std::env::var_os(STUCK) else { return };
    let home = std::path::PathBuf::from(home);
    let layers: Vec<Layer> = serde_json::from_slice(&fs::read(home.join("layers")).unwrap()).unwrap();
    let site = Site::new();
    let (cache, mapping) = (home.join("cache"), site.mapping());
    let job = Unpack { cache: &cache, mapping: &mapping, ownership: ownership(), layers: &layers };
    let open = |_: usize, layer: &Layer| {
        let mut options = File::options();
        let file = options.read(true).write(*layer == layers[1]);
        let file = file.open(home.join("blobs").join(layer.digest.digest()));
        verified(file.doing(ErrorKind::Image, || "opening blob".into())?, layer)
    };
    let _ = unpack(&job, &open, None);
}

#[test]
fn a_killed_unpack_is_never_found_and_is_swept_once_nobody_holds_it() {
    let site = Site::new();
    let layers = [site.add(Tar::new().file("d/a", "1")), site.add(Tar::new().file("b", "1"))];
    fs::write(site.home.path().join("layers"), serde_json::to_vec(&layers).unwrap()).unwrap();
    let second = site.blob(&layers[1].digest);
    let blob = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    nix::unistd::mkfifo(&second, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::a_process_that_is_stuck_in_the_second_layer"])
        .env(STUCK, site.home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let hidden = || fs::read_dir(site.cache().join("rootfs")).ok()?.next()?.ok().map(|entry| entry.path());
    let start = Instant::now();
    while !hidden().is_some_and(|path| path.join("rootfs/d/a").exists()) {
        assert!(start.elapsed() < Duration::from_secs(60), "the other process does nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(hidden().unwrap().file_name().unwrap().to_str().unwrap().starts_with(".tmp-"));
    assert_eq!(find(&site.cache(), &site.mapping(), &layers).unwrap(), None);
    assert_eq!(sweep(&site.cache(), &site.mapping()).unwrap(), 0, "it is being worked on");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(find(&site.cache(), &site.mapping(), &layers).unwrap(), None);
    assert_eq!(sweep(&site.cache(), &"u77-single".parse().unwrap()).unwrap(), 0, "of another mapping");
    assert_eq!(sweep(&site.cache(), &site.mapping()).unwrap(), 1);
    site.check_empty();
    fs::remove_file(&second).unwrap();
    fs::write(&second, blob).unwrap();
    assert_eq!(list(site.unpack(&layers).unwrap().path()), "b = 1\nd/\nd/a = 1");
}

#[test]
fn what_a_killed_unpack_left_is_cleared_by_the_next_one() {
    let site = Site::new();
    let layers = [site.add(Tar::new().file("a", "1"))];
    let diff_id = layers[0].diff_id.digest();
    let left = site.cache().join(format!("rootfs/.tmp-{}-sha256-{diff_id}", site.mapping()));
    fs::create_dir_all(left.join("rootfs/closed/deep")).unwrap();
    fs::write(left.join("rootfs/closed/deep/stale"), "x").unwrap();
    fs::write(left.join("record.json"), "{}").unwrap();
    std::os::unix::fs::symlink(site.victim(), left.join("rootfs/out")).unwrap();
    fs::set_permissions(left.join("rootfs/closed"), fs::Permissions::from_mode(0o0)).unwrap();
    assert_eq!(list(site.unpack(&layers).unwrap().path()), "a = 1");
}

#[test]
fn what_the_cache_directory_hands_down_is_not_in_the_rootfs() {
    let site = Site::new();
    fs::create_dir_all(site.cache().join("rootfs")).unwrap();
    fs::set_permissions(site.cache().join("rootfs"), fs::Permissions::from_mode(0o2775)).unwrap();
    let rootfs = site.unpack(&[site.add(Tar::new().file("d/a", "1"))]).unwrap();
    let mode = |path: &str| rootfs.path().join(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("."), mode("d"), mode("d/a")], [0o755, 0o755, 0o644]);
}
