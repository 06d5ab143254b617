//! Layers applied to a rootfs: every row of the table that applying must get right, as root, as root
//! of user namespaces and as a plain user; each test watches a directory outside of the root.

mod attributes;
mod cache;
mod formats;
mod fuzz;
mod hostile;
mod layers;
mod oracle;
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::{Caller, caller};

const OTHERS: &str = "AIRSHIPCTL_TEST_OTHERS";

/// Everything in this file again, under other ids. Ids of a namespace are written by its parent.
#[test]
fn the_suite_passes_for_every_kind_of_user() {
    // set for the processes below, which are the others
    if std::env::var_os(OTHERS).is_some() {
        return;
    }
    let me = std::env::current_exe().unwrap();
    let me = me.to_str().unwrap();
    if caller() != Caller::Root {
        let single = Command::new("unshare").args(["-rm", me, "--quiet"]).env(OTHERS, "").output().unwrap();
        assert!(single.status.success(), "with one id: {}", String::from_utf8_lossy(&single.stdout));
        return;
    }
    let plain = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", me, "--quiet"])
        .current_dir("/")
        .env(OTHERS, "")
        .output()
        .unwrap();
    assert!(plain.status.success(), "as a plain user: {}", String::from_utf8_lossy(&plain.stdout));
    for map in ["0 0 1\n", "0 0 1\n1 100001 65535\n"] {
        let mut child = Command::new("unshare")
            .args(["--user", "--mount", "sh", "-c", "read go; exec \"$0\" --quiet", me])
            .env(OTHERS, "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_namespace(child.id());
        std::fs::write(format!("/proc/{}/uid_map", child.id()), map).unwrap();
        std::fs::write(format!("/proc/{}/gid_map", child.id()), map).unwrap();
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "with {map:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn wait_for_namespace(pid: u32) {
    let namespace =
        |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).expect("a user namespace can be made");
    while namespace(&pid.to_string()) == namespace("self") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
