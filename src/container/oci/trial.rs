//! A command of the image, run for its output: no volume, no log, no second signal.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::helper::run::RunTask;
use super::leftovers;
use super::protocol::{Down, Task, Up};
use super::rung::Rung;
use super::spawn::{Helper, Surroundings};
use crate::container::driver::{CommandOutput, keep, too_long};
use crate::container::record::Record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// A command under way. Dropping it ends the command and removes its container.
pub struct Trial {
    /// `None` only while this is dropped.
    helper: Option<Helper>,
    rung: Rung,
    record: Record,
    stdout: Stream,
    stderr: Stream,
    exit: Option<i32>,
    failure: Option<Error>,
    stopped: bool,
}

impl Trial {
    /// Starts the helper; it holds `locks` too.
    pub fn start(rung: &Rung, mut task: RunTask, record: Record, locks: &[BorrowedFd<'_>]) -> Result<Self> {
        let (stdout, output) = Stream::open()?;
        let (stderr, errors) = Stream::open()?;
        // inherited under its own number, as the locks are
        task.stdout = Some(output.as_raw_fd());
        let inherited: Vec<_> = locks.iter().copied().chain([record.lock(), output.as_fd()]).collect();
        let surroundings = Surroundings { stderr: Stdio::from(errors), locks: &inherited };
        let helper = Helper::spawn(rung, Task::Run(Box::new(task)), surroundings);
        drop(inherited);
        match helper {
            Ok(helper) => Ok(Self {
                helper: Some(helper),
                rung: rung.clone(),
                record,
                stdout,
                stderr,
                exit: None,
                failure: None,
                stopped: false,
            }),
            Err(error) => {
                record.discard();
                Err(error)
            }
        }
    }

    /// Sees the command to its end.
    pub fn finish(mut self, interrupt: &Interrupt, timeout: Duration) -> Result<CommandOutput> {
        let deadline = Instant::now() + timeout;
        while !self.stopped {
            interrupt.check()?;
            if Instant::now() >= deadline {
                return Err(too_long(timeout));
            }
            self.step(interrupt, deadline)?;
        }
        while [&mut self.stdout, &mut self.stderr].into_iter().any(Stream::collect) {}
        match (self.failure.take(), self.exit) {
            (Some(error), _) => Err(self.explain(error)),
            (None, Some(code)) => Ok(CommandOutput {
                stdout: std::mem::take(&mut self.stdout.kept),
                stderr: std::mem::take(&mut self.stderr.kept),
                code,
            }),
            (None, None) => Err(Error::new(ErrorKind::Builder, "the container was killed")),
        }
    }

    /// Waits for the next thing to happen, and takes note of it.
    fn step(&mut self, interrupt: &Interrupt, deadline: Instant) -> Result<()> {
        let Some(helper) = &mut self.helper else { return Ok(()) };
        let mut fds = vec![
            PollFd::new(helper.as_fd(), PollFlags::POLLIN),
            PollFd::new(interrupt.as_fd(), PollFlags::POLLIN),
        ];
        let streams = [&self.stdout, &self.stderr].into_iter().filter(|stream| !stream.ended);
        fds.extend(streams.map(|stream| PollFd::new(stream.pipe.as_fd(), PollFlags::POLLIN)));
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let _ = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let said = fds[0].any().unwrap_or(false);
        drop(fds);
        self.stdout.collect();
        self.stderr.collect();
        if !said {
            return Ok(());
        }
        for message in helper.arrived()? {
            match message {
                Up::Ready => helper.say(&Down::Go)?,
                Up::Exited { code, .. } => self.exit = Some(code),
                Up::Failed(error) => self.failure = self.failure.take().or(Some(error)),
                Up::Stopped => self.stopped = true,
                _ => {}
            }
        }
        match helper.is_gone() && !self.stopped {
            true => Err(helper.lost()),
            false => Ok(()),
        }
    }

    fn explain(&self, error: Error) -> Error {
        match &self.helper {
            Some(helper) => helper.explain(error),
            None => error,
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // its end is that of the container; it cleans up as long as it lives
        drop(self.helper.take());
        let dir = self.record.dir();
        if dir.exists()
            && let Err(error) = leftovers::reap(&self.rung, dir)
        {
            tracing::warn!("cleaning up {}: {error}", dir.display());
        }
    }
}

/// One of the command's output streams.
struct Stream {
    pipe: File,
    kept: Vec<u8>,
    ended: bool,
}

impl Stream {
    /// The second value is the writing end.
    fn open() -> Result<(Self, OwnedFd)> {
        let doing = || "creating a pipe".to_owned();
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).doing(ErrorKind::Internal, doing)?;
        rustix::io::ioctl_fionbio(&reader, true).doing(ErrorKind::Internal, doing)?;
        Ok((Self { pipe: File::from(reader), kept: Vec::new(), ended: false }, writer))
    }

    /// Takes what has arrived, without waiting. Says whether there may be more.
    fn collect(&mut self) -> bool {
        let mut chunk = [0; 16384];
        // not for ever: the clock has to be looked at too
        for _ in 0..64 {
            match self.pipe.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    return false;
                }
                Ok(count) => keep(&mut self.kept, &chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
