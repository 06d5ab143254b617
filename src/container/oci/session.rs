//! One run of a container, from the command line's side: what the helper says, what the builder
//! prints, and what the user's signals and the clock have to say about it.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::leftovers;
use super::protocol::{Down, Up};
use super::rung::Rung;
use super::spawn::Helper;
use crate::container::clock::{Clock, Times};
use crate::container::ended::Exit;
use crate::container::kept;
use crate::container::log::Log;
use crate::container::record::{self, Record};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::site::volume::{self, Staging, Volume};

/// How long processes that were killed may take to let go of the builder's output.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A run under way. Dropping it ends whatever still runs and finishes the volume's journal.
pub struct Session {
    helper: Helper,
    record: Record,
    rung: Rung,
    log: Log,
    conditions: Conditions,
    clock: Clock,
    seen: Seen,
}

/// What bounds a run from outside.
pub struct Conditions {
    pub interrupt: Interrupt,
    pub times: Times,
    /// Bytes that the builder may use.
    pub memory: Option<u64>,
}

/// What the helper has reported.
#[derive(Default)]
struct Seen {
    ready: bool,
    exit: Option<Exit>,
    failure: Option<Error>,
    stopped: bool,
    removed: bool,
}

impl Session {
    pub fn new(helper: Helper, record: Record, log: Log, conditions: Conditions) -> Self {
        let rung = helper.rung().clone();
        // until the builder starts there is nothing to time
        let clock = Clock::start(Times::default(), Instant::now());
        Self { helper, record, rung, log, conditions, clock, seen: Seen::default() }
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
        self.helper.say(&Down::Go)?;
        self.clock = Clock::start(self.conditions.times, Instant::now());
        while !self.seen.stopped {
            self.pass_signals()?;
            self.step()?;
            if self.helper.is_gone() && !self.seen.stopped {
                return Err(self.verdict_of_lost());
            }
        }
        self.log.finish();
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
        let noted = self.conditions.interrupt.count() > self.clock.signals();
        let mut fds = vec![PollFd::new(self.helper.as_fd(), PollFlags::POLLIN)];
        if !self.log.ended() {
            fds.push(PollFd::new(self.log.as_fd(), PollFlags::POLLIN));
        }
        // its bytes are never read, so an old signal would wake us for ever
        if self.clock.signals() == 0 && !noted {
            fds.push(PollFd::new(self.conditions.interrupt.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut fds, self.patience());
        let said = fds[0].any().unwrap_or(false);
        if self.log.collect() > 0 {
            self.clock.heard(Instant::now());
        }
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
            Up::Exited { code, out_of_memory } => self.seen.exit = Some(Exit { code, out_of_memory }),
            Up::Failed(error) => self.seen.failure = self.seen.failure.take().or(Some(error)),
            Up::Stopped => self.seen.stopped = true,
            Up::Removed => self.seen.removed = true,
            _ => {}
        }
    }

    /// Until something is due, and never longer than it takes to notice a second signal.
    fn patience(&self) -> PollTimeout {
        let second_signal = (self.clock.signals() > 0).then_some(Duration::from_millis(100));
        let due = self.clock.next().map(|at| at.saturating_duration_since(Instant::now()));
        let shorter = second_signal.into_iter().chain(due).min();
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

    fn pass_signals(&mut self) -> Result<()> {
        while let Some(signal) = self.clock.signal(&self.conditions.interrupt, Instant::now()) {
            self.helper.say(&Down::Signal(signal))?;
        }
        Ok(())
    }

    fn verdict(&mut self) -> Result<()> {
        self.conditions.interrupt.check()?;
        if let Some(error) = self.clock.error() {
            return Err(self.quote(error));
        }
        match (self.seen.failure.take(), self.seen.exit) {
            (Some(error), _) => Err(self.quote(self.helper.explain(error))),
            (None, Some(exit)) => exit.judge(self.conditions.memory).map_err(|error| self.quote(error)),
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
        self.log.finish();
        let lost = self.helper.lost();
        self.conditions.interrupt.check().err().unwrap_or_else(|| self.quote(lost))
    }

    fn quote(&self, error: Error) -> Error {
        self.log.quote(error)
    }
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
            tracing::info!("{}", kept::how_to_inspect(self.record.state(), self.record.id()));
        }
    }
}
