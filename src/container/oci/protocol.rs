//! What the command line and its helper processes say to each other: JSON lines, one pipe down
//! (the helper's standard input) and one up (its standard output).
//!
//! Nothing secret is ever in them. The end of the pipe from above ends the helper's work.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::rung::Rung;
use crate::container::ended::OutOfMemory;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::arrival::State;
use crate::image::layer::Layer;

/// Both ends are the same executable; the number guards against a mix-up all the same.
pub const VERSION: u32 = 1;

/// From the command line to the helper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Down {
    /// The first message, and the only one that every task gets.
    Job(Box<Job>),
    /// The id maps of the helper's user namespace are written.
    Mapped,
    /// How far a layer has arrived.
    Layer(LayerAt),
    /// Give up and clean up.
    Stop,
    /// The inputs lie in the volume: start the builder.
    Go,
    /// Pass this signal on to the builder.
    Signal(i32),
    /// Take the container apart; the journal of the volume stays.
    Remove,
}

/// From the helper to the command line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Up {
    /// Write the id maps of this process, then say `Mapped`.
    NeedMaps { pid: i32 },
    /// A log event.
    Log { level: Level, message: String },
    /// In a run: everything is mounted; waiting for `Go`. In an unpack: waiting for layers.
    Ready,
    /// What came of a step on the way to a container.
    Checked { name: String, error: Option<Error> },
    /// How many bytes of a layer's blob have been taken in, by its number in the job.
    Unpacking { layer: usize, bytes: u64 },
    /// The builder runs.
    Started,
    /// The builder's end: its exit code, or 128 + the number of the signal.
    Exited { code: i32, out_of_memory: OutOfMemory },
    /// The container's processes are gone, and so are the inputs in the volume.
    Stopped,
    /// The container is taken apart.
    Removed,
    /// The task is done, with its result.
    Done(serde_json::Value),
    /// The task failed.
    Failed(Error),
}

/// The levels that cross the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Lost causes of libcontainer's errors: kept for the error message, not shown.
    Cause,
    Warn,
    Info,
    Debug,
}

/// Where the blob of a layer is, and how much of it; see [`Arrival`](crate::image::arrival::Arrival).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerAt {
    /// Its number in the job.
    pub layer: usize,
    pub path: PathBuf,
    pub placed: PathBuf,
    pub bytes: u64,
    pub state: State,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    pub version: u32,
    pub rung: Rung,
    pub task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Do all that a run does to this host's kernel, and leave nothing.
    Probe,
    /// The same and more, for `doctor`: says what comes of each step.
    Check {
        /// Where an overlay's upper layer is tried.
        upper: Option<PathBuf>,
    },
    /// Apply these layers, lowest first; where their blobs are is said by what follows.
    Unpack { cache: PathBuf, layers: Vec<Layer> },
    /// Remove what killed unpacks of this mapping left in the cache.
    Sweep { cache: PathBuf },
    /// Run a container.
    Run(Box<super::helper::run::RunTask>),
    /// Finish what a dead run left.
    Reap { run_dir: PathBuf },
    /// Say how many bytes a tree takes.
    Measure { dir: PathBuf },
    /// Run a command in a container that was kept.
    Shell(Box<super::helper::shell::ShellTask>),
}

/// Writes one message as a line, in one `write` so that two writers of a pipe do not mix.
pub fn send<T: Serialize>(mut to: impl Write, message: &T) -> Result<()> {
    let mut line = serde_json::to_vec(message).doing(ErrorKind::Internal, || "encoding a message".into())?;
    line.push(b'\n');
    to.write_all(&line).doing(ErrorKind::Internal, || "talking to the other process".into())
}

/// Lines that arrive on a pipe, read as far as they are there.
pub struct Incoming<R> {
    from: R,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: Read> Incoming<R> {
    pub fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), ended: false }
    }

    /// The next message, waiting for it; `None` at the end of the pipe.
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// One read; call it when the pipe is readable, then take what is [`Incoming::buffered`].
    pub fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; 8192];
        let count = loop {
            match self.from.read(&mut chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => {
                    break other.doing(ErrorKind::Internal, || "listening to the other process".into())?;
                }
            }
        };
        self.ended |= count == 0;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    /// The next message of those already read.
    pub fn buffered<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        serde_json::from_slice(&line).map(Some).doing(ErrorKind::Internal, || "decoding a message".into())
    }

    pub fn ended(&self) -> bool {
        self.ended
    }
}

impl<R: AsFd> AsFd for Incoming<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cross_a_pipe_whole_and_in_order() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Down::Go).unwrap();
        send(&mut bytes, &Down::Signal(15)).unwrap();
        let mut incoming = Incoming::new(bytes.as_slice());
        assert!(matches!(incoming.next().unwrap(), Some(Down::Go)));
        assert!(matches!(incoming.next().unwrap(), Some(Down::Signal(15))));
        assert!(incoming.next::<Down>().unwrap().is_none());
    }

    #[test]
    fn an_error_keeps_kind_and_hint_across_the_pipe() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Up::Failed(Error::new(ErrorKind::Host, "no").hint("do"))).unwrap();
        let Some(Up::Failed(error)) = Incoming::new(bytes.as_slice()).next().unwrap() else { panic!() };
        assert_eq!((error.kind(), error.hint_text()), (ErrorKind::Host, Some("do")));
    }
}
