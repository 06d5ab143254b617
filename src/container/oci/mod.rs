//! The built-in driver: containers by libcontainer, in helper processes of this executable.
//!
//! ```text
//!  command line ──spawn──► helper (user namespace, id maps) ──fork──► worker (pid 1 of its own pid
//!      │  ▲                   │ waits for the worker, then cleans up     namespace; mounts, network,
//!      │  └── status pipe ────┴───────────────────────────────────────   libcontainer, the builder)
//!      └───── control pipe; its end is the order to stop
//! ```
//! Whoever is killed, the kernel ends the rest: the worker dies with the helper (PDEATHSIG), and
//! everything in the container dies with the worker, because that is pid 1 of the pid namespace
//! around it. The helper cleans up; if it was killed, the command line does so through a new helper
//! in the same mapping; if both were, the next start does.

mod capabilities;
pub mod checks;
mod driver;
mod guest;
pub mod helper;
mod idmap;
mod kernel;
pub mod leftovers;
mod protocol;
mod rung;
mod seccomp;
mod session;
pub mod shell;
mod spawn;
mod trial;
mod unpack;

pub use driver::OciDriver;
pub use leftovers::reap_dead;
pub use spawn::HELPER_ARGUMENT;
