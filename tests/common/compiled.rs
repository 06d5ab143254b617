//! Programs made from C source on the spot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::site::{Site, stderr};

/// A static program.
pub fn compiled(source: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (file, program) = (dir.path().join("source.c"), dir.path().join("program"));
    fs::write(&file, source).unwrap();
    let mut gcc = Command::new("gcc");
    let built = gcc.args(["-static", "-O1", "-o"]).arg(&program).arg(&file).output();
    let built = built.expect("gcc is installed by scripts/setup.sh");
    assert!(built.status.success(), "{}", stderr(&built));
    fs::read(program).unwrap()
}

/// Runs the command behind it where every attempt to load a filter ends with `errno`.
pub fn without_filters(site: &Site, errno: i32) -> Command {
    let forbid = site.path("forbid");
    fs::write(&forbid, compiled(include_str!("forbid.c"))).unwrap();
    fs::set_permissions(&forbid, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(forbid);
    command.arg(errno.to_string());
    command
}
