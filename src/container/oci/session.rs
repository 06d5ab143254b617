//! One run of a container, from the command line's side: what the helper says, what the builder
//! prints, and what the user's signals and the clock have to say about it.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::leftovers;
use super::protocol::{Down, Up};
use super::rung::Rung;
use super::spawn::Helper;
use crate::container::log::Log;
use crate::container::record::{self, Record};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::site::volume::{self, Staging, Volume};

/// Between the polite end at the timeout and the other one.
const GRACE: Duration = Duration::from_secs(10);
/// How long processes that were killed may take to let go of the builder's output.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A run under way. Dropping it ends whatever still runs and finishes the volume's journal.
pub struct Session {
    helper: Helper,
    record: Record,
    rung: Rung,
    log: Log,
    conditions: Conditions,
    seen: Seen,
}

/// What bounds a run from outside.
pub struct Conditions {
    pub interrupt: Interrupt,
    /// The builder's time.
    pub timeout: Option<Duration>,
    /// The tree under the container's own layer.
    pub rootfs: PathBuf,
}

/// What the helper has reported.
#[derive(Default)]
struct Seen {
    ready: bool,
    exit: Option<i32>,
    failure: Option<Error>,
    stopped: bool,
    removed: bool,
    /// How many of the user's signals were passed on.
    signals: u32,
    /// When the time was up, and whether the grace is over too.
    deadline: Option<Instant>,
    timed_out: bool,
}

impl Session {
    pub fn new(helper: Helper, record: Record, log: Log, conditions: Conditions) -> Self {
        let rung = helper.rung().clone();
        Self { helper, record, rung, log, conditions, seen: Seen::default() }
    }

    /// Waits until the container is ready, and writes the inputs.
    pub fn set_up(&mut self, volume: &Volume, staging: &Staging) -> Result<()> {
        while !self.seen.ready {
            self.conditions.interrupt.check()?;
            self.step()?;
            self.check_helper()?;
        }
        volume.stage(self.record.dir(), staging)
    }

    /// Where the volume's journal is.
    pub fn dir(&self) -> &Path {
        self.record.dir()
    }

    /// Starts the builder and sees it to its end.
    pub fn run(&mut self) -> Result<()> {
        self.seen.deadline = self.conditions.timeout.map(|timeout| Instant::now() + timeout);
        self.helper.say(&Down::Go)?;
        while !self.seen.stopped {
            self.pass_signals()?;
            self.watch_clock()?;
            self.step()?;
            if self.helper.is_gone() && !self.seen.stopped {
                return Err(self.verdict_of_lost());
            }
        }
        self.log.collect();
        self.verdict()
    }

    /// Takes the container apart, unless it is kept; the volume's journal stays open.
    pub fn remove(&mut self) -> Result<()> {
        if record::is_kept(self.record.dir()) {
            return Ok(());
        }
        self.helper.say(&Down::Remove)?;
        while !self.seen.removed && !self.helper.is_gone() {
            self.step()?;
        }
        Ok(())
    }

    /// Waits for the next thing to happen, and takes note of it.
    fn step(&mut self) -> Result<()> {
        let noted = self.conditions.interrupt.count() > self.seen.signals;
        let mut fds = vec![PollFd::new(self.helper.as_fd(), PollFlags::POLLIN)];
        if !self.log.ended() {
            fds.push(PollFd::new(self.log.as_fd(), PollFlags::POLLIN));
        }
        // its bytes are never read, so an old signal would wake us for ever
        if self.seen.signals == 0 && !noted {
            fds.push(PollFd::new(self.conditions.interrupt.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut fds, self.patience());
        let said = fds[0].any().unwrap_or(false);
        self.log.collect();
        if said {
            for message in self.helper.arrived()? {
                self.note(message);
            }
        }
        Ok(())
    }

    fn note(&mut self, message: Up) {
        match message {
            Up::Ready => self.seen.ready = true,
            Up::Exited { code } => self.seen.exit = Some(code),
            Up::Failed(error) => self.seen.failure = self.seen.failure.take().or(Some(error)),
            Up::Stopped => self.seen.stopped = true,
            Up::Removed => self.seen.removed = true,
            _ => {}
        }
    }

    /// Until the deadline, and never longer than it takes to notice a second signal.
    fn patience(&self) -> PollTimeout {
        let second_signal = (self.seen.signals > 0).then_some(Duration::from_millis(100));
        let deadline = self.seen.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let shorter = second_signal.into_iter().chain(deadline).min();
        shorter.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        })
    }

