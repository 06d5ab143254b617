//! When a builder is told to end, and when it is ended: by the user's signals, when its time is up,
//! or when it has been silent for too long. Whatever the reason, it gets a grace.

use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::Signal;

use crate::error::{Error, ErrorKind};
use crate::interrupt::Interrupt;

/// Between the polite end and the other one.
const GRACE: Duration = Duration::from_secs(10);

/// How long a builder may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// In all.
    pub whole: Option<Duration>,
    /// Without any output.
    pub idle: Option<Duration>,
}

/// Why a builder is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The user's signal of this number.
    Signal(i32),
    TooLong,
    TooSilent,
}

/// Runs while the builder does. It reads no clock itself.
#[derive(Debug)]
pub struct Clock {
    times: Times,
    started: Instant,
    heard: Instant,
    ending: Option<Ending>,
    /// How many of the user's signals were passed on.
    signals: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    reason: Reason,
    /// `None` when it has been killed.
    killed_at: Option<Instant>,
}

impl Clock {
    pub fn start(times: Times, now: Instant) -> Self {
        Self { times, started: now, heard: now, ending: None, signals: 0 }
    }

    /// The builder wrote something.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The next signal for the builder, which is told to the user too: first the user's own, then what
    /// the time asks for. `None` when nothing more is to be passed on now.
    pub fn signal(&mut self, interrupt: &Interrupt, now: Instant) -> Option<i32> {
        if self.signals < interrupt.count() {
            self.signals += 1;
            let signal = self.interrupted(interrupt.signal().unwrap_or(libc::SIGTERM), now);
            match signal {
                libc::SIGKILL => tracing::info!("Killing the builder"),
                _ => tracing::info!(
                    "Passing {} on to the builder; it is killed in {GRACE:?}, or at once with another signal",
                    name_of(signal)
                ),
            }
            return Some(signal);
        }
        let signal = self.due(now)?;
        match (signal, self.error()) {
            (libc::SIGKILL, _) => tracing::info!("Killing the builder, which did not end within {GRACE:?}"),
            (_, Some(error)) => tracing::info!("Ending the builder: {error}; it is killed in {GRACE:?}"),
            (_, None) => {}
        }
        Some(signal)
    }

    /// How many of the user's signals were passed on.
    pub fn signals(&self) -> u32 {
        self.signals
    }

    /// The user wants it to end. Returns the signal for the builder: the user's own at first, and
    /// SIGKILL when it is already being ended.
    fn interrupted(&mut self, signal: i32, now: Instant) -> i32 {
        match &mut self.ending {
            Some(ending) => {
                ending.killed_at = None;
                libc::SIGKILL
            }
            None => {
                self.end(Reason::Signal(signal), now);
                signal
            }
        }
    }

    /// The signal that is due, once each.
    fn due(&mut self, now: Instant) -> Option<i32> {
        if let Some(ending) = &mut self.ending {
            let due = ending.killed_at.is_some_and(|at| at <= now);
            return due.then(|| {
                ending.killed_at = None;
                libc::SIGKILL
            });
        }
        let (at, reason) = self.deadline()?;
        (at <= now).then(|| {
            self.end(reason, now);
            libc::SIGTERM
        })
    }

    fn end(&mut self, reason: Reason, now: Instant) {
        self.ending = Some(Ending { reason, killed_at: Some(now + GRACE) });
    }

    /// When something will be due; `None` for never.
    pub fn next(&self) -> Option<Instant> {
        match &self.ending {
            Some(ending) => ending.killed_at,
            None => self.deadline().map(|(at, _)| at),
        }
    }

