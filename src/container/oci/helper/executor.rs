//! The last steps before the builder: filters and capabilities, a small init as pid 1 of the
//! container, and exec.
//!
//! ```text
//! libcontainer ─► profile, bounding set ─► fork ─┬► init: CAP_KILL at most
//!                                                └► root emulation, capabilities, exec
//! ```
//! libcontainer's own executor would leave SIGPIPE ignored and signals blocked, hand a file that
//! is no executable to /bin/sh, and end with 255 and no message when exec fails.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork};
use oci_spec::runtime::{Capability, Spec};

use super::binfmt::Emulator;
use super::entrypoint;
use crate::container::oci::capabilities;
use crate::container::oci::protocol::{Up, send};
use crate::container::oci::seccomp::Filters;
use crate::error::{Error, ErrorKind, Result as Done};

/// Runs inside the container, after the user is set and all capabilities are dropped but those of the
/// builder and those that [`capabilities::lend`] lends.
#[derive(Clone)]
pub struct Exec {
    /// The status pipe; closed by exec.
    pub up: RawFd,
    pub filters: Filters,
    /// The builder's.
    pub capabilities: Vec<Capability>,
    /// What this host runs programs of other processors with.
    pub emulators: Vec<Emulator>,
}

impl Executor for Exec {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let args =
            spec.process().as_ref().and_then(|p| p.args().as_ref()).ok_or(ExecutorError::InvalidArg)?;
        let signals = SigSet::all();
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&signals), None);
        // a dumpable pid 1 would let the container reach our executable through /proc/1/exe
        let _ = nix::sys::prctl::set_dumpable(false);
        if let Err(error) = self.confine() {
            self.give_up(error);
        }
        // SAFETY: this process has one thread, so the child may do anything
        match unsafe { fork() }.map_err(|errno| ExecutorError::Other(errno.to_string()))? {
            ForkResult::Parent { child } => match self.confine_init() {
                Ok(()) => init(child, &signals),
                Err(error) => self.give_up(error),
            },
            ForkResult::Child => match self.confine_builder().and_then(|()| run(args)) {
                Ok(never) => match never {},
                Err(error) => self.give_up(error),
            },
        }
    }

    /// Before the inputs are written, as the image's User and in its root.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let Some(process) = spec.process() else { return Ok(()) };
        entrypoint::check(process, Path::new("/"), &self.emulators).map_err(|error| {
            let text = error.to_string();
            // SAFETY: the pipe is open until exec, and it is not ours to close
            let up = ManuallyDrop::new(unsafe { File::from_raw_fd(self.up) });
            let _ = send(&*up, &Up::Failed(error));
            ExecutorValidationError::ArgValidationError(text)
        })
    }
}

impl Exec {
    fn confine(&self) -> Done<()> {
        leave_keyring();
        self.filters.load_profile()?;
        capabilities::limit(&self.capabilities)
    }

    /// It passes signals on, to whatever user the builder becomes.
    fn confine_init(&self) -> Done<()> {
        let kill = self.capabilities.iter().filter(|held| **held == Capability::Kill);
        capabilities::keep(&kill.copied().collect::<Vec<_>>())
    }

    fn confine_builder(&self) -> Done<()> {
        if self.filters.load_emulation()? {
            // from here on capset does nothing; user 0, as whom alone emulation runs, gets the bounding
            // set by exec, no more and no less
            return Ok(());
        }
        // exec would take them from another user than 0, but only after it has looked at the file
        let is_root = nix::unistd::geteuid().is_root();
        capabilities::keep(if is_root { &self.capabilities } else { &[] })
    }

    fn give_up(&self, error: Error) -> ! {
        // SAFETY: the pipe stays open until exec, which did not happen; it is not ours to close
        let up = ManuallyDrop::new(unsafe { File::from_raw_fd(self.up) });
        let _ = send(&*up, &Up::Failed(error));
        // SAFETY: no destructor of the copied process may run; 127 as shells do
        unsafe { libc::_exit(127) }
    }
}

/// A session keyring of its own, as runc gives it: what the caller keeps in theirs (Kerberos tickets,
/// keys of encrypted directories) is no builder's business. Where the kernel has no keys, or no room
/// for another ring, the profile still keeps builders from using any.
fn leave_keyring() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: plain numbers; a null name asks for a new ring
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0_usize) };
}

/// Pid 1: passes signals on to the builder, reaps orphans, and ends with the builder's code. The
/// kernel ignores signals to a pid 1 without handlers, so the builder itself must not be it.
fn init(builder: Pid, signals: &SigSet) -> ! {
    let _ = nix::sys::prctl::set_name(c"airshipctl-init");
    // nothing of the host may be reachable through /proc/1/fd
    // SAFETY: no descriptor above 2 is used again in this process
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = reap(builder) {
                    // SAFETY: as above, no destructors
                    unsafe { libc::_exit(code) }
                }
            }
            Ok(other) => {
                let _ = kill(builder, other);
            }
            Err(_) => {}
        }
    }
}

fn reap(builder: Pid) -> Option<i32> {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == builder => return Some(code),
            Ok(WaitStatus::Signaled(pid, by, _)) if pid == builder => return Some(128 + by as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn run(args: &[String]) -> Done<Infallible> {
    for number in Signal::iterator() {
        // SAFETY: the default action is no handler that could run anything
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    // one that was made for this command; it can be a controlling terminal of a new session alone
    if nix::unistd::isatty(0).unwrap_or(false) && nix::unistd::setsid().is_ok() {
        // SAFETY: plain system call on an open descriptor; without job control the command runs too
        unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0) };
    }
    let name = args.first().ok_or_else(|| Error::new(ErrorKind::Builder, "no command to run"))?;
    let argv: Vec<CString> = args.iter().filter_map(|arg| CString::new(arg.as_bytes()).ok()).collect();
    let mut failed = (PathBuf::from(name), Errno::ENOENT);
    for file in candidates(name) {
        let Ok(path) = CString::new(file.as_os_str().as_bytes()) else { continue };
        let Err(errno) = execv(&path, &argv);
        // a file that is there but cannot be run says more than one that is not there
        if failed.1 == Errno::ENOENT && (errno != Errno::ENOENT || file.exists()) {
            failed = (file, errno);
        }
    }
    Err(explain(&failed.0, failed.1))
}

fn candidates(name: &str) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![PathBuf::from(name)];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).collect()
}

fn explain(file: &Path, errno: Errno) -> Error {
    let error = Error::caused(ErrorKind::Builder, format!("starting {}", file.display()), &errno);
    match errno {
        Errno::ENOENT if file.exists() => {
            error.hint("the file is there, but the interpreter or loader it names is not in the image")
        }
        Errno::ENOENT => {
            error.hint("the image's Entrypoint or Cmd names a file that the image does not have")
        }
        Errno::ENOEXEC => match machine(file) {
            Some(number) => error.hint(format!(
                "it is an ELF file for machine {number}, this host is {}: use an image for this architecture",
                std::env::consts::ARCH
            )),
            None => error.hint("it is neither an ELF file nor a script with a `#!` line"),
        },
        Errno::EACCES => error.hint("it is not executable for the image's User"),
        _ => error,
    }
}

/// `e_machine` of an ELF header (little-endian, as all architectures Linux containers come for).
fn machine(file: &Path) -> Option<u16> {
    let mut header = [0; 20];
    File::open(file).ok()?.read_exact(&mut header).ok()?;
    header.starts_with(b"\x7fELF").then(|| u16::from_le_bytes([header[18], header[19]]))
}