    fn check_helper(&mut self) -> Result<()> {
        if let Some(error) = self.seen.failure.take() {
            return Err(self.helper.explain(error));
        }
        if self.helper.is_gone() || self.seen.stopped {
            return Err(self.verdict_of_lost());
        }
        Ok(())
    }

    /// The first signal goes to the builder, any further one kills it.
    fn pass_signals(&mut self) -> Result<()> {
        while self.seen.signals < self.conditions.interrupt.count() {
            self.seen.signals += 1;
            let signal = match (self.seen.signals, self.conditions.interrupt.signal()) {
                (1, Some(signal)) => signal,
                _ => libc::SIGKILL,
            };
            tracing::info!("Passing signal {signal} on to the builder");
            self.helper.say(&Down::Signal(signal))?;
        }
        Ok(())
    }

    fn watch_clock(&mut self) -> Result<()> {
        if self.seen.deadline.is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        let (signal, next) = match self.seen.timed_out {
            false => (libc::SIGTERM, Some(Instant::now() + GRACE)),
            true => (libc::SIGKILL, None),
        };
        self.seen.timed_out = true;
        self.seen.deadline = next;
        self.helper.say(&Down::Signal(signal))
    }

    fn verdict(&mut self) -> Result<()> {
        self.conditions.interrupt.check()?;
        if self.seen.timed_out {
            let after = self.conditions.timeout.unwrap_or_default();
            let error = Error::new(ErrorKind::Builder, format!("the builder took longer than {after:?}"));
            return Err(self.quote(error).hint("give it more time with --timeout"));
        }
        match (self.seen.failure.take(), self.seen.exit) {
            (Some(error), _) => Err(self.quote(self.helper.explain(error))),
            (None, Some(0)) => Ok(()),
            (None, Some(code)) => Err(self.quote(ended_with(code))),
            (None, None) => Err(self.quote(Error::new(ErrorKind::Builder, "the container was killed"))),
        }
    }

    fn verdict_of_lost(&mut self) -> Error {
        // the builder is dead when nobody holds its output any more
        let until = Instant::now() + LAST_WORDS;
        while !self.log.ended() && Instant::now() < until {
            self.log.collect();
            std::thread::sleep(Duration::from_millis(10));
        }
        let lost = self.helper.lost();
        self.conditions.interrupt.check().err().unwrap_or_else(|| self.quote(lost))
    }

    fn quote(&self, error: Error) -> Error {
        error.because(format!(
            "its last output (all of it is in {}):{}",
            self.log.path().display(),
            self.log.tail()
        ))
    }
}

fn ended_with(code: i32) -> Error {
    let how = match code {
        129..=192 => format!("was killed by signal {} (exit code {code})", code - 128),
        _ => format!("ended with exit code {code}"),
    };
    Error::new(ErrorKind::Builder, format!("the builder {how}"))
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.helper.finish() {
            tracing::warn!("{error}");
        }
        let dir = self.record.dir();
        let unfinished = dir.exists() && (!record::is_kept(dir) || volume::is_unfinished(dir));
        // the helper cleans up as long as it lives
        if unfinished && let Err(error) = leftovers::reap(&self.rung, dir) {
            tracing::warn!("cleaning up {}: {error}", dir.display());
        }
        if record::is_kept(dir) {
            tracing::info!("{}", self.rung.how_to_inspect(dir, &self.conditions.rootfs));
        }
    }
}
