//! Builders that mean harm, or only do it: contained, reported with a clear error where it is one, and
//! gone afterwards.

mod common;

#[path = "hostile/escape.rs"]
mod escape;
#[path = "hostile/image.rs"]
mod image;
#[path = "hostile/output.rs"]
mod output;
#[path = "hostile/process.rs"]
mod process;
#[path = "hostile/volume.rs"]
mod volume;

use common::image::Entry;
use common::site::{BUILD, Site, builder};

/// What no builder may ever see.
const CANARY: &str = "host-canary-0db1c7";

/// `attempt COMMAND`: says so when the command succeeds.
const PRELUDE: &str =
    "attempt() { if (eval \"$*\") >/tmp/said 2>&1; then echo \"ESCAPED: $*\"; head -c 300 /tmp/said; fi; }\n";

/// A site with a file of the host beside the volume; the script knows its path as `$HOST/canary`.
fn site(script: &str) -> Site {
    let site = Site::new();
    std::fs::write(site.path("canary"), CANARY).unwrap();
    let script = format!("HOST={}\n{PRELUDE}{script}", site.path("").display());
    site.load(&builder(&script).layer(&[Entry::dir("config")]).build());
    site
}

/// Runs a script that tries things and then builds; none may have worked.
fn contained(script: &str, arguments: &[&str]) -> Site {
    let site = site(&format!("{script}\n{BUILD}"));
    site.succeed(arguments);
    let log = site.log();
    assert!(!log.contains("ESCAPED") && !log.contains(CANARY), "{log}");
    assert_eq!(std::fs::read_to_string(site.path("canary")).unwrap(), CANARY);
    site.assert_outputs();
    common::left::assert_nothing_left(&site, "no such marker");
    site
}

/// `86400.` and digits that are nobody else's: how long the processes of a test sleep.
fn marker(number: u32) -> String {
    format!("86400.{}{number:03}", std::process::id())
}

fn only_as_root(test: &str, why: &str) -> bool {
    use std::io::Write;
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    // past the harness, which keeps what passing tests print; scripts/test.sh counts these lines
    let mut past = std::io::stderr();
    writeln!(past, "only as root: {test}: {why}").unwrap();
    false
}
