//! The command line's side of a helper process: start it, map its ids, hear it out.

use std::io::ErrorKind as IoKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::idmap;
use super::protocol::{Down, Incoming, Job, Level, Task, Up, VERSION};
use super::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// The argument that makes this executable a helper.
pub const HELPER_ARGUMENT: &str = "__helper";

/// A running helper process. Dropping it closes the pipe down, which ends the helper's work, and
/// waits for it to clean up.
pub struct Helper {
    child: Child,
    down: Option<ChildStdin>,
    up: Incoming<ChildStdout>,
    rung: Rung,
    causes: Causes,
}

/// What libcontainer only logged, until the helper has told of a failure; what comes then is about
/// its consequences.
enum Causes {
    Collected(Vec<String>),
    Told,
}

/// What a helper needs besides its job.
pub struct Surroundings<'a> {
    /// Its standard error; in a run also the builder's output.
    pub stderr: Stdio,
    /// Locks which the helper shall hold too, so that they outlive a killed command line.
    pub locks: &'a [BorrowedFd<'a>],
}

impl Default for Surroundings<'_> {
    fn default() -> Self {
        Self { stderr: Stdio::inherit(), locks: &[] }
    }
}

impl Helper {
    /// Executes `/proc/self/exe __helper` in a process group of its own (a terminal's Ctrl-C comes
    /// to us alone) with an empty environment, and gives it its job.
    pub fn spawn(rung: &Rung, task: Task, surroundings: Surroundings<'_>) -> Result<Self> {
        let doing = || "starting a helper process".to_owned();
        inherit(surroundings.locks, FdFlag::empty())?;
        let spawned = Command::new("/proc/self/exe")
            .arg(HELPER_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(surroundings.stderr)
            .spawn();
        inherit(surroundings.locks, FdFlag::FD_CLOEXEC)?;
        let mut child = spawned.doing(ErrorKind::Host, doing)?;
        let missing = || Error::new(ErrorKind::Internal, format!("{}: no pipe", doing()));
        let down = child.stdin.take().ok_or_else(missing)?;
        let up = Incoming::new(child.stdout.take().ok_or_else(missing)?);
        let helper =
            Self { child, down: Some(down), up, rung: rung.clone(), causes: Causes::Collected(Vec::new()) };
        helper.say(&Down::Job(Box::new(Job { version: VERSION, rung: rung.clone(), task })))?;
        Ok(helper)
    }

    /// Sends one message. A helper that is gone is no error here: what it said last tells more.
    pub fn say(&self, message: &Down) -> Result<()> {
        self.down.as_ref().map_or(Ok(()), |down| say(down, message))
    }

    /// Another way to talk to it, for while [`Helper::call`] listens. The helper takes the pipe for
    /// closed only when this is dropped too.
    pub fn orders(&self) -> Result<Orders> {
        let copied = self.down.as_ref().map(|down| down.as_fd().try_clone_to_owned()).transpose();
        let copied = copied.doing(ErrorKind::Internal, || "copying a pipe".into())?;
        Ok(Orders(copied.map(ChildStdin::from)))
    }

    /// Waits until it says so. An interrupt ends that.
    pub fn ready(&mut self, interrupt: &Interrupt) -> Result<()> {
        loop {
            interrupt.check()?;
            wait_for(&[self.as_fd(), interrupt.as_fd()])?;
            interrupt.check()?;
            self.up.fill()?;
            while let Some(message) = self.heard()? {
                match message {
                    Up::Ready => return Ok(()),
                    Up::Failed(error) => return Err(self.explain(error)),
                    _ => {}
                }
            }
            if self.is_gone() {
                return Err(self.lost());
            }
        }
    }

    /// Runs a task that ends by itself. An interrupt ends it early, after it has cleaned up.
    pub fn call(self, interrupt: Option<&Interrupt>) -> Result<serde_json::Value> {
        self.call_noting(interrupt, |_| ())
    }

    /// The same; `note` gets what it says before its end.
    pub fn call_noting(
        mut self,
        interrupt: Option<&Interrupt>,
        mut note: impl FnMut(Up),
    ) -> Result<serde_json::Value> {
        let interrupted = || interrupt.and_then(|i| i.check().err());
        loop {
            // what came with the message that it is ready was not looked at then
            while let Some(message) = self.heard()? {
                match message {
                    Up::Done(value) => return Ok(value),
                    Up::Failed(error) => return Err(interrupted().unwrap_or_else(|| self.explain(error))),
                    other => note(other),
                }
            }
            if self.is_gone() {
                return Err(interrupted().unwrap_or_else(|| self.lost()));
            }
            match interrupt {
                Some(interrupt) if interrupt.check().is_ok() => {
                    wait_for(&[self.as_fd(), interrupt.as_fd()])?;
                    if interrupt.check().is_err() {
                        continue;
                    }
                }
                // closing the pipe is the order to clean up; then the helper is heard out
                Some(_) => self.down = None,
                None => {}
            }
            self.up.fill()?;
        }
    }

    /// Reads once, waiting if need be, and returns the messages that are not dealt with here.
    pub fn arrived(&mut self) -> Result<Vec<Up>> {
        self.up.fill()?;
        std::iter::from_fn(|| self.heard().transpose()).collect()
    }

    /// The next message that was read and is not dealt with here; those behind it stay for the next call.
    fn heard(&mut self) -> Result<Option<Up>> {
        while let Some(message) = self.up.buffered()? {
            if let Some(message) = self.digest(message)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    pub fn rung(&self) -> &Rung {
        &self.rung
    }

    /// Whether the helper has closed its end.
    pub fn is_gone(&self) -> bool {
        self.up.ended()
    }

    fn digest(&mut self, message: Up) -> Result<Option<Up>> {
        match message {
            Up::NeedMaps { pid } => {
                idmap::write_subordinate(&self.rung, pid).map_err(|error| error.of_check("id-maps"))?;
                self.say(&Down::Mapped)?;
            }
            Up::Log { level: Level::Cause, message } => match &mut self.causes {
                Causes::Collected(causes) => causes.push(message),
                Causes::Told => tracing::debug!("{message}"),
            },
            Up::Failed(error) => {
                let error = self.explain(error);
                self.causes = Causes::Told;
                return Ok(Some(Up::Failed(error)));
            }
            Up::Log { level: Level::Warn, message } => tracing::warn!("{message}"),
            Up::Log { level: Level::Info, message } => tracing::info!("{message}"),
            Up::Log { level: Level::Debug, message } => tracing::debug!("{message}"),
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    /// Adds the causes that libcontainer only logged; the first one lies deepest.
    pub fn explain(&self, error: Error) -> Error {
        match &self.causes {
            Causes::Collected(causes) => {
                causes.iter().skip(1).for_each(|cause| tracing::debug!("{cause}"));
                match causes.first() {
                    Some(cause) => error.because(cause.clone()),
                    None => error,
                }
            }
            Causes::Told => error,
        }
    }

    /// The error for a helper that ended without a word.
    pub fn lost(&mut self) -> Error {
        let how = match self.finish() {
            Ok(status) => match status.signal() {
                Some(signal) => format!("was killed by signal {signal}"),
                None => format!("ended with code {}", status.code().unwrap_or(-1)),
            },
            Err(error) => error.to_string(),
        };
        self.explain(Error::new(ErrorKind::Internal, format!("the helper process {how}")))
    }

    /// Closes the pipe down and waits for the helper's end.
    pub fn finish(&mut self) -> Result<ExitStatus> {
        self.down = None;
        self.child.wait().doing(ErrorKind::Internal, || "waiting for a helper process".into())
    }
}

/// See [`Helper::orders`].
pub struct Orders(Option<ChildStdin>);

impl Orders {
    /// Sends one message, as [`Helper::say`] does.
    pub fn say(&self, message: &Down) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |down| say(down, message))
    }
}

fn say(mut down: &ChildStdin, message: &Down) -> Result<()> {
    let line = serde_json::to_vec(message).doing(ErrorKind::Internal, || "encoding a message".into())?;
    let written = std::io::Write::write_all(&mut down, &[&line[..], b"\n"].concat());
    match written {
        Err(error) if error.kind() == IoKind::BrokenPipe => Ok(()),
        other => other.doing(ErrorKind::Internal, || "talking to a helper process".into()),
    }
}

impl AsFd for Helper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.up.as_fd()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!("{error}");
        }
    }
}

