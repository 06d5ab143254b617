//! `airshipctl iso …`, and what `bootstrap isogen` makes of an image that is no good.

mod common;

#[path = "iso_commands/checked.rs"]
mod checked;
#[path = "iso_commands/device.rs"]
mod device;
#[path = "iso_commands/hostile.rs"]
mod hostile;
#[path = "iso_commands/made.rs"]
mod made;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::site::{program, stderr, stdout};
use made::{Medium, PASSWORD, medium};
use serde_json::{Value, json};

/// `airshipctl iso` in a directory.
fn iso(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("iso").args(arguments).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

/// What it prints if it ends with this code.
#[track_caller]
fn says(directory: &Path, arguments: &[&str], code: i32) -> String {
    let output = iso(directory, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

#[track_caller]
fn document(directory: &Path, arguments: &[&str], code: i32) -> Value {
    let text = says(directory, &[arguments, &["--output", "json"]].concat(), code);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn codes(document: &Value) -> Vec<&str> {
    document["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect()
}

#[test]
fn an_image_is_shown_to_people() {
    let medium = medium();
    let text = says(medium.path(), &["inspect", "site.iso"], 0);
    println!("{text}");
    let head = "file        site.iso\nsize        ";
    assert!(text.starts_with(head), "{text}");
    for part in [
        "\nvolume      \"AIRSHIP_EPH\"\nnames       Rock Ridge, Joliet level 3 \"AIRSHIP_EPH\"\n",
        "\ncreated     2025-06-15T15:06:40",
        "\nboot\n  BIOS  CD ",
        "  command line  boot=live console=ttyS0,115200 password=(hidden) quiet\n",
        "\ncloud-init: NoCloud in /nocloud\n",
        "  user-data       cloud-config",
        "  network-config  network-config version 2",
        "\nchecksum lists\n  /.airship/SHA256SUMS  sha256  2 files\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!text.contains("\nfindings\n"), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
}

#[test]
fn an_image_is_shown_to_programs() {
    let medium = medium();
    let it = document(medium.path(), &["inspect", "site.iso"], 0);
    let size = fs::metadata(medium.path().join("site.iso")).unwrap().len();
    let keys: Vec<&str> = it.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        "version space sums volume boot partitions menu cloudInit checksumLists findings moreFindings";
    assert_eq!(keys.join(" "), expected);
    assert_eq!((&it["version"], &it["space"]["size"]), (&json!(1), &json!(size)));
    assert_eq!(it["sums"]["bytes"], size);
    let sum = |program: &str| {
        let output = Command::new(program).arg(medium.path().join("site.iso")).output().unwrap();
        stdout(&output).split(' ').next().unwrap().to_owned()
    };
    assert_eq!(
        (&it["sums"]["md5"], &it["sums"]["sha256"]),
        (&json!(sum("md5sum")), &json!(sum("sha256sum")))
    );
    assert_eq!(it["volume"]["label"], "AIRSHIP_EPH");
    assert_eq!(it["boot"][0]["firmware"], "BIOS");
    assert_eq!(it["boot"][0]["medium"], "CD");
    assert_eq!(it["menu"][0]["kernel"], "/live/vmlinuz");
    assert_eq!(it["menu"][0]["initrd"], json!(["/live/initrd.img"]));
    assert_eq!(it["menu"][0]["default"], true);
    assert_eq!(it["cloudInit"][0]["source"], "NoCloud");
    let user_data = &it["cloudInit"][0]["files"][0];
    assert_eq!((&user_data["role"], &user_data["kind"]), (&json!("user-data"), &json!("cloud-config")));
    assert_eq!(user_data["sha256"].as_str().unwrap().len(), 8);
    assert!(user_data.get("contents").is_none());
    assert_eq!(it["findings"], json!([]));
}

#[test]
fn secrets_are_shown_on_demand_alone() {
    let medium = medium();
    for arguments in [&["inspect", "site.iso"][..], &["verify", "site.iso"]] {
        for form in ["text", "json"] {
            let text = says(medium.path(), &[arguments, &["--output", form]].concat(), 0);
            assert!(!text.contains(PASSWORD), "{text}");
        }
    }
    let text = says(medium.path(), &["inspect", "--reveal", "site.iso"], 0);
    assert_eq!(text.matches(PASSWORD).count(), 2, "{text}");
    let it = document(medium.path(), &["inspect", "--reveal", "site.iso"], 0);
    assert_eq!(it["cloudInit"][0]["files"][0]["contents"], made::user_data());
    assert!(it["menu"][0]["commandLine"].as_str().unwrap().contains(PASSWORD));
}

#[test]
fn a_good_image_is_verified_by_every_checksum_there_is() {
    let medium = medium();
    let size = fs::metadata(medium.path().join("site.iso")).unwrap().len();
    let text = says(medium.path(), &["verify", "site.iso"], 0);
    assert_eq!(
        text,
        format!("site.iso: good, {}, compared with 2 files of /.airship/SHA256SUMS\n", made::size(size))
    );
    let sums = document(medium.path(), &["inspect", "site.iso"], 0)["sums"].clone();
    let (md5, sha256) = (sums["md5"].as_str().unwrap(), sums["sha256"].as_str().unwrap());
    let text =
        says(medium.path(), &["verify", "site.iso", "--md5", md5, "--sha256", &sha256.to_uppercase()], 0);
    assert!(
        text.ends_with(&format!("2 files of /.airship/SHA256SUMS, the checksums of its {size} bytes\n")),
        "{text}"
    );
    let metadata = format!("bootImagePath: /x/site.iso\nmd5sum: {md5}\nsha256sum: {sha256}\n");
    fs::write(medium.path().join("good.yaml"), &metadata).unwrap();
    fs::write(medium.path().join("bad.yaml"), metadata.replace(sha256, &"0".repeat(64))).unwrap();
    says(medium.path(), &["verify", "site.iso", "--metadata", "good.yaml"], 0);
    let text = says(medium.path(), &["verify", "site.iso", "--metadata", "bad.yaml"], 7);
    let expected = format!(
        "error: sha256 of the image is {sha256}, it should be {} [image-checksum-differs]\n",
        "0".repeat(64)
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn checksums_that_are_none_are_refused() {
    let medium = medium();
    for (arguments, part) in [
        (["--md5", "12"], "\"12\" is no md5 checksum of 32 hexadecimal digits"),
        (["--sha256", "x"], "64 hexadecimal digits"),
        (["--metadata", "missing.yaml"], "reading checksums from missing.yaml: opening it: No such file"),
        (["--metadata", "site.iso"], "reading checksums from site.iso: "),
    ] {
        let output = iso(medium.path(), &[&["verify", "site.iso"][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}

#[test]
fn files_that_are_not_as_their_checksums_say_are_named() {
    let mut medium = medium();
    let sum = |text: &[u8]| made::sha256(text);
    let list = format!("{}  ./live/vmlinuz\n{}  ./gone\n", sum(b"other"), sum(b""));
    medium.add(".airship/SHA256SUMS", list.as_bytes());
    medium.add("md5sum.txt", b"no checksum\n");
    medium.make("site.iso", &[]);
    let it = document(medium.path(), &["verify", "site.iso"], 7);
    assert_eq!(codes(&it), ["checksum-list-syntax", "checksum-differs", "checksum-file-missing"]);
    assert_eq!(it["good"], false);
    let text = says(medium.path(), &["verify", "site.iso"], 7);
    assert!(text.contains("line 1 of /md5sum.txt is no md5 checksum with the name of a file"), "{text}");
    assert!(text.contains("\"./gone\" of /.airship/SHA256SUMS is not on the volume"), "{text}");
    assert!(text.contains(&format!("/.airship/SHA256SUMS says {}", sum(b"other"))), "{text}");
    // looking is not judging
    says(medium.path(), &["inspect", "site.iso"], 0);
}

#[test]
fn what_firmware_cannot_start_is_told() {
    let medium = Medium::new(&[("nocloud/user-data", b"#cloud-config\n")]);
    medium.make("site.iso", &[]);
    let it = document(medium.path(), &["verify", "site.iso"], 7);
    assert_eq!(codes(&it), ["no-boot-entry", "seed-incomplete"]);
}

#[test]
fn of_a_disk_image_is_judged_what_can_be() {
    let directory = tempfile::tempdir().unwrap();
    let mut disk = vec![0; 64 * 512];
    disk[450] = 0x83;
    disk[454..462].copy_from_slice(&[8, 0, 0, 0, 56, 0, 0, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(directory.path().join("disk.img"), disk).unwrap();
    let it = document(directory.path(), &["inspect", "disk.img"], 0);
    assert!(it["volume"].is_null() && it["space"]["volumeLength"].is_null(), "{it}");
    assert_eq!(
        (&it["partitions"][0]["scheme"], &it["partitions"][0]["type"]),
        (&json!("MBR"), &json!("0x83"))
    );
    let it = document(directory.path(), &["verify", "disk.img"], 0);
    assert!(codes(&it).contains(&"disk-without-boot-entry"), "{it}");
}

#[test]
fn equal_images_are_the_same_and_others_are_told_apart_by_name() {
    let mut medium = medium();
    fs::copy(medium.path().join("site.iso"), medium.path().join("copy.iso")).unwrap();
    assert_eq!(says(medium.path(), &["diff", "site.iso", "copy.iso"], 0), "the same\n");
    assert_eq!(document(medium.path(), &["diff", "site.iso", "copy.iso"], 0)["same"], true);
    medium.add("nocloud/user-data", made::user_data().replace(PASSWORD, "an0ther-s3cret").as_bytes());
    medium.add("boot/grub/grub.cfg", made::grub("an0ther-s3cret").as_bytes());
    medium.add("live/new", b"new");
    medium.make("other.iso", &["-V", "OTHER"]);
    let text = says(medium.path(), &["diff", "site.iso", "other.iso"], 7);
    println!("{text}");
    for part in [
        "- site.iso\n+ other.iso\n",
        "~ volume: label \"AIRSHIP_EPH\" -> \"OTHER\"\n",
        "~ cloud-init NoCloud /nocloud/user-data: sha256 ",
        "~ file /boot/grub/grub.cfg: contents\n",
        "+ file /live/new\n",
        ": commandLine \"(differs, not shown)\"\n",
        "~ image: first differing byte ",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    let reverse = says(medium.path(), &["diff", "other.iso", "site.iso", "--output", "json"], 7);
    for secret in [PASSWORD, "an0ther-s3cret"] {
        assert!(!text.contains(secret) && !reverse.contains(secret), "{text}{reverse}");
    }
    assert!(reverse.contains("\"area\": \"cloud-init\""), "{reverse}");
}

#[test]
fn what_cannot_be_read_ends_with_2_and_what_is_no_image_with_7() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("text"), "hello").unwrap();
    fs::write(directory.path().join("empty"), "").unwrap();
    nix::unistd::mkfifo(&directory.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for command in ["inspect", "verify"] {
        for (file, code, part) in [
            ("missing", 2, "No such file"),
            (".", 2, "it is a directory"),
            ("pipe", 2, "neither a file nor a block device"),
            ("-", 2, "name a file"),
            ("text", 7, "it is neither an ISO 9660 nor a disk image"),
            ("empty", 7, "it is neither an ISO 9660 nor a disk image"),
        ] {
            let output = iso(directory.path(), &[command, file]);
            assert_eq!(output.status.code(), Some(code), "{file}: {}", stderr(&output));
            assert!(stderr(&output).contains(part), "{file}: {}", stderr(&output));
            assert!(output.stdout.is_empty());
        }
    }
    assert_eq!(iso(directory.path(), &["diff", "text", "missing"]).status.code(), Some(7));
    assert_eq!(iso(directory.path(), &["diff", "missing", "text"]).status.code(), Some(2));
}
