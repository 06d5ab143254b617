//! Filters between the builder and the kernel: the default profile and root emulation.
//!
//! Both are written by us, as tables and two small policies, and compiled by us. libseccomp would be
//! the only C library of the program and takes some 20 ms for the profile, where this takes 0.3.

mod emulation;
mod profile;
mod program;
mod table;

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use oci_spec::runtime::Capability;

use self::program::Program;
use super::helper::run::Seccomp;
use crate::error::{Error, ErrorKind, Result};

/// The filters of a run, compiled.
#[derive(Clone, Debug)]
pub struct Filters {
    profile: Option<Program>,
    emulation: Option<Program>,
}

impl Filters {
    /// Those that are wanted, for a container with `held` in its bounding set. Fails with
    /// [`ErrorKind::Host`] where emulation is wanted on an architecture whose calls are not known; the
    /// profile is then left out with a warning.
    pub fn compile(wanted: Seccomp, held: &[Capability]) -> Result<Self> {
        let Some(sections) = program::native() else {
            return without_tables(wanted);
        };
        let compile = |policy| Program::compile(&policy, sections);
        Ok(Self {
            profile: wanted.profile.then(|| compile(profile::policy(held))),
            emulation: wanted.emulation.then(|| compile(emulation::policy())),
        })
    }

    /// Puts this process under the profile.
    pub fn load_profile(&self) -> Result<()> {
        load(self.profile.as_ref(), "the seccomp profile")
    }

    /// Puts this process under root emulation. Says whether there is any: `capset` does nothing then.
    pub fn load_emulation(&self) -> Result<bool> {
        load(self.emulation.as_ref(), "the filter of root emulation")?;
        Ok(self.emulation.is_some())
    }
}

fn without_tables(wanted: Seccomp) -> Result<Filters> {
    let architecture = std::env::consts::ARCH;
    if wanted.emulation {
        let text = format!("emulating root: the system calls of {architecture} are not known");
        return Err(Error::new(ErrorKind::Host, text).hint("configure subordinate ids for this user"));
    }
    if wanted.profile {
        tracing::warn!("there is no seccomp profile for {architecture}; the builder runs without");
    }
    Ok(Filters { profile: None, emulation: None })
}

fn load(program: Option<&Program>, what: &str) -> Result<()> {
    let Some(program) = program else { return Ok(()) };
    program.load().map_err(|error| explain(what, &error))
}

fn explain(what: &str, error: &io::Error) -> Error {
    let explained = Error::caused(ErrorKind::Host, format!("loading {what}"), error);
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL) => explained.hint("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"),
        Some(Errno::ENOSYS | Errno::EPERM) => {
            explained.hint("a filter around this program forbids filters; run it outside of that sandbox")
        }
        _ => explained,
    }
}

/// Tries whether the wanted filters can be loaded, in a child process that ends at once. The caller
/// has one thread and CAP_SYS_ADMIN. Fails with [`ErrorKind::Host`] and the reason.
pub fn probe(wanted: Seccomp) -> Result<()> {
    let filters = Filters::compile(wanted, &[])?;
    let doing = |errno: Errno| Error::caused(ErrorKind::Host, "trying out seccomp filters", &errno);
    // SAFETY: this process has one thread, so the child may do anything
    match unsafe { fork() }.map_err(doing)? {
        ForkResult::Child => {
            let tried = [&filters.profile, &filters.emulation]
                .map(|program| program.as_ref().map_or(Ok(()), Program::load))
                .into_iter()
                .find_map(io::Result::err);
            let code = tried.map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
            // SAFETY: no destructor of the copied process may run
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).map_err(doing)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, code) => {
                Err(explain("a seccomp filter", &io::Error::from_raw_os_error(code)))
            }
            status => Err(Error::new(ErrorKind::Host, format!("trying out seccomp filters: {status:?}"))),
        },
    }
}

#[cfg(test)]
mod tests;
