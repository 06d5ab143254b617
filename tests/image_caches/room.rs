//! Room on every file system that is written to, whose caches they are, and what a killed save leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::common::faulty::FaultyRegistry;
use super::common::image::{Built, Compression, Entry, Layout, TestImage, noise};
use super::common::site::{IMAGE, Site, stderr};
use super::file_systems::apart;
use super::{Bench, built};

const MIB: usize = 1 << 20;

/// An image that cannot be compressed.
fn large(mib: usize) -> Built {
    TestImage::new().layer_as(Compression::Gzip, &[Entry::file("noise", noise(mib * MIB))]).build()
}

#[test]
fn a_rootfs_that_cannot_fit_is_refused_before_the_first_layer_is_fetched() {
    let registry = FaultyRegistry::start();
    let name = format!("{}/some/builder:1", registry.host());
    let image = large(8);
    registry.add("1", &image);
    let layer = image.blobs().into_iter().max_by_key(|blob| blob.bytes.len()).unwrap().digest.clone();
    // room for the blobs, and none for the same again beside them
    for mount in [
        "mount -t tmpfs -o size=12m,mode=700 tmpfs $1/cache",
        "mkdir $1/cache; mount -t tmpfs -o size=4m,mode=700 tmpfs $1/state; mount -t tmpfs -o noexec,size=12m,mode=700 tmpfs $1/cache",
    ] {
        let site = Site::new();
        site.configure(&name, "");
        fs::create_dir_all(site.path("state")).unwrap();
        let mount = mount.replace("mkdir $1/cache; ", "");
        fs::create_dir_all(site.path("cache")).unwrap();
        let script = format!("{mount}\n$A bootstrap isogen --conf isogen.yaml site.yaml");
        let output = apart(&site, &script);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("rootfs in ") && said.contains("more are needed"), "{said}");
        assert!(said.contains("--rootfs-cache"), "{said}");
        assert_eq!(registry.count(&layer), 0, "nothing is fetched in vain");
    }
}

#[test]
fn an_image_that_will_likely_not_fit_is_tried_with_a_warning() {
    let site = Site::new();
    Layout::new().named(IMAGE, &large(4)).write(&site.path("layout"));
    fs::create_dir(site.path("cache")).unwrap();
    let script = "mount -t tmpfs -o size=12m,mode=700 tmpfs $1/cache; $A image load layout
        $A bootstrap isogen --conf isogen.yaml site.yaml";
    let said = stderr(&apart(&site, script));
    assert!(said.contains("may be needed") && said.contains("likely"), "{said}");
    assert!(!said.contains("unpacking the image into"), "it did fit: {said}");
}

#[test]
fn save_and_load_look_for_room_before_they_write() {
    let site = Site::new();
    site.load(&large(4));
    fs::create_dir(site.path("small")).unwrap();
    let mount = "mount -t tmpfs -o size=2m,mode=700 tmpfs $1/small";
    let save = format!("$A image save {IMAGE}");
    let output = apart(&site, &format!("{mount}; {save} $1/small/out.tar || (ls -A $1/small; exit 4)"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the archive in"), "{}", stderr(&output));

    let load = "$A image load out.tar --rootfs-cache $1/small || (ls $1/small/blobs; exit 4)";
    let output = apart(&site, &format!("{save} out.tar >&2; {mount}; {load}"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the archive's contents in"), "{}", stderr(&output));
}

#[test]
fn a_cache_that_everybody_may_write_is_refused_by_root_and_a_warning_for_others() {
    let bench = Bench::new();
    let cache = bench.fill("cache", IMAGE, &built());
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    let (code, says) = if is_root { (2, "every user may write it") } else { (0, "by other users") };
    for arguments in [&["ls"][..], &["pull", IMAGE, "--pull", "never"], &["verify"]] {
        bench.bad(arguments, code, says);
    }
    if is_root {
        bench.0.fail(&[], 2, &["every user may write it", "chmod go-w"]);
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o1777)).unwrap();
        bench.bad(&["ls"], 0, "by other users");
        std::os::unix::fs::lchown(cache.join("index.json"), Some(12345), None).unwrap();
        bench.bad(&["ls"], 2, "every user may write it");
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&cache, Some(12345), None).unwrap();
        bench.bad(&["ls"], 0, "owner 12345");
    }
    // of an additional one only digests are believed, and names that its user gave it
    let stick = bench.fill("stick", IMAGE, &built());
    fs::set_permissions(stick, fs::Permissions::from_mode(0o777)).unwrap();
    bench.good(&["ls", "--rootfs-cache", "none", "--additional-rootfs-cache", "stick"]);
}

fn hidden(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".tar")).collect()
}

#[test]
fn a_save_that_is_killed_leaves_nothing_and_what_older_ones_left_is_removed() {
    let bench = Bench::new();
    bench.fill("cache", IMAGE, &large(16));
    for delay in [5, 20, 40, 80] {
        let mut child = bench.0.command(&["image", "save", IMAGE, "out.tar"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = hidden(&bench.path(""));
        assert!(left.iter().all(|name| name == "out.tar"), "{left:?}");
    }
    fs::write(bench.path(".out.tar.4711.tmp"), "half").unwrap();
    fs::write(bench.path(".out.tar.x.tmp"), "not ours").unwrap();
    fs::write(bench.path("out.tar"), "older").unwrap();
    bench.good(&["save", IMAGE, "out.tar"]);
    let mut left = hidden(&bench.path(""));
    left.sort();
    assert_eq!(left, [".out.tar.x.tmp", "out.tar"]);
    assert_eq!(fs::metadata(bench.path("out.tar")).unwrap().permissions().mode() & 0o777, 0o600);
    let list = Command::new("tar").arg("-tf").arg(bench.path("out.tar")).output().unwrap();
    assert!(list.status.success() && list.stdout.starts_with(b"blobs/"));
}

#[test]
fn a_file_system_without_free_inodes_says_so() {
    let site = Site::new();
    Layout::new().named(IMAGE, &built()).write(&site.path("layout"));
    fs::create_dir(site.path("cache")).unwrap();
    let mut refused = 0;
    for inodes in (2..40).step_by(2) {
        let mount = format!("mount -t tmpfs -o nr_inodes={inodes},mode=700 tmpfs $1/cache");
        let output = apart(&site, &format!("{mount}; $A image load layout"));
        let said = stderr(&output);
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), Some(4), "{inodes}: {said}");
        assert!(said.contains("no free inodes") && said.contains("--rootfs-cache"), "{inodes}: {said}");
        refused += 1;
    }
    assert!((3..19).contains(&refused), "{refused} were refused");
}
