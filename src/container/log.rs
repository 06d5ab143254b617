//! The builder's output: always to a file, to the log while it runs, its last lines into errors.
//!
//! A builder may write without end. The file takes its first [`HEAD`] bytes and its last [`RECENT`],
//! and says how many are left out between them; memory holds only the latter.
//!
//! Whatever reads a log here reads it without the site's secrets: they are taken out before anything
//! else is done with what came. Only this process writes the file; once it is dead, nobody does.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;

use super::record::{self, make_dirs};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::site::secrets::{Filter, SecretValues};

/// Lines that an error quotes.
const TAIL: usize = 15;
/// Longer lines are quoted in part.
const LINE: usize = 400;
/// Logs kept of runs that are over.
pub const KEPT: usize = 20;
/// Bytes of the beginning that are kept.
pub const HEAD: u64 = 63 << 20;
/// Bytes of the end that are kept.
pub const RECENT: usize = 1 << 20;
/// Bytes taken at once, so that a builder that writes faster than we read does not keep us from
/// looking at the clock.
const AT_ONCE: usize = 1 << 20;

/// Collects what arrives on a pipe.
pub struct Log {
    path: PathBuf,
    file: Bounded,
    pipe: File,
    filter: Filter,
    line: Vec<u8>,
    tail: VecDeque<String>,
    ended: bool,
}

/// A file of bounded size, whatever is written.
struct Bounded {
    /// `None` once writing has failed.
    file: Option<File>,
    written: u64,
    recent: VecDeque<u8>,
    left_out: u64,
}

impl Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let room = usize::try_from(HEAD - self.written).unwrap_or(usize::MAX);
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.written += first.len() as u64;
        self.recent.extend(rest);
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.left_out += surplus as u64;
        self.recent.drain(..surplus);
        self.put(first)
    }

    /// Adds the end, and what is not there before it.
    fn finish(&mut self) -> std::io::Result<()> {
        let recent = std::mem::take(&mut self.recent);
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            self.put(format!("\n[airshipctl: {left_out} bytes of output are left out here]\n").as_bytes())?;
        }
        let (front, back) = recent.as_slices();
        self.put(front).and_then(|()| self.put(back))
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        let written = file.write_all(bytes);
        if written.is_err() {
            self.file = None;
        }
        written
    }
}

