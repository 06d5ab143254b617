//! The helper process: freshly executed, single-threaded, in a process group of its own.

mod binfmt;
mod cgroup;
mod check;
mod devices;
mod elf;
mod enter;
mod entrypoint;
mod events;
mod executor;
mod feed;
pub mod limits;
mod meter;
mod network;
mod overlay;
mod reap;
mod remove;
pub mod run;
pub mod shell;
mod trial;
mod unpack;
mod user;
mod view;
mod volume;
mod workdir;
mod worker;

pub use cgroup::{enforces_devices, path as cgroup_path};

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::Mode;

use super::protocol::{Down, Incoming, Job, Task, Up, VERSION, send};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The pipes to and from the command line.
pub struct Channels {
    down: Incoming<File>,
    up: File,
}

/// What the executable does when its first argument is [`super::HELPER_ARGUMENT`]: one job, read
/// from standard input. Returns the exit code.
pub fn main() -> u8 {
    let Ok(mut channels) = Channels::take() else { return 1 };
    if events::forward(&channels.up).is_err() {
        return 1;
    }
    let answer = match work(&mut channels) {
        Ok(value) => Up::Done(value),
        Err(error) => Up::Failed(error),
    };
    // the command line may be gone, and then nobody wants to know
    let _ = send(&channels.up, &answer);
    u8::from(matches!(answer, Up::Failed(_)))
}

fn work(channels: &mut Channels) -> Result<serde_json::Value> {
    let job = channels.job()?;
    if let Task::Check { upper } = &job.task {
        check::listen(channels, upper.as_deref())?;
    }
    enter::mapping(&job.rung, channels)?;
    match job.task {
        Task::Probe | Task::Check { .. } => worker::probe(channels, &job.rung),
        Task::Unpack { cache, layers } => unpack::unpack(channels, &job.rung, &cache, &layers),
        Task::Sweep { cache } => unpack::sweep(&job.rung, &cache),
        Task::Run(task) => run::run(channels, &job.rung, &task),
        Task::Reap { run_dir } => reap::reap(&run_dir),
        Task::Measure { dir } => reap::measure(&dir),
        Task::Shell(task) => shell::shell(channels, &job.rung, &task),
    }
}

impl Channels {
    /// Moves the pipes away from 0 and 1, so that no child inherits them: standard input becomes
    /// `/dev/null`, standard output the same as standard error.
    fn take() -> Result<Self> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
            .doing(ErrorKind::Internal, || "unblocking signals".into())?;
        // the container's; whoever calls us may have a stricter one, which builders do not expect
        nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
        let (down, up) = (move_away(0)?, move_away(1)?);
        let null = File::open("/dev/null").doing(ErrorKind::Host, || "opening /dev/null".into())?;
        let doing = || "setting up standard input and output".to_owned();
        nix::unistd::dup2(null.as_raw_fd(), 0).doing(ErrorKind::Internal, doing)?;
        nix::unistd::dup2(2, 1).doing(ErrorKind::Internal, doing)?;
        // SAFETY: plain system call; locks that were inherited stay ours, but no child's
        unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
        Ok(Self { down: Incoming::new(File::from(down)), up: File::from(up) })
    }

    fn job(&mut self) -> Result<Job> {
        match self.down.next()? {
            Some(Down::Job(job)) if job.version == VERSION => Ok(*job),
            Some(Down::Job(job)) => {
                let text = format!("protocol version {} is not {VERSION}", job.version);
                Err(Error::new(ErrorKind::Internal, text))
            }
            _ => Err(Error::new(ErrorKind::Internal, "the first message is no job")
                .hint("this command is for the program's own use")),
        }
    }
}

fn move_away(fd: RawFd) -> Result<OwnedFd> {
    let moved =
        fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3)).doing(ErrorKind::Internal, || "moving a pipe".into())?;
    // SAFETY: fcntl just made it, and nobody else knows it
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}
