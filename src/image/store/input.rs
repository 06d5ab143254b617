//! The bytes of an archive, from a file or a pipe, decompressed on the way.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::interrupt::Interrupt;

pub(super) const CHUNK: usize = 128 << 10;

/// How bytes begin that are compressed (RFC 1952, RFC 8878); names of files say little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Reads `file` once, from where it is. Several gzip members in a row, as pigz and bgzip write
/// them, are one stream.
pub(super) fn open(file: File, interrupt: &Interrupt) -> io::Result<Box<dyn Read + '_>> {
    let mut file = Waiting { file, interrupt };
    let beginning = beginning(&mut file)?;
    let compression = Compression::of(&beginning);
    let file = BufReader::with_capacity(CHUNK, Cursor::new(beginning).chain(file));
    Ok(match compression {
        Compression::Gzip => {
            Box::new(BufReader::with_capacity(CHUNK, flate2::bufread::MultiGzDecoder::new(file)))
        }
        Compression::Zstd => {
            Box::new(BufReader::with_capacity(CHUNK, zstd::stream::read::Decoder::with_buffer(file)?))
        }
        Compression::None => Box::new(file),
    })
}

/// The first bytes, by which archives and layers are recognised.
pub(super) fn beginning(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that may be a pipe nobody writes to: signals are blocked and would not end a read.
struct Waiting<'a> {
    file: File,
    interrupt: &'a Interrupt,
}

impl Read for Waiting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.interrupt.check().map_err(io::Error::other)?;
            let mut ready = [self.file.as_fd(), self.interrupt.as_fd()]
                .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) if ready[0].any() == Some(true) => {}
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            match self.file.read(buffer) {
                // a pipe that somebody made non-blocking, and another reader of it
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}
