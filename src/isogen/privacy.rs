//! This process's memory, which holds the site's secrets, kept to itself.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// One byte: less than any core file, and the one value with which the kernel does not start the
/// program of `core_pattern` either (`do_coredump`; a limit of 0 counts for files alone, core(5)).
const NO_CORE: u64 = 1;

/// Keeps memory out of core files and away from debuggers of the same user. Helpers and builders
/// inherit the limit; a helper is dumpable until its ids are mapped, which the kernel wants, and holds
/// no secret. To be called before the first secret is read.
pub fn keep_to_ourselves() {
    let limited = getrlimit(Resource::RLIMIT_CORE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_CORE, NO_CORE.min(hard), hard));
    // neither is worth failing for: a sandbox may forbid both
    if let Err(error) = limited.and_then(|()| prctl::set_dumpable(false)) {
        tracing::debug!("keeping secrets out of core files: {error}");
    }
}
