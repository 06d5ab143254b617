//! The image's command, examined before any secret is written: what exec(2) would refuse with one
//! word is named here with the file, what was found in it, and the way out.
//!
//! This runs in the container's init, as the image's User and among the container's mounts, so what
//! the kernel answers here is what it will answer then. No path may lead through a magic link of
//! /proc: until exec those lead to files of the host, our own executable among them (CVE-2019-5736).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;
use oci_spec::runtime::{Process, User};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::binfmt::Emulator;
use super::elf;
use crate::container::oci::capabilities;
use crate::error::{Doing, Error, ErrorKind, Result};

/// What the kernel looks at to tell what a file is (BINPRM_BUF_SIZE).
const HEAD: usize = 256;
/// So many interpreters may be scripts themselves (fs/exec.c, exec_binprm).
const DEEPEST: usize = 5;

/// Whether words of the image could be handed to the kernel at all: strings there end at a NUL.
pub fn check_words(process: &Process) -> Result<()> {
    let args = process.args().iter().flatten();
    let env = process.env().iter().flatten();
    let bad = |what: &str, word: &str| {
        Error::new(ErrorKind::Builder, format!("the image's {what} {word:?} cannot be given to a program"))
            .hint("it holds a NUL character or has no name; build the image without it")
    };
    if process.args().iter().flatten().next().is_some_and(String::is_empty) {
        return Err(Error::new(
            ErrorKind::Builder,
            "the first word of the image's Entrypoint or Cmd is empty",
        )
        .hint("it must name the program to run"));
    }
    if let Some(word) = args.into_iter().find(|word| word.contains('\0')) {
        return Err(bad("Entrypoint or Cmd", word));
    }
    match env.into_iter().find(|line| line.contains('\0') || line.starts_with('=')) {
        // the value may be a secret of the caller
        Some(line) => Err(bad("environment variable", line.split(['=', '\0']).next().unwrap_or_default())),
        None => Ok(()),
    }
}

/// Fails with [`ErrorKind::Builder`] where exec of the process's command is bound to fail; what cannot
/// be told is left to exec. `root` is the container's, absolute.
pub fn check(process: &Process, root: &Path, emulators: &[Emulator]) -> Result<()> {
    let starting = || "starting the builder".to_owned();
    let name = process.args().iter().flatten().next().map(String::as_str).unwrap_or_default();
    let top = File::open(root).doing(ErrorKind::Builder, starting)?;
    let (path, user) = (search_path(process), process.user().uid());
    let place = Place { top: top.into(), cwd: process.cwd(), path: &path, user, emulators };
    place.check_cwd(process.user());
    let seek = || place.seek(name);
    let sought = if user == 0 { seek() } else { capabilities::without(seek)? };
    sought.map_err(|error| error.context(starting()))
}

fn search_path(process: &Process) -> OsString {
    let path = process.env().iter().flatten().find_map(|line| line.strip_prefix("PATH="));
    path.unwrap_or_default().into()
}

fn not_in(path: &OsStr, name: &str) -> Error {
    let text = format!("{name:?} is in none of the directories of the image's PATH ({})", path.display());
    Error::new(ErrorKind::Builder, text)
        .hint("the image's Entrypoint or Cmd must name a program that the image has")
}

/// Where names are looked up, and for whom.
struct Place<'a> {
    top: OwnedFd,
    cwd: &'a Path,
    path: &'a OsStr,
    user: u32,
    emulators: &'a [Emulator],
}

enum Found {
    Runnable,
    /// There is no such file.
    Nothing,
}

fn bad(file: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Builder, format!("{file:?} {what}"))
}

