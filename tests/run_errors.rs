//! What can be wrong with the image's command, user and directories: each is named before an input is
//! written, in one sentence, by what the reader can see and change.

mod common;

use std::fs;

use common::image::{Compression, Entry, TestImage};
use common::left::assert_nothing_left;
use common::site::{BUILD, Site, builder, stderr};
use serde_json::{Value, json};

/// A site whose image has these entries on top of the builder, and this configuration.
fn site(config: Value, entries: &[Entry]) -> Site {
    Site::with_image(&image(config, entries).build())
}

fn image(mut config: Value, entries: &[Entry]) -> TestImage {
    if config.get("Env").is_none() {
        config["Env"] = json!(["PATH=/sbin:/bin"]);
    }
    builder(BUILD).layer(entries).config(config)
}

/// The run ends with exit code 6, has `says`, tells nothing twice, and no input was ever written.
fn refused(config: Value, entries: &[Entry], says: &[&str]) {
    fails(&site(config, entries), 6, says);
}

fn fails(site: &Site, code: i32, says: &[&str]) {
    let said = site.fail(&[], code, says);
    let error = said.lines().find(|line| line.starts_with("error: ")).expect("an error");
    println!("{error}");
    let parts: Vec<&str> = error.split(": ").collect();
    for (number, part) in parts.iter().enumerate() {
        assert!(!parts[..number].contains(part), "{part:?} is said twice: {error}");
    }
    for noise in ["failed to", "youki", "Nix(", "libcontainer", "Some("] {
        assert!(!error.contains(noise), "{noise:?} is noise: {error}");
    }
    assert_nothing_left(site, "no such marker");
}

fn command(words: &[&str]) -> Value {
    json!({ "Entrypoint": words })
}

/// A little-endian ELF file of class 64 that names a loader.
fn program(machine: u16, loader: &str) -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    (bytes[32], bytes[54], bytes[56], bytes[64], bytes[72]) = (64, 56, 1, 3, 120);
    bytes[96] = loader.len() as u8 + 1;
    bytes.extend(loader.bytes());
    bytes.push(0);
    bytes
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
/// Of the processor that the tests run on.
const OURS: u16 = if cfg!(target_arch = "x86_64") { X86_64 } else { AARCH64 };

#[test]
fn a_command_that_is_not_there_is_told_with_where_it_was_sought() {
    refused(command(&["/bin/nope"]), &[], &["\"/bin/nope\" is not in the image"]);
    refused(command(&["nope"]), &[], &["\"nope\" is in none of the directories", "/sbin:/bin"]);
    refused(
        command(&["/bin/x"]),
        &[Entry::symlink("bin/x", "/opt/gone")],
        &["symbolic link to \"/opt/gone\""],
    );
    refused(command(&["/bin/x"]), &[Entry::symlink("bin/x", "x")], &["loop of symbolic links"]);
    refused(command(&[""]), &[], &["is empty"]);
    refused(command(&["/bin/builder", "a\0b"]), &[], &["Entrypoint or Cmd", "NUL"]);
    refused(
        json!({"Cmd": ["/bin/builder"], "Env": ["A=1\u{0}2"]}),
        &[],
        &["environment variable \"A\"", "NUL"],
    );
    refused(json!({"Cmd": ["/bin/builder"], "Env": ["=1"]}), &[], &["environment variable"]);
}

#[test]
fn a_command_that_is_no_program_is_told_what_it_is() {
    refused(command(&["/etc"]), &[], &["\"/etc\" is a directory"]);
    refused(command(&["/iso"]), &[], &["\"/iso\" is not executable for the image's user 0", "0644"]);
    refused(command(&["/bin/pipe"]), &[Entry::fifo("bin/pipe").mode(0o755)], &["is a FIFO"]);
    refused(command(&["/dev/null"]), &[], &["is a device"]);
    refused(command(&["/bin/x"]), &[Entry::program("bin/x", "")], &["\"/bin/x\" is empty"]);
    refused(command(&["/bin/x"]), &[Entry::program("bin/x", "echo x")], &["neither a program", "#!/bin/sh"]);
}

