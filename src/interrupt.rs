//! The caller's wish to stop: signals counted by one thread, seen by everything that waits.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use nix::sys::signal::{SigSet, Signal};

use crate::error::{Doing, Error, ErrorKind, Result};

/// Shared by all threads of the command line's process; never becomes un-interrupted again.
#[derive(Clone)]
pub struct Interrupt(Arc<Shared>);

struct Shared {
    signal: AtomicI32,
    count: AtomicU32,
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Interrupt {
    /// An interrupt that only [`Interrupt::raise`] triggers.
    pub fn manual() -> Result<Self> {
        let (reader, writer) = nix::unistd::pipe().doing(ErrorKind::Internal, || "creating a pipe".into())?;
        Ok(Self(Arc::new(Shared { signal: AtomicI32::new(0), count: AtomicU32::new(0), reader, writer })))
    }

    /// Blocks SIGINT, SIGTERM and SIGHUP in this thread and those it will start, and has them
    /// counted by a thread of its own. Those that the caller ignores (nohup(1), background jobs)
    /// stay ignored. Call before any other thread exists, and not before there is something to
    /// clean up: until then the default action is right.
    pub fn from_signals() -> Result<Self> {
        let interrupt = Self::manual()?;
        let ignored = ignored_signals();
        let heeded = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let heeded = heeded.into_iter().filter(|signal| ignored >> (*signal as i32 - 1) & 1 == 0);
        let signals = SigSet::from_iter(heeded);
        signals.thread_block().doing(ErrorKind::Internal, || "blocking signals".into())?;
        let counting = interrupt.clone();
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                counting.raise(signal as i32);
            }
        });
        Ok(interrupt)
    }

    /// Notes one more signal; the first one gives the exit code.
    pub fn raise(&self, signal: i32) {
        let _ = self.0.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        self.0.count.fetch_add(1, Ordering::SeqCst);
        let _ = nix::unistd::write(&self.0.writer, &[signal as u8]);
    }

    /// How many signals have arrived.
    pub fn count(&self) -> u32 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// The first signal that arrived.
    pub fn signal(&self) -> Option<i32> {
        Some(self.0.signal.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
    }

    /// Fails with [`ErrorKind::Interrupted`] once a signal has arrived.
    pub fn check(&self) -> Result<()> {
        self.signal().map_or(Ok(()), |signal| Err(Self::error(signal)))
    }

    /// The error for the signal of this number.
    pub fn error(signal: i32) -> Error {
        let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |s| s.as_str().to_owned());
        Error::new(ErrorKind::Interrupted(signal), format!("interrupted by {name}"))
    }
}

/// Bit `n - 1` for signal `n` (proc(5), `SigIgn`).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// Readable from the first signal on; each signal is one byte, its number.
impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.reader.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_names_the_error_and_all_are_counted() {
        let interrupt = Interrupt::manual().unwrap();
        assert!(interrupt.check().is_ok());
        interrupt.raise(15);
        interrupt.raise(2);
        assert_eq!(interrupt.count(), 2);
        assert_eq!(interrupt.check().unwrap_err().kind(), ErrorKind::Interrupted(15));
    }
}