fn inherit(locks: &[BorrowedFd<'_>], flag: FdFlag) -> Result<()> {
    locks.iter().try_for_each(|lock| {
        fcntl(lock.as_raw_fd(), FcntlArg::F_SETFD(flag))
            .map(drop)
            .doing(ErrorKind::Internal, || "passing a lock on".into())
    })
}

/// Blocks until one of them is readable or at its end.
pub fn wait_for(fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match poll(&mut polled, PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error).doing(ErrorKind::Internal, || "waiting for a helper process".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says all of it before anybody listens, and ends.
    fn quick(said: &[Up]) -> Helper {
        let lines: Vec<_> = said.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
        let mut child = Command::new("printf")
            .arg("%s\n")
            .args(lines)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (down, up) = (child.stdin.take(), Incoming::new(child.stdout.take().unwrap()));
        child.wait().unwrap();
        Helper { child, down, up, rung: Rung::Root, causes: Causes::Collected(Vec::new()) }
    }

    #[test]
    fn what_a_helper_says_in_one_breath_is_heard_to_its_end() {
        let interrupt = Interrupt::manual().unwrap();
        let said = [Up::Ready, Up::Unpacking { layer: 0, bytes: 7 }, Up::Done("rootfs".into())];
        let (mut helper, mut noted) = (quick(&said), Vec::new());
        helper.ready(&interrupt).unwrap();
        let done = helper.call_noting(Some(&interrupt), |message| noted.push(format!("{message:?}")));
        assert_eq!(done.unwrap(), "rootfs");
        assert_eq!(noted, ["Unpacking { layer: 0, bytes: 7 }"]);
    }

    #[test]
    fn a_helper_that_ends_without_a_word_is_lost() {
        let interrupt = Interrupt::manual().unwrap();
        let mut helper = quick(&[Up::Ready]);
        helper.ready(&interrupt).unwrap();
        let error = helper.call(Some(&interrupt)).unwrap_err();
        assert_eq!(error.to_string(), "the helper process ended with code 0");
    }
}