#[test]
fn a_program_for_another_processor_is_named_with_both() {
    let other = if OURS == X86_64 { (AARCH64, "aarch64") } else { (X86_64, "x86-64") };
    for (machine, name) in [other, (243, "riscv64"), (21, "ppc64le"), (40, "arm")] {
        if OURS == AARCH64 && name == "arm" {
            continue; // many of them run it
        }
        let entry = Entry::program("bin/alien", program(machine, "/lib/ld.so"));
        refused(
            command(&["/bin/alien"]),
            &[entry],
            &["\"/bin/alien\" is a program for", name, "this host is"],
        );
    }
}

#[test]
fn a_program_without_its_loader_is_told_whose_it_probably_is() {
    let lacks = |loader: &str, says: &str| {
        let entry = Entry::program("bin/x", program(OURS, loader));
        refused(command(&["x"]), &[entry], &[loader, "which the image does not have", says]);
    };
    lacks("/lib/ld-musl-x86_64.so.1", "built for musl");
    lacks("/lib64/ld-linux-x86-64.so.2", "built for glibc");
    lacks("/opt/loader", "statically");
}

#[test]
fn a_damaged_or_hostile_program_neither_hangs_nor_crashes_anything() {
    let with = |at: usize, bytes: &[u8]| {
        let mut program = program(OURS, "/lib/ld.so");
        program[at..at + bytes.len()].copy_from_slice(bytes);
        program
    };
    for (bytes, says) in [
        (program(OURS, "/lib/ld.so")[..30].to_vec(), "ends within its ELF header"),
        (program(OURS, "/lib/ld.so")[..80].to_vec(), "cut off"),
        (with(72, &[0xff; 8]), "loader cannot be read"),
        (with(96, &[0xff; 7]), "loader cannot be read"),
        (with(32, &[0xff; 8]), "cut off"),
        (with(56, &[0xff, 0xff]), "no usable program headers"),
        (with(16, &[4]), "core dump"),
    ] {
        refused(command(&["/bin/x"]), &[Entry::program("bin/x", bytes)], &["\"/bin/x\"", says]);
    }
}

#[test]
fn a_script_is_followed_to_its_interpreter() {
    let refused = |text: &str, says: &[&str]| {
        refused(command(&["/bin/x"]), &[Entry::program("bin/x", text)], says);
    };
    refused("#!/bin/bash\n", &["\"/bin/x\" is a script for \"/bin/bash\", which the image does not have"]);
    refused("#!/bin/sh\r\necho\r\n", &["carriage return", "sed -i"]);
    refused("#!/bin/x\n", &["script for \"/bin/x\": its interpreters are scripts without end"]);
    refused("#!/iso\n", &["script for \"/iso\": \"/iso\" is not executable"]);
    refused("#!\n", &["names no interpreter"]);
}

#[test]
fn a_script_whose_env_will_not_find_its_program_is_warned_of() {
    let entry = Entry::program("bin/x", "#!/bin/env python9\n");
    let said = site(command(&["/bin/x"]), &[entry]).fail(&[], 6, &["exit code 127"]);
    assert!(said.contains("warning: \"/bin/x\" is a script for \"python9\""), "{said}");
}

#[test]
fn a_command_in_the_volume_is_looked_at_where_it_is() {
    let site = site(command(&["/config/build.sh"]), &[]);
    fails(&site, 6, &["\"/config/build.sh\" is not in the image"]);
    let path = site.volume().join("build.sh");
    fs::write(&path, format!("#!/bin/sh -e\n{BUILD}rm /config/build.sh\n")).unwrap();
    fails(&site, 6, &["not executable"]);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    site.succeed(&[]);
    site.assert_outputs();
}

#[test]
fn an_unknown_user_is_named_in_every_form() {
    let user = |text: &str| json!({ "Cmd": ["/bin/builder"], "User": text });
    refused(user("nobody-here"), &[], &["user \"nobody-here\"", "/etc/passwd"]);
    refused(user("build:nogroup"), &[], &["group \"nogroup\"", "it has no /etc/group"]);
    refused(user("4294967295"), &[], &["4294967295", "up to 2147483647"]);
    refused(user("99999999999"), &[], &["user \"99999999999\""]);
    refused(user("build"), &[Entry::whiteout("etc/passwd")], &["it has no /etc/passwd"]);
    let pipe = [Entry::whiteout("etc/passwd")];
    let image = image(user("build"), &pipe).layer_as(Compression::Gzip, &[Entry::fifo("etc/passwd")]);
    fails(&Site::with_image(&image.build()), 6, &["/etc/passwd", "not a regular file"]);
}