    fn deadline(&self) -> Option<(Instant, Reason)> {
        let whole = self.times.whole.and_then(|time| self.started.checked_add(time));
        let idle = self.times.idle.and_then(|time| self.heard.checked_add(time));
        let all = [whole.map(|at| (at, Reason::TooLong)), idle.map(|at| (at, Reason::TooSilent))];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Whether it is being ended, and why.
    fn reason(&self) -> Option<Reason> {
        self.ending.map(|ending| ending.reason)
    }

    /// Which time was up and how to give more; `None` for a signal.
    pub fn error(&self) -> Option<Error> {
        let (text, option) = match self.reason()? {
            Reason::Signal(_) => return None,
            Reason::TooLong => (
                format!("the builder took longer than {:?}", self.times.whole.unwrap_or_default()),
                "--timeout",
            ),
            Reason::TooSilent => (
                format!("the builder wrote nothing for {:?}", self.times.idle.unwrap_or_default()),
                "--idle-timeout",
            ),
        };
        Some(Error::new(ErrorKind::Builder, text).hint(format!("give it more time with {option}")))
    }
}

fn name_of(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock(whole: Option<u32>, idle: Option<u32>) -> (Clock, Instant) {
        let (now, times) =
            (Instant::now(), Times { whole: whole.map(|s| SECOND * s), idle: idle.map(|s| SECOND * s) });
        (Clock::start(times, now), now)
    }

    #[test]
    fn without_times_nothing_is_ever_due() {
        let (mut clock, now) = clock(None, None);
        assert_eq!((clock.next(), clock.due(now + SECOND * 1_000_000)), (None, None));
        assert!(clock.error().is_none());
    }

    #[test]
    fn when_the_time_is_up_it_is_told_once_and_killed_once() {
        let (mut clock, now) = clock(Some(5), None);
        assert_eq!(clock.due(now + SECOND * 4), None);
        assert_eq!(clock.due(now + SECOND * 5), Some(libc::SIGTERM));
        assert_eq!(clock.due(now + SECOND * 6), None);
        assert_eq!(clock.due(now + SECOND * 15), Some(libc::SIGKILL));
        assert_eq!((clock.due(now + SECOND * 16), clock.next()), (None, None));
        assert_eq!(clock.error().unwrap().hint_text(), Some("give it more time with --timeout"));
    }

    #[test]
    fn output_puts_the_idle_time_off_but_not_the_whole() {
        let (mut clock, now) = clock(Some(10), Some(3));
        clock.heard(now + SECOND * 2);
        assert_eq!(clock.due(now + SECOND * 4), None);
        clock.heard(now + SECOND * 9);
        assert_eq!(clock.due(now + SECOND * 10), Some(libc::SIGTERM));
        assert_eq!(clock.reason(), Some(Reason::TooLong));
    }

    #[test]
    fn silence_is_named() {
        let (mut clock, now) = clock(Some(10), Some(3));
        assert_eq!(clock.due(now + SECOND * 3), Some(libc::SIGTERM));
        clock.heard(now + SECOND * 4);
        let error = clock.error().unwrap();
        assert_eq!(error.to_string(), "the builder wrote nothing for 3s");
        assert_eq!(error.hint_text(), Some("give it more time with --idle-timeout"));
    }

    #[test]
    fn the_users_first_signal_is_passed_on_with_grace_and_the_second_kills() {
        let (mut clock, now) = clock(None, None);
        assert_eq!(clock.interrupted(libc::SIGINT, now), libc::SIGINT);
        assert_eq!(clock.next(), Some(now + GRACE));
        assert_eq!(clock.interrupted(libc::SIGINT, now + SECOND), libc::SIGKILL);
        assert_eq!(clock.due(now + GRACE), None);
        assert_eq!(clock.reason(), Some(Reason::Signal(libc::SIGINT)));
    }

    #[test]
    fn each_of_the_users_signals_is_passed_on_once_and_before_the_times() {
        let interrupt = Interrupt::manual().unwrap();
        let (mut clock, now) = clock(Some(1), None);
        assert_eq!(clock.signal(&interrupt, now), None);
        interrupt.raise(libc::SIGINT);
        interrupt.raise(libc::SIGHUP);
        let late = now + SECOND;
        assert_eq!(clock.signal(&interrupt, late), Some(libc::SIGINT));
        assert_eq!(clock.signal(&interrupt, late), Some(libc::SIGKILL));
        assert_eq!((clock.signal(&interrupt, late), clock.signals()), (None, 2));
    }

    #[test]
    fn a_builder_that_ignores_the_first_signal_is_killed_after_the_grace() {
        let (mut clock, now) = clock(Some(1000), None);
        clock.interrupted(libc::SIGTERM, now);
        assert_eq!(clock.due(now + GRACE), Some(libc::SIGKILL));
    }
}
