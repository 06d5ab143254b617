//! Images whose configuration or file tree means harm.

use std::fs;

use serde_json::{Value, json};

use super::common::image::Entry;
use super::common::left::assert_nothing_left;
use super::common::site::{BUILD, Site, builder, stderr};
use super::{CANARY, PRELUDE};

fn site(config: Value, script: &str, entries: &[Entry]) -> Site {
    let site = Site::new();
    fs::write(site.path("canary"), CANARY).unwrap();
    let script = format!("HOST={}\n{PRELUDE}{script}", site.path("").display());
    site.load(&builder(&script).layer(entries).config(config).build());
    site
}

/// Our own executable is what init would run (CVE-2019-5736): under an image's libraries, and open for
/// writing by whoever is faster.
#[test]
fn no_command_leads_to_our_own_executable() {
    for (command, entry) in [
        ("/proc/self/exe", None),
        ("/proc/1/exe", None),
        ("/bin/x", Some(Entry::symlink("bin/x", "/proc/self/exe"))),
        ("/bin/x", Some(Entry::program("bin/x", "#!/proc/self/exe\n"))),
        ("/bin/x", Some(Entry::program("bin/x", "#!/bin/y\n"))),
        ("/proc/self/fd/5", None),
        ("/proc/self/fd/3/bin/sh", None),
        ("/proc/self/root/proc/self/exe", None),
    ] {
        let more = [Entry::symlink("bin/y", "/proc/thread-self/exe")];
        let entries: Vec<Entry> = entry.into_iter().chain(more).collect();
        let config = json!({ "Entrypoint": [command, "version"], "Env": ["PATH=/bin"] });
        let site = site(config, BUILD, &entries);
        let output = site.run(&[]);
        assert_eq!(output.status.code(), Some(6), "{command}: {}", stderr(&output));
        assert!(!site.log().contains("airshipctl"), "{}", site.log());
        assert_nothing_left(&site, "no such marker");
    }
}

/// As in CVE-2024-21626: a directory that a descriptor leads to may be the host's.
#[test]
fn no_working_directory_leads_out() {
    for number in 3..13 {
        let config = json!({ "Cmd": ["/bin/builder"], "Env": ["PATH=/bin"], "WorkingDir": format!("/proc/self/fd/{number}") });
        let script = format!(
            "for up in . .. ../.. ../../../.. ../../../../../..; do attempt \"cat $up/$HOST/canary\"; attempt \"echo x > $up/$HOST/written\"; done\n{BUILD}"
        );
        let site = site(config, &script, &[]);
        let output = site.run(&[]);
        assert!(matches!(output.status.code(), Some(0 | 6)), "{}", stderr(&output));
        assert!(!site.log().contains("ESCAPED") && !site.path("written").exists(), "{}", site.log());
    }
}

/// The container's own file systems are mounted inside, wherever the image has links.
#[test]
fn links_in_the_image_lead_no_mount_out() {
    for (name, target) in [
        ("proc", "/etc"),
        ("proc", "../../../../../../../tmp"),
        ("dev", "/etc"),
        ("dev", "../../../../../../dev"),
        ("sys", "/proc"),
        ("config", "/etc"),
        ("config", "../../../../../../../../tmp"),
        ("config", "/proc/self/root/tmp"),
        ("config", "config"),
    ] {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let config = json!({ "Cmd": ["/bin/builder"], "Env": ["PATH=/bin"] });
        let script = format!(
            "attempt \"cat $HOST/canary\"; echo x > /etc/x; rm -f /dev/null /etc/passwd || true\n{BUILD}"
        );
        let site = site(config, &script, &[Entry::symlink(name, target)]);
        let output = site.run(&[]);
        let said = stderr(&output);
        println!("{name} -> {target}: {said}");
        assert!(matches!(output.status.code(), Some(0 | 6 | 7)), "{name} -> {target}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(!site.log().contains("ESCAPED"), "{}", site.log());
        assert!(fs::metadata("/etc/passwd").is_ok() && fs::metadata("/dev/null").is_ok());
        assert_nothing_left(&site, "no such marker");
        let ours =
            |text: &str| text.lines().filter(|line| line.contains(&*site.path("").to_string_lossy())).count();
        assert_eq!(ours(&before), ours(&fs::read_to_string("/proc/self/mountinfo").unwrap()));
    }
}

#[test]
fn tables_of_users_may_be_anything() {
    let huge = "x".repeat(5 << 20);
    for passwd in [huge.as_str(), "root\n:\n::::::\nbuild:x:\nbuild:x:4294967295:0::/:\n", "\u{0}\u{1b}[2J\n"]
    {
        let config = json!({ "Cmd": ["/bin/builder"], "User": "build", "Env": ["PATH=/bin"] });
        let site = site(config, BUILD, &[Entry::file("etc/passwd", passwd)]);
        site.fail(&[], 6, &["User"]);
    }
}
