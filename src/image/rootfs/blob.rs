//! A compressed blob as a stream of its uncompressed bytes: read, checked and inflated by a thread
//! of its own, so that inflating overlaps with the writing of files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use flate2::bufread::GzDecoder;

use super::compression::Compression;
use super::failure::{invalid, reading};
use crate::error::Result;
use crate::image::digest::{Hasher, Verified};
use crate::image::layer::Layer;
use crate::interrupt::Interrupt;

/// The compressed bytes of a layer. Their end is reported only once size and digest were found
/// right, by whoever provides them; [`verified`] does it for a file.
pub type Blob = Box<dyn Read + Send>;

/// The blob in a regular file, checked while it is read.
/// Fails with [`ErrorKind::Image`](crate::error::ErrorKind::Image) where the file has another size
/// than the layer.
pub fn verified(file: File, layer: &Layer) -> Result<Blob> {
    let metadata = file.metadata().map_err(reading)?;
    if metadata.is_file() && metadata.len() != layer.size {
        let why = format!("it has {} bytes, its descriptor says {}", metadata.len(), layer.size);
        return Err(invalid(why));
    }
    Ok(Box::new(Verified::new(file, &layer.digest, Some(layer.size)).map_err(reading)?))
}

/// Size of a chunk: below 128 KiB the hand-over costs more than it saves.
const CHUNK: usize = 256 << 10;
/// Chunks in circulation: 6 MiB for each layer that is being inflated. More made no difference.
const CHUNKS: usize = 24;
/// Largest zstd window, 128 MiB: the library's own limit; `--long=31` would take 2 GiB of memory.
const WINDOW_LOG: u32 = 27;

enum Message {
    Data(Vec<u8>, usize),
    End,
    Failed(io::Error),
}

/// The uncompressed bytes. Ends only after the digests of the blob and of these bytes were found
/// right. When it is dropped the thread ends at its next chunk; nobody waits for it, as the chunk
/// may still be on its way from a registry.
pub(super) struct Inflated {
    full: Receiver<Message>,
    empty: Sender<Vec<u8>>,
    interrupt: Option<Interrupt>,
    layer: Layer,
    hasher: Hasher,
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
    pub fn start(blob: Blob, layer: &Layer, interrupt: Option<&Interrupt>) -> io::Result<Self> {
        let unsupported = || bad(format!("the digest algorithm of {} is not supported", layer.diff_id));
        let hasher = Hasher::new(layer.diff_id.algorithm()).ok_or_else(unsupported)?;
        let (sender, full) = channel();
        let (empty, receiver) = channel();
        for _ in 0..CHUNKS {
            // given their size when first used: most layers are small
            let _ = empty.send(Vec::new());
        }
        let pump = Pump { full: sender, empty: receiver, media_type: layer.media_type.to_string() };
        std::thread::Builder::new().name("inflate".into()).spawn(move || {
            let message = match pump.run(blob) {
                Ok(()) => Message::End,
                Err(error) => Message::Failed(error),
            };
            // nobody listens any more when the reader gave up first
            let _ = pump.full.send(message);
        })?;
        Ok(Self {
            full,
            empty,
            interrupt: interrupt.cloned(),
            layer: layer.clone(),
            hasher,
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
        if !self.chunk.is_empty() {
            // fails only when the thread has read everything
            let _ = self.empty.send(std::mem::take(&mut self.chunk));
        }
        (self.at, self.filled) = (0, 0);
        match self.full.recv() {
            Ok(Message::Data(chunk, filled)) => {
                self.hasher.update(&chunk[..filled]);
                (self.chunk, self.filled) = (chunk, filled);
            }
            Ok(Message::End) => self.end = Some(self.verdict()),
            Ok(Message::Failed(error)) => self.end = Some(End::Failed(error.kind(), error.to_string())),
            // never to be taken for the end
            Err(_) => return Err(io::Error::other("the inflating thread is gone")),
        }
        Ok(())
    }

    fn verdict(&self) -> End {
        let (want, got) = (&self.layer.diff_id, self.hasher.clone().hex());
        match got == want.digest() {
            true => End::Whole,
            false => {
                let why = format!("digest is {}:{got}, expected {want}", want.algorithm());
                End::Failed(io::ErrorKind::InvalidData, why)
            }
        }
    }
}

impl BufRead for Inflated {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.filled {
            match &self.end {
                None => self.next_chunk()?,
                Some(End::Whole) => return Ok(&[]),
                Some(End::Failed(kind, message)) => return Err(io::Error::new(*kind, message.clone())),
            }
        }
        Ok(&self.chunk[self.at..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.at = self.filled.min(self.at + count);
    }
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let count = have.len().min(buffer.len());
        buffer[..count].copy_from_slice(&have[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// The thread's side.
struct Pump {
    full: Sender<Message>,
    empty: Receiver<Vec<u8>>,
    media_type: String,
}

enum Pumped {
    ToTheEnd,
    /// The reader was dropped.
    Unheard,
}

impl Pump {
    fn run(&self, blob: Blob) -> io::Result<()> {
        let mut blob = BufReader::with_capacity(CHUNK, blob);
        let pumped = self.inflate(&mut blob);
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

    fn inflate(&self, blob: &mut BufReader<Blob>) -> io::Result<Pumped> {
        match Compression::of(&self.media_type, blob.fill_buf()?)? {
            Compression::None => self.pump(blob),
            Compression::Gzip => self.members(blob),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
                decoder.window_log_max(WINDOW_LOG)?;
                self.pump(&mut decoder).map_err(explained)
            }
        }
    }

    /// gzip allows, and pigz and bgzip write, several members one after another. What follows them and
    /// does not begin as one is left in the reader.
    fn members(&self, blob: &mut BufReader<Blob>) -> io::Result<Pumped> {
        loop {
            match self.pump(&mut GzDecoder::new(&mut *blob))? {
                Pumped::ToTheEnd if blob.fill_buf()?.first() == Some(&0x1f) => {}
                pumped => return Ok(pumped),
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

/// The library only says that a frame needs too much memory.
fn explained(error: io::Error) -> io::Error {
    match error.to_string().contains("too much memory") {
        true => bad(format!("its zstd frames have a window larger than {} MiB", (1_u32 << WINDOW_LOG) >> 20)),
        false => error,
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