impl Place<'_> {
    /// Other engines start such builders too, and many need no working directory. Goes by the mode:
    /// the capabilities that this process still has end with exec.
    fn check_cwd(&self, user: &User) {
        let Ok(Some(dir)) = self.open(Path::new(""), OFlags::PATH) else { return };
        let Ok(stat) = rustix::fs::fstat(dir) else { return };
        let groups = user.additional_gids().iter().flatten().copied().chain([user.gid()]);
        let bit = match (stat.st_uid == self.user, groups.into_iter().any(|gid| gid == stat.st_gid)) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if self.user != 0 && stat.st_mode & bit == 0 {
            tracing::warn!("the image's WorkingDir {:?} cannot be entered by user {}", self.cwd, self.user);
        }
    }

    /// As execvp(3): a later directory may have a better one.
    fn seek(&self, name: &str) -> Result<()> {
        let candidates = match name.contains('/') {
            true => vec![PathBuf::from(name)],
            false => std::env::split_paths(self.path).map(|dir| dir.join(name)).collect(),
        };
        let mut refused = None;
        for file in &candidates {
            match self.examine(file, 0) {
                Ok(Found::Runnable) => return Ok(()),
                Ok(Found::Nothing) => {}
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| match name.contains('/') {
            true => self.missing(Path::new(name)),
            false => not_in(self.path, name),
        }))
    }

    fn examine(&self, file: &Path, depth: usize) -> Result<Found> {
        let Some(fd) = self.open(file, OFlags::PATH)? else { return Ok(Found::Nothing) };
        self.check_executable(file, &fd)?;
        // now that it is known for a regular file, opening it cannot wait or touch a device
        let opened = self.open(file, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        // one may execute what one may not read
        let Ok(Some(opened)) = opened else { return Ok(Found::Runnable) };
        let opened = File::from(opened);
        let head = head(&opened).doing(ErrorKind::Builder, || format!("reading {file:?}"))?;
        if let Some(emulator) = self.emulators.iter().find(|emulator| emulator.takes(file, &head)) {
            return self.check_emulator(file, emulator);
        }
        match head.as_slice() {
            [] => Err(bad(file, "is empty").hint("was the image built completely?")),
            [b'#', b'!', line @ ..] => self.script(file, line, depth),
            head if head.starts_with(elf::MAGIC) => self.program(file, &opened, head),
            _ => Err(bad(file, "is neither a program (ELF) nor a script with a `#!` line")
                .hint("a script has to begin with a line such as `#!/bin/sh`")),
        }
    }

    fn check_executable(&self, file: &Path, fd: &OwnedFd) -> Result<()> {
        let stat = rustix::fs::fstat(fd).doing(ErrorKind::Builder, || format!("looking at {file:?}"))?;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if may_execute(fd) => return Ok(()),
            FileType::RegularFile => {
                let what = format!("is not executable for the image's user {}", self.user);
                let mode =
                    format!("its mode is {:04o}; make it executable in the image", stat.st_mode & 0o7777);
                return Err(bad(file, &what).hint(mode));
            }
            FileType::Directory => "is a directory",
            FileType::Fifo => "is a FIFO",
            FileType::Socket => "is a socket",
            _ => "is a device",
        };
        Err(bad(file, &format!("{what}, not a program"))
            .hint("the image's Entrypoint or Cmd must name a program"))
    }

    fn check_emulator(&self, file: &Path, emulator: &Emulator) -> Result<Found> {
        let interpreter = &emulator.interpreter;
        match emulator.fixed || !matches!(self.open(interpreter, OFlags::PATH), Ok(None)) {
            true => Ok(Found::Runnable),
            false => {
                let what =
                    format!("is run here by {interpreter:?} (binfmt_misc), which the image does not have");
                Err(bad(file, &what)
                    .hint("register the emulator with the flag F, or use an image for this host"))
            }
        }
    }

    fn program(&self, file: &Path, opened: &File, head: &[u8]) -> Result<Found> {
        let size = opened.metadata().doing(ErrorKind::Builder, || format!("looking at {file:?}"))?.len();
        let loader = match elf::loader(opened, size, head) {
            Ok(Some(loader)) => loader,
            Ok(None) => return Ok(Found::Runnable),
            Err(elf::Fault::Foreign(machine)) => return Err(foreign(file, &machine)),
            Err(elf::Fault::Damaged(how)) => {
                return Err(bad(file, how).hint("build the image anew, from a whole file"));
            }
        };
        let naming = || format!("{file:?} needs the loader {loader:?}");
        match self.open(&loader, OFlags::PATH).map_err(|error| error.context(naming()))? {
            Some(fd) => {
                self.check_executable(&loader, &fd).map_err(|error| error.context(naming()))?;
                Ok(Found::Runnable)
            }
            None => {
                let what = format!("needs the loader {loader:?}, which the image does not have");
                Err(bad(file, &what).hint(origin_of(&loader)))
            }
        }
    }

    /// `line` follows the `#!` (execve(2), "Interpreter scripts").
    fn script(&self, file: &Path, line: &[u8], depth: usize) -> Result<Found> {
        let end = line.iter().position(|&byte| byte == b'\n' || byte == 0);
        let (line, is_whole) = (&line[..end.unwrap_or(line.len())], end.is_some() || line.len() < HEAD - 2);
        if line.ends_with(b"\r") {
            let what = "has a `#!` line that ends with a carriage return, as Windows editors write it";
            return Err(bad(file, what).hint(format!("take them out: sed -i 's/\\r$//' {}", file.display())));
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(interpreter) = words.next() else {
            return Err(bad(file, "has a `#!` line that names no interpreter"));
        };
        let interpreter = Path::new(OsStr::from_bytes(interpreter));
        let next = words.next();
        if next.is_none() && !is_whole {
            return Err(bad(file, "has a `#!` line that is longer than the kernel reads"));
        }
        let naming = || format!("{file:?} is a script for {interpreter:?}");
        if depth == DEEPEST {
            return Err(Error::new(ErrorKind::Builder, "its interpreters are scripts without end")
                .hint("a script's first line has to lead to a program"));
        }
        // an interpreter's own fault is told of that, and once of the script that one knows
        let wrap = |error: Error| if depth == 0 { error.context(naming()) } else { error };
        match self.examine(interpreter, depth + 1).map_err(wrap)? {
            Found::Nothing => {
                let text = format!("{}, which the image does not have", naming());
                Err(Error::new(ErrorKind::Builder, text)
                    .hint("install that interpreter in the image, or change the script's first line"))
            }
            Found::Runnable => {
                self.warn_of_env(file, interpreter, next);
                Ok(Found::Runnable)
            }
        }
    }

    /// env(1) looks its program up itself, perhaps elsewhere.
    fn warn_of_env(&self, file: &Path, interpreter: &Path, program: Option<&[u8]>) {
        let Some(program) = program.map(OsStr::from_bytes).map(Path::new) else { return };
        let plain = program.components().count() == 1
            && !program.as_os_str().as_bytes().starts_with(b"-")
            && !program.as_os_str().as_bytes().contains(&b'=');
        if interpreter.file_name() != Some(OsStr::new("env")) || !plain {
            return;
        }
        let dirs = std::env::split_paths(self.path).map(|dir| dir.join(program));
        if dirs.into_iter().all(|found| matches!(self.open(&found, OFlags::PATH), Ok(None))) {
            tracing::warn!(
                "{file:?} is a script for {program:?}, which is in no directory of the image's PATH"
            );
        }
    }

    /// `None`: there is no such file. Resolved inside the root, and never through magic links.
    fn open(&self, file: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        let path = self.cwd.join(file);
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut opened = openat2(&self.top, &path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        for _ in 0..10 {
            // `..` while something on the host is renamed
            if !matches!(opened, Err(Errno::AGAIN)) {
                break;
            }
            opened = openat2(&self.top, &path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        }
        match opened {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP) => Err(bad(
                file,
                "is reached through a loop of symbolic links, or one that leads out of the container",
            )),
            Err(Errno::ACCESS) => {
                let what = format!("cannot be reached by the image's user {}", self.user);
                Err(bad(file, &what).hint("a directory on its way, or the file, does not let that user in"))
            }
            Err(errno) => Err(errno).doing(ErrorKind::Builder, || format!("opening {file:?}")),
        }
    }

    fn missing(&self, file: &Path) -> Error {
        let link = self.open(file, OFlags::PATH | OFlags::NOFOLLOW).ok().flatten();
        match link.and_then(|link| rustix::fs::readlinkat(&link, "", Vec::new()).ok()) {
            Some(target) => {
                bad(file, &format!("is a symbolic link to {target:?}, which leads nowhere in the image"))
            }
            None => bad(file, "is not in the image"),
        }
        .hint("the image's Entrypoint or Cmd must name a program that the image has")
    }
}

fn foreign(file: &Path, machine: &str) -> Error {
    bad(file, &format!("is a program for {machine}, and this host is {}", elf::host())).hint(
        "use the image for this host's architecture, or register an emulator (Debian: qemu-user-static)",
    )
}

fn origin_of(loader: &Path) -> &'static str {
    let name = loader.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.as_str() {
        name if name.starts_with("ld-musl") => {
            "it was built for musl (Alpine Linux) and the image has another C library: \
             link it statically, or build it where the image comes from"
        }
        name if name.starts_with("ld-linux") || name.starts_with("ld64") => {
            "it was built for glibc and the image has another C library (Alpine Linux has musl): \
             link it statically, or build it where the image comes from"
        }
        _ => "link it statically, or add the loader and its libraries to the image",
    }
}

/// Asks the kernel, which knows ACLs, capabilities and noexec mounts. Where it does not answer, exec will.
fn may_execute(fd: &OwnedFd) -> bool {
    // SAFETY: plain system call on a descriptor and a constant string; glibc's wrapper lacks the flag
    let answer = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::X_OK,
            libc::AT_EMPTY_PATH | libc::AT_EACCESS,
        )
    };
    answer == 0 || nix::errno::Errno::last() != nix::errno::Errno::EACCES
}

fn head(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
