//! The builder's output: always to a file, to the log while it runs, its last lines into errors.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::record::make_dirs;
use crate::error::{Doing, ErrorKind, Result};

/// Lines that an error quotes.
const TAIL: usize = 15;
/// Longer lines are quoted in part.
const LINE: usize = 400;
/// Logs kept of earlier runs.
const KEPT: usize = 20;

/// Collects what arrives on a pipe.
pub struct Log {
    path: PathBuf,
    file: File,
    pipe: File,
    line: Vec<u8>,
    tail: VecDeque<String>,
    ended: bool,
}

impl Log {
    /// Opens `<state>/logs/<id>.log` (0600) and a pipe to it; the second value is its writing end.
    pub fn open(state: &Path, id: &str) -> Result<(Self, OwnedFd)> {
        let logs = state.join("logs");
        make_dirs(&logs)?;
        prune(&logs);
        let path = logs.join(format!("{id}.log"));
        let doing = || format!("writing the log {}", path.display());
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .doing(ErrorKind::Internal, doing)?;
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).doing(ErrorKind::Internal, doing)?;
        rustix::io::ioctl_fionbio(&reader, true).doing(ErrorKind::Internal, doing)?;
        let pipe = File::from(reader);
        let (line, tail) = (Vec::new(), VecDeque::new());
        Ok((Self { path, file, pipe, line, tail, ended: false }, writer))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether every process that could write has ended.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Takes what has arrived, without waiting. A full disk loses log, not the run.
    pub fn collect(&mut self) {
        let mut chunk = [0; 16384];
        loop {
            match self.pipe.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    self.end_line();
                    return;
                }
                Ok(count) => self.take(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Takes what came by another way than the pipe.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Err(error) = self.file.write_all(bytes) {
            tracing::debug!("writing the log {}: {error}", self.path.display());
        }
        self.split(bytes);
    }

    fn split(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < LINE => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        tracing::debug!(target: "airshipctl::builder", "{line}");
        self.tail.push_back(line);
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    /// The last lines, each indented, for the end of an error message; control characters escaped.
    pub fn tail(&self) -> String {
        let clean =
            |line: &String| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        self.tail.iter().map(|line| format!("\n  | {}", clean(line))).collect()
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Removes all but the newest logs.
fn prune(logs: &Path) {
    let modified = |path: &PathBuf| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let mut found: Vec<_> =
        std::fs::read_dir(logs).into_iter().flatten().flatten().map(|e| e.path()).collect();
    found.sort_by_key(modified);
    let surplus = found.len().saturating_sub(KEPT);
    for path in &found[..surplus] {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_file_and_the_last_lines_in_the_tail() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, writer) = Log::open(state.path(), "x").unwrap();
        let mut writer = File::from(writer);
        for number in 0..40 {
            writeln!(writer, "line {number}").unwrap();
        }
        write!(writer, "no newline\x1b[2J").unwrap();
        drop(writer);
        log.collect();
        assert!(log.ended());
        assert!(std::fs::read_to_string(log.path()).unwrap().contains("line 0\n"));
        let tail = log.tail();
        assert!(tail.starts_with("\n  | line 26\n") && tail.ends_with("no newline [2J"), "{tail}");
    }

    #[test]
    fn old_logs_are_pruned() {
        let state = tempfile::tempdir().unwrap();
        for id in 0..30 {
            Log::open(state.path(), &id.to_string()).unwrap();
        }
        assert_eq!(std::fs::read_dir(state.path().join("logs")).unwrap().count(), KEPT + 1);
    }
}
