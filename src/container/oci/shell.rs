//! A look into a container that was kept, from the command line's side.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::helper::shell::ShellTask;
use super::leftovers::About;
use super::protocol::{Task, Up};
use super::spawn::{Helper, Surroundings};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// What shall run, and on which descriptors.
pub struct Shell<'a> {
    pub command: Vec<String>,
    /// Further variables, as `NAME=value`.
    pub environment: Vec<String>,
    /// Standard input, output and error of the command. A terminal becomes its controlling one.
    pub stdio: [BorrowedFd<'a>; 3],
    pub interrupt: Interrupt,
}

/// Runs the command in the container that was kept in `run_dir`, which `lock` holds, and returns its
/// exit code.
///
/// Errors: [`ErrorKind::Builder`] where it cannot be started.
pub fn enter(run_dir: &Path, about: &About, lock: BorrowedFd<'_>, shell: Shell<'_>) -> Result<i32> {
    // copies, since the numbers 0 to 2 are others in the helper
    let copies = shell.stdio.iter().map(copy).collect::<Result<Vec<OwnedFd>>>()?;
    let [input, output, error] = copies.as_slice() else {
        return Err(Error::new(ErrorKind::Internal, "standard input, output and error are three"));
    };
    let task = ShellTask {
        run_dir: run_dir.to_owned(),
        rootfs: about.rootfs.clone(),
        volume: about.volume.clone(),
        network: about.network,
        seccomp: about.seccomp,
        command: shell.command,
        environment: shell.environment,
        stdio: [input.as_raw_fd(), output.as_raw_fd(), error.as_raw_fd()],
    };
    let inherited = [lock, input.as_fd(), output.as_fd(), error.as_fd()];
    let surroundings = Surroundings { locks: &inherited, ..Surroundings::default() };
    let helper = Helper::spawn(&about.rung, Task::Shell(Box::new(task)), surroundings)?;
    let mut ended = None;
    let done = helper.call_noting(Some(&shell.interrupt), |said| {
        if let Up::Exited { code, .. } = said {
            ended = Some(code);
        }
    });
    done?;
    match ended {
        Some(code) => Ok(code),
        // told to stop, the helper is done too, when all is cleaned up
        None => shell.interrupt.check().and(Err(Error::new(ErrorKind::Builder, "the container was killed"))),
    }
}

/// Above 2, where the helper's own pipes do not meet it.
fn copy(fd: &BorrowedFd<'_>) -> Result<OwnedFd> {
    fd.try_clone_to_owned().doing(ErrorKind::Internal, || "handing on standard input and output".into())
}
