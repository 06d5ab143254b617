//! What a builder may leave where its outputs should be.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::common::left::assert_nothing_left;
use super::common::site::{BUILD, SECRET, Site, stderr};
use super::{CANARY, site};

/// Metadata that points to `name` in the volume.
fn point_to(name: &str) -> String {
    format!(
        "host=$(sed -n 's/^ *volume: *\\([^:]*\\):.*/\\1/p' $BUILDER_CONFIG)
         echo \"bootImagePath: $host/{name}\" > /config/output-metadata.yaml\n"
    )
}

/// The run ends with exit code 7 and says so; files of the host keep content, owner and mode, no input
/// is left, and the next builder finds a volume that it can use.
fn refused(script: &str, says: &[&str]) {
    let site = site(&format!("if test -e /config/good; then\n{BUILD}\nexit 0; fi\n{script}"));
    let about = |site: &Site| {
        let found = fs::metadata(site.path("canary")).unwrap();
        (found.uid(), found.mode(), found.nlink(), fs::read(site.path("canary")).unwrap())
    };
    let (before, volume) = (about(&site), fs::metadata(site.volume()).unwrap());
    let output = site.run(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(7), "{script}: {said}");
    says.iter().for_each(|text| assert!(said.contains(text), "{script}: {text:?} is not in {said}"));
    assert!(!said.contains(CANARY) && !said.contains(SECRET), "{said}");
    println!("{script}: {said}");
    assert_eq!(about(&site), before, "{script}");
    let after = fs::metadata(site.volume()).unwrap();
    assert_eq!((after.uid(), after.mode()), (volume.uid(), volume.mode()), "{script}");
    for name in ["user-data", "network-config", "meta-data", "builder-conf.yaml"] {
        assert!(fs::symlink_metadata(site.volume().join(name)).is_err(), "{script}: {name} is left");
    }
    assert_nothing_left(&site, "no such marker");
    // what the builder made lies there for its user to look at
    for name in site.names() {
        let path = site.volume().join(name);
        let removed = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.unwrap();
    }
    fs::write(site.volume().join("good"), "").unwrap();
    site.succeed(&[]);
}

#[test]
fn links_to_files_of_the_host_are_no_outputs() {
    refused(
        &format!("busybox ln -s $HOST/canary /config/out.iso\n{}", point_to("out.iso")),
        &["not a regular file"],
    );
    refused(
        &format!("busybox ln -s /etc/shadow /config/out.iso\n{}", point_to("out.iso")),
        &["not a regular file"],
    );
    refused(
        "busybox ln -s $HOST/canary /config/output-metadata.yaml",
        &["output-metadata.yaml", "not a regular file"],
    );
    refused(&format!("busybox ln -s / /config/d\n{}", point_to("d/etc/passwd")), &["symbolic link"]);
    refused(&format!("busybox ln -s .. /config/d\n{}", point_to("d/canary")), &["symbolic link"]);
    refused(&point_to("../canary"), &["outside the volume"]);
}

#[test]
fn fifos_devices_and_directories_are_no_outputs() {
    refused(&format!("busybox mkfifo /config/out.iso\n{}", point_to("out.iso")), &["not a regular file"]);
    refused("busybox mkfifo /config/output-metadata.yaml", &["not a regular file"]);
    refused(&format!("mkdir /config/out.iso\n{}", point_to("out.iso")), &["not a regular file"]);
    refused("mkdir /config/output-metadata.yaml", &["not a regular file"]);
    // made where the builder may, a FIFO where not
    let device = "busybox mknod /config/out.iso c 1 5 2>/dev/null && test -c /config/out.iso || { rm -f /config/out.iso; busybox mkfifo /config/out.iso; }";
    refused(&format!("{device}\n{}", point_to("out.iso")), &["not a regular file"]);
}

#[test]
fn inputs_under_another_name_are_no_outputs() {
    refused(&format!("busybox ln /config/user-data /config/out.iso\n{}", point_to("out.iso")), &["out.iso"]);
    refused(&format!("busybox mv /config/user-data /config/out.iso\n{}", point_to("out.iso")), &["out.iso"]);
    refused(&point_to("user-data"), &["another file of this run"]);
}

#[test]
fn inputs_that_a_builder_replaced_are_removed_all_the_same() {
    refused(
        "cd /config; rm user-data; busybox ln -s $HOST/canary user-data; rm meta-data; busybox mkfifo meta-data",
        &["output-metadata.yaml"],
    );
    refused(
        "cd /config; busybox mv network-config elsewhere; busybox ln -s /etc/passwd network-config; rm elsewhere",
        &["output-metadata.yaml"],
    );
}

#[test]
fn files_of_holes_are_not_read_for_hours() {
    let sum = "echo 'md5sum: 00000000000000000000000000000000' >> /config/output-metadata.yaml";
    refused(
        &format!("busybox truncate -s 7696581394432 /config/out.iso\n{}{sum}", point_to("out.iso")),
        &["no boot image is"],
    );
    refused("busybox truncate -s 7696581394432 /config/output-metadata.yaml", &["larger than 1 MiB"]);
}

#[test]
fn modes_that_lock_the_caller_out_are_put_back() {
    let site = site(&format!("{BUILD}\nbusybox chmod 0 /config"));
    let before = fs::metadata(site.volume()).unwrap().permissions().mode();
    let said = stderr(&site.succeed(&[]));
    assert!(said.contains("they are put back"), "{said}");
    assert_eq!(fs::metadata(site.volume()).unwrap().permissions().mode(), before);
    site.assert_outputs();
    assert_nothing_left(&site, "no such marker");
}

#[test]
fn outputs_without_any_mode_are_the_callers_or_refused() {
    let site = site(&format!("{BUILD}\nbusybox chmod 0 /config/out.iso /config/output-metadata.yaml"));
    let output = site.run(&[]);
    match nix::unistd::geteuid().is_root() {
        true => assert_eq!(output.status.code(), Some(0), "{}", stderr(&output)),
        false => assert!(matches!(output.status.code(), Some(0 | 7)), "{}", stderr(&output)),
    }
    assert_nothing_left(&site, "no such marker");
}

#[test]
fn a_builder_that_gives_the_volume_away_does_not_keep_it() {
    // with a single id there is nobody to give it to
    let site = site(&format!("{BUILD}\nbusybox chown 7:7 /config 2>/dev/null || true"));
    let before = fs::metadata(site.volume()).unwrap();
    site.succeed(&[]);
    let after = fs::metadata(site.volume()).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
    site.assert_outputs();
}

#[test]
fn outputs_that_belong_to_others_inside_are_the_callers_or_refused() {
    let site = site(&format!("{BUILD}\nbusybox chown 7:7 /config/out.iso 2>/dev/null || true"));
    let output = site.run(&[]);
    let said = stderr(&output);
    match output.status.code() {
        Some(0) => site.assert_outputs(),
        Some(7) => assert!(said.contains("belongs to user"), "{said}"),
        other => panic!("{other:?}: {said}"),
    }
    assert_nothing_left(&site, "no such marker");
}

#[test]
fn the_runs_own_directory_in_the_volume_may_be_destroyed() {
    let site = site(
        "busybox find /config -mindepth 1 -delete 2>/dev/null; rm -rf /config/.[a-z]* /config/*; exit 0",
    );
    let output = site.run(&[]);
    assert_ne!(output.status.code(), Some(0));
    let said = stderr(&output);
    println!("{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert!(site.names().iter().all(|name| !name.starts_with("user-data")), "{:?}", site.names());
    super::common::left::assert_nothing_runs(&site, "no such marker");
}
