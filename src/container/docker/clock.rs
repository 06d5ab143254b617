//! What ends a builder from outside: the user's signals and the time.

use std::time::{Duration, Instant};

use nix::libc;

use crate::interrupt::Interrupt;

/// Between the polite end and the other one.
const GRACE: Duration = Duration::from_secs(10);

/// Which time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    Whole(Duration),
    Idle(Duration),
}

pub struct Clock {
    interrupt: Interrupt,
    /// How many of the user's signals were passed on.
    signals: u32,
    timeout: Option<Duration>,
    idle: Option<Duration>,
    begun: Instant,
    expired: Option<Expired>,
    /// When SIGKILL is due.
    last: Option<Instant>,
}

impl Clock {
    /// Both times count from now.
    pub fn start(interrupt: &Interrupt, timeout: Option<Duration>, idle: Option<Duration>) -> Self {
        let (interrupt, begun) = (interrupt.clone(), Instant::now());
        Self { interrupt, signals: 0, timeout, idle, begun, expired: None, last: None }
    }

    pub fn expired(&self) -> Option<Expired> {
        self.expired
    }

    /// The signal that is due now, the builder having been heard last at `heard`. The user's first
    /// signal is passed on, any further one kills.
    pub fn due(&mut self, heard: Instant) -> Option<i32> {
        if self.signals < self.interrupt.count() {
            self.signals += 1;
            let signal = match (self.signals, self.interrupt.signal()) {
                (1, Some(signal)) => signal,
                _ => libc::SIGKILL,
            };
            tracing::info!("Passing signal {signal} on to the builder");
            return Some(signal);
        }
        if self.last.is_some_and(|last| Instant::now() >= last) {
            self.last = None;
            return Some(libc::SIGKILL);
        }
        if self.expired.is_some() {
            return None;
        }
        let whole = self.timeout.filter(|limit| self.begun.elapsed() >= *limit).map(Expired::Whole);
        let idle = self.idle.filter(|limit| heard.elapsed() >= *limit).map(Expired::Idle);
        self.expired = whole.or(idle);
        self.expired?;
        self.last = Some(Instant::now() + GRACE);
        Some(libc::SIGTERM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_is_passed_on_and_the_second_kills() {
        let interrupt = Interrupt::manual().unwrap();
        let mut clock = Clock::start(&interrupt, None, None);
        assert_eq!(clock.due(Instant::now()), None);
        interrupt.raise(libc::SIGINT);
        interrupt.raise(libc::SIGINT);
        assert_eq!(clock.due(Instant::now()), Some(libc::SIGINT));
        assert_eq!(clock.due(Instant::now()), Some(libc::SIGKILL));
        assert_eq!((clock.due(Instant::now()), clock.expired()), (None, None));
    }

    #[test]
    fn a_time_that_is_up_is_told_once() {
        let interrupt = Interrupt::manual().unwrap();
        let idle = Duration::from_millis(1);
        let mut clock = Clock::start(&interrupt, Some(Duration::from_secs(3600)), Some(idle));
        std::thread::sleep(idle);
        let heard = clock.begun;
        assert_eq!((clock.due(heard), clock.due(heard)), (Some(libc::SIGTERM), None));
        assert_eq!(clock.expired(), Some(Expired::Idle(idle)));
        clock.last = Some(Instant::now());
        assert_eq!((clock.due(heard), clock.due(heard)), (Some(libc::SIGKILL), None));
    }
}
