//! A compressed blob as a stream of its uncompressed bytes: read, checked and inflated by a thread
//! of its own, so that inflating overlaps with the writing of files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use flate2::bufread::MultiGzDecoder;

use crate::image::digest::Verified;
use crate::image::layer::Layer;
use crate::interrupt::Interrupt;

/// Size of a chunk: below 128 KiB the hand-over costs more than it saves.
pub(super) const CHUNK: usize = 256 << 10;
/// Chunks in circulation: 4 MiB for each layer that is being inflated.
const CHUNKS: usize = 16;
/// Largest zstd window, 128 MiB: the library's own limit; `--long=31` would take 2 GiB of memory.
const WINDOW_LOG: u32 = 27;

enum Message {
    Data(Vec<u8>, usize),
    End,
    Failed(io::Error),
}

/// The uncompressed bytes. Ends only after the blob's size and digest were found right.
pub(super) struct Inflated {
    full: Option<Receiver<Message>>,
    empty: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
    interrupt: Option<Interrupt>,
    chunk: Vec<u8>,
    filled: usize,
    at: usize,
    end: Option<End>,
}

/// How the stream ended; a reader that asks again gets the same answer.
enum End {
    Whole,
    Failed(io::ErrorKind, String),
}

impl Inflated {
    /// Starts to inflate. `interrupt` ends the stream with an error, once per chunk looked at.
    pub fn start(blob: File, layer: &Layer, interrupt: Option<&Interrupt>) -> io::Result<Self> {
        let (sender, full) = channel();
        let (empty, receiver) = channel();
        for _ in 0..CHUNKS {
            // given their size when first used: most layers are small
            let _ = empty.send(Vec::new());
        }
        let layer = layer.clone();
        let pump = Pump { full: sender, empty: receiver };
        let thread = std::thread::Builder::new().name("inflate".into()).spawn(move || {
            let message = match pump.run(blob, &layer) {
                Ok(()) => Message::End,
                Err(error) => Message::Failed(error),
            };
            // nobody listens any more when the reader gave up first
            let _ = pump.full.send(message);
        })?;
        Ok(Self {
            full: Some(full),
            empty: Some(empty),
            thread: Some(thread),
            interrupt: interrupt.cloned(),
            chunk: Vec::new(),
            filled: 0,
            at: 0,
            end: None,
        })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        if let Some(Err(stop)) = self.interrupt.as_ref().map(Interrupt::check) {
            return Err(io::Error::other(stop));
        }
        if let Some(empty) = self.empty.as_ref().filter(|_| !self.chunk.is_empty()) {
            // fails only when the thread has read everything
            let _ = empty.send(std::mem::take(&mut self.chunk));
        }
        (self.at, self.filled) = (0, 0);
        match self.full.as_ref().map(Receiver::recv) {
            Some(Ok(Message::Data(chunk, filled))) => (self.chunk, self.filled) = (chunk, filled),
            Some(Ok(Message::End)) => self.end = Some(End::Whole),
            Some(Ok(Message::Failed(error))) => self.end = Some(End::Failed(error.kind(), error.to_string())),
            // never to be taken for the end
            Some(Err(_)) | None => return Err(io::Error::other("the inflating thread is gone")),
        }
        Ok(())
    }
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.filled {
            match &self.end {
                None => self.next_chunk()?,
                Some(End::Whole) => return Ok(0),
                Some(End::Failed(kind, message)) => return Err(io::Error::new(*kind, message.clone())),
            }
        }
        let count = buffer.len().min(self.filled - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Drop for Inflated {
    fn drop(&mut self) {
        // closes both channels, which ends the thread
        (self.full, self.empty) = (None, None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Pump {
    full: Sender<Message>,
    empty: Receiver<Vec<u8>>,
}

enum Pumped {
    ToTheEnd,
    /// The reader was dropped.
    Unheard,
}

impl Pump {
    fn run(&self, blob: File, layer: &Layer) -> io::Result<()> {
        check_size(&blob, layer)?;
        let verified = Verified::new(blob, &layer.digest, Some(layer.size))?;
        let mut blob = BufReader::with_capacity(CHUNK, verified);
        let pumped = self.inflate(&mut blob, layer);
        if matches!(pumped, Ok(Pumped::Unheard)) {
            return Ok(());
        }
        // a wrong digest explains whatever the inflater met, so it is reported first
        let rest = io::copy(&mut blob, &mut io::sink())?;
        pumped?;
        match rest {
            0 => Ok(()),
            _ => Err(bad(format!("{rest} bytes follow the end of the compressed stream"))),
        }
    }

    fn inflate(&self, blob: &mut BufReader<Verified<File>>, layer: &Layer) -> io::Result<Pumped> {
        match Compression::of(layer.media_type.as_ref(), blob.fill_buf()?)? {
            Compression::None => self.pump(blob),
            // gzip allows, and pigz and bgzip write, several members one after another
            Compression::Gzip => self.pump(&mut MultiGzDecoder::new(blob)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
                decoder.window_log_max(WINDOW_LOG)?;
                self.pump(&mut decoder)
            }
        }
    }

    fn pump(&self, stream: &mut dyn Read) -> io::Result<Pumped> {
        loop {
            let Ok(mut chunk) = self.empty.recv() else { return Ok(Pumped::Unheard) };
            chunk.resize(CHUNK, 0);
            match fill(stream, &mut chunk)? {
                0 => return Ok(Pumped::ToTheEnd),
                filled if self.full.send(Message::Data(chunk, filled)).is_err() => {
                    return Ok(Pumped::Unheard);
                }
                _ => {}
            }
        }
    }
}

fn fill(stream: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match stream.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn check_size(blob: &File, layer: &Layer) -> io::Result<()> {
    let metadata = blob.metadata()?;
    match metadata.is_file() && metadata.len() != layer.size {
        true => Err(bad(format!("it has {} bytes, its descriptor says {}", metadata.len(), layer.size))),
        false => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The media type decides (image-spec, layer.md), and the first bytes must agree.
    fn of(media_type: &str, start: &[u8]) -> io::Result<Self> {
        let declared = Self::declared(media_type)
            .ok_or_else(|| bad(format!("media type {media_type} is not that of a layer")))?;
        match Self::found(start) {
            found if found == declared => Ok(declared),
            found => Err(bad(format!("media type {media_type}, but the content is {}", found.name()))),
        }
    }

    fn declared(media_type: &str) -> Option<Self> {
        let (base, suffix) = match media_type.rsplit_once("tar") {
            Some((base, suffix)) => (base, suffix),
            None => return None,
        };
        let known = base.starts_with("application/vnd.oci.image.layer.")
            || base.starts_with("application/vnd.docker.image.rootfs.");
        match suffix {
            "" if known => Some(Self::None),
            "+gzip" | ".gzip" if known => Some(Self::Gzip),
            "+zstd" | ".zstd" if known => Some(Self::Zstd),
            _ => None,
        }
    }

    fn found(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // RFC 8878: a frame, or a skippable one in front
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "neither gzip nor zstd",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_and_the_first_bytes_agree() {
        let oci = |suffix: &str| format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        assert_eq!(Compression::of(&oci("+gzip"), b"\x1f\x8b\x08\0").unwrap(), Compression::Gzip);
        assert_eq!(Compression::of(&oci("+zstd"), b"\x28\xb5\x2f\xfd").unwrap(), Compression::Zstd);
        assert_eq!(Compression::of(&oci(""), b"etc/").unwrap(), Compression::None);
        let docker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        assert_eq!(Compression::of(docker, b"\x1f\x8b\x08\0").unwrap(), Compression::Gzip);
        assert!(Compression::of(&oci("+gzip"), b"etc/").is_err());
        assert!(Compression::of(&oci(""), b"\x1f\x8b\x08\0").is_err());
        assert!(Compression::of(&oci("+xz"), b"\xfd7zXZ").is_err());
        assert!(Compression::of("application/vnd.oci.image.config.v1+json", b"{").is_err());
    }
}