#[test]
fn a_working_directory_that_cannot_be_is_named() {
    let dir = |text: &str| json!({ "Cmd": ["/bin/builder"], "WorkingDir": text });
    refused(dir("/iso"), &[], &["working directory /iso", "Not a directory", "names a file"]);
    refused(dir("/iso/deep/down"), &[], &["working directory /iso/deep/down", "Not a directory"]);
    refused(dir("/l"), &[Entry::symlink("l", "l")], &["working directory /l", "loop"]);
    refused(dir("/l/x"), &[Entry::symlink("l", "/gone")], &["working directory /l/x"]);
}

#[test]
fn a_working_directory_that_the_user_may_not_enter_is_warned_of() {
    let config = json!({"Cmd": ["/bin/builder"], "User": "build", "WorkingDir": "/closed"});
    let site = site(config, &[Entry::dir("closed").mode(0o700)]);
    fs::set_permissions(site.volume(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let said = stderr(&site.succeed(&[]));
    assert!(
        said.contains("\"/closed\" cannot be entered by user 1000") || said.contains("single id"),
        "{said}"
    );
}

/// Docker gives such a user no capabilities either, and what only root may reach stays root's.
#[test]
fn another_user_than_root_is_refused_a_program_of_roots_own() {
    let closed = |path: &str| Entry::program(path, "#!/bin/sh\nexec /bin/builder\n").mode(0o700);
    let open = |path: &str| Entry::program(path, "#!/bin/sh\nexec /bin/builder\n");
    let dir = || Entry::dir("closed").mode(0o700);
    for (word, entries, says) in [
        ("/bin/x", vec![closed("bin/x")], &["\"/bin/x\" is not executable", "mode is 0700"][..]),
        ("x", vec![closed("bin/x")], &["\"/bin/x\" is not executable"]),
        ("/closed/x", vec![dir(), open("closed/x")], &["\"/closed/x\" cannot be reached"]),
        ("/bin/y", vec![closed("bin/x"), Entry::program("bin/y", "#!/bin/x\n")], &["script for \"/bin/x\""]),
    ] {
        let config = json!({"Entrypoint": [word], "User": "build"});
        let site = site(config.clone(), &entries);
        fs::set_permissions(site.volume(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let output = site.run(&[]);
        if stderr(&output).contains("with a single id the builder runs as 0") {
            println!("only as root: {word}: with a single id there is no other user");
            continue;
        }
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(6), "{said}");
        let user = ["the image's user 1000"];
        says.iter().chain(&user).for_each(|text| assert!(said.contains(text), "{text:?}: {said}"));
        assert_nothing_left(&site, "no such marker");
        // root itself may
        let site = self::site(json!({"Entrypoint": [word]}), &entries);
        if word != "/bin/y" {
            site.succeed(&[]);
        }
    }
}

#[test]
fn a_volume_below_a_file_of_the_image_is_refused() {
    for inside in ["/iso", "/etc/passwd/x"] {
        let site = site(json!({"Cmd": ["/bin/builder"]}), &[]);
        let text = fs::read_to_string(site.path("isogen.yaml")).unwrap();
        fs::write(site.path("isogen.yaml"), text.replace(":/config", &format!(":{inside}"))).unwrap();
        fails(&site, 2, &[inside, "is a file of the image", "container.volume"]);
    }
}

/// libcontainer's own errors have lost their causes by the time they are returned.
#[test]
fn a_mount_that_fails_is_named_with_its_place_and_the_kernels_reason() {
    for name in ["proc", "dev", "sys"] {
        let entries = [Entry::file(name, "a file")];
        refused(json!({"Cmd": ["/bin/builder"]}), &entries, &["creating the container: ", name]);
    }
}