impl Log {
    /// Opens `<state>/logs/<id>.log` (0600) and a pipe to it; the second value is its writing end.
    /// `secrets` will not be in what is written, shown or quoted.
    pub fn open(state: &Path, id: &str, secrets: &SecretValues) -> Result<(Self, OwnedFd)> {
        make_dirs(&state.join("logs"))?;
        // with this one they are as many as are kept
        prune(state, KEPT - 1);
        let path = path(state, id);
        let doing = || format!("writing the log {}", path.display());
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .doing(ErrorKind::Internal, doing)?;
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).doing(ErrorKind::Internal, doing)?;
        rustix::io::ioctl_fionbio(&reader, true).doing(ErrorKind::Internal, doing)?;
        let file = Bounded { file: Some(file), written: 0, recent: VecDeque::new(), left_out: 0 };
        let (pipe, line, tail) = (File::from(reader), Vec::new(), VecDeque::new());
        let filter = secrets.filter();
        Ok((Self { path, file, pipe, filter, line, tail, ended: false }, writer))
    }

    /// Whether every process that could write has ended.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Takes what has arrived, without waiting, and returns how much that was. There may be more.
    pub fn collect(&mut self) -> usize {
        let (mut chunk, mut all) = ([0; 16384], 0);
        while all < AT_ONCE && !self.ended {
            match self.pipe.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    self.flush();
                }
                Ok(count) => {
                    self.take(&chunk[..count]);
                    all += count;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        all
    }

    /// Takes what is left when the builder has ended, and completes the file.
    pub fn finish(&mut self) {
        // bounded, should somebody who outlived it write on
        for _ in 0..64 {
            if self.collect() == 0 {
                break;
            }
        }
        self.flush();
        let finished = self.file.finish();
        self.report(finished);
    }

    /// The end of the output: what the filter held back, and the last line.
    fn flush(&mut self) {
        let rest = self.filter.finish();
        self.put(&rest);
        self.end_line();
    }

    /// A full disk loses log, not the run; it is told once, since nothing is written after it.
    fn report(&self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!("writing the log {}: {error}; it ends here", self.path.display());
        }
    }

    /// Takes what came, by the pipe or by another way.
    pub fn take(&mut self, bytes: &[u8]) {
        let shown = self.filter.take(bytes);
        self.put(&shown);
    }

    /// Writes and quotes what may be seen.
    fn put(&mut self, bytes: &[u8]) {
        let written = self.file.write(bytes);
        self.report(written);
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

    /// An error with the last lines, and where all of them are.
    pub fn quote(&self, error: Error) -> Error {
        error.because(format!("its last output (all of it is in {}):{}", self.path.display(), self.tail()))
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

/// The log of the run `id`.
pub fn path(state: &Path, id: &str) -> PathBuf {
    state.join("logs").join(format!("{id}.log"))
}

/// The runs that have a log.
pub fn ids(state: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(state.join("logs")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| Some(name.strip_suffix(".log")?.to_owned())).collect()
}

/// Removes all but the newest `keep` logs of runs that are over, and returns how many. Where a run
/// has a record, which means that it runs or is kept, its log stays.
pub fn prune(state: &Path, keep: usize) -> usize {
    let Ok(runs) = record::all(state) else { return 0 };
    let is_over = |id: &String| runs.iter().all(|run| run.id != *id);
    let modified = |path: &PathBuf| {
        std::fs::metadata(path).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut logs: Vec<PathBuf> =
        ids(state).iter().filter(|id| is_over(id)).map(|id| path(state, id)).collect();
    logs.sort_by_cached_key(modified);
    let surplus = logs.len().saturating_sub(keep);
    logs[..surplus].iter().filter(|path| std::fs::remove_file(path).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_file_and_the_last_lines_in_the_tail() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, writer) = Log::open(state.path(), "x", &SecretValues::default()).unwrap();
        let mut writer = File::from(writer);
        for number in 0..40 {
            writeln!(writer, "line {number}").unwrap();
        }
        write!(writer, "no newline\x1b[2J").unwrap();
        drop(writer);
        log.collect();
        assert!(log.ended());
        assert!(std::fs::read_to_string(&log.path).unwrap().contains("line 0\n"));
        let tail = log.tail();
        assert!(tail.starts_with("\n  | line 26\n") && tail.ends_with("no newline [2J"), "{tail}");
    }

    #[test]
    fn old_logs_are_pruned_but_not_those_of_runs_with_a_record() {
        let state = tempfile::tempdir().unwrap();
        let run = record::Record::create(state.path(), &"about").unwrap();
        Log::open(state.path(), run.id(), &SecretValues::default()).unwrap();
        for id in 0..30 {
            Log::open(state.path(), &id.to_string(), &SecretValues::default()).unwrap();
        }
        let mut left = ids(state.path());
        assert_eq!(left.len(), KEPT + 1);
        assert!(left.contains(&run.id().to_owned()));
        assert_eq!(prune(state.path(), 0), KEPT);
        left = ids(state.path());
        assert_eq!(left, [run.id()]);
    }

    #[test]
    fn a_builder_that_writes_without_end_fills_neither_disk_nor_memory() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, writer) = Log::open(state.path(), "x", &SecretValues::default()).unwrap();
        let writing = std::thread::spawn(move || {
            let (mut writer, line) = (File::from(writer), [b"x".repeat(1023), b"\n".to_vec()].concat());
            writer.write_all(b"first\n").unwrap();
            for _ in 0..72 << 10 {
                writer.write_all(&line).unwrap();
            }
            writer.write_all(b"last\n").unwrap();
        });
        while !log.ended() {
            assert!(log.collect() <= AT_ONCE + 16384, "it comes back while the builder writes on");
            assert!(log.file.recent.len() <= RECENT);
        }
        writing.join().unwrap();
        log.finish();
        let text = std::fs::read_to_string(&log.path).unwrap();
        assert!(text.starts_with("first\n") && text.ends_with("x\nlast\n"));
        let left_out = (72 << 20) + 11 - HEAD - RECENT as u64;
        assert!(text.contains(&format!("[airshipctl: {left_out} bytes of output are left out here]")));
        assert!(text.len() as u64 <= HEAD + RECENT as u64 + 100);
        assert!(log.tail().ends_with("| last"));
    }

    #[test]
    fn a_log_a_little_too_long_for_its_first_part_is_whole() {
        let file = tempfile::tempfile().unwrap();
        let mut bounded =
            Bounded { file: Some(file), written: HEAD - 3, recent: VecDeque::new(), left_out: 0 };
        bounded.write(b"abcdef").unwrap();
        bounded.finish().unwrap();
        let mut file = bounded.file.unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        assert_eq!(std::io::read_to_string(file).unwrap(), "abcdef");
    }
}
