//! Debian's cloud-init as a judge. `scripts/setup.sh test` unpacks it into `target/cloud-init`; it is
//! not installed, since then it would configure the host at its next boot.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Debian's Python, which sees Debian's modules, with cloud-init's modules in its path; it leaves no
/// compiled files behind.
pub fn python() -> Command {
    let modules =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cloud-init/usr/lib/python3/dist-packages");
    assert!(modules.join("cloudinit").is_dir(), "cloud-init is unpacked by scripts/setup.sh test");
    // another Python that comes first in PATH would not have the modules that cloud-init needs
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-B").env("PYTHONPATH", modules).stdin(Stdio::null());
    command
}

/// Runs a script of `tests/cloudinit/` with arguments and standard input, and returns what it prints;
/// it has to end well.
pub fn ask(script: &str, arguments: &[&str], input: &[u8]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloudinit").join(script);
    let mut command = python();
    command.arg(path).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 is installed by scripts/setup.sh");
    let mut stdin = child.stdin.take().unwrap();
    let output: Output = std::thread::scope(|scope| {
        // both pipes may fill up
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
