//! The blobs of an unpack, read while the command line's process still fetches them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Channels;
use crate::container::oci::protocol::{Down, Incoming, LayerAt};
use crate::error::{Doing, ErrorKind, Result};
use crate::image::arrival::State;
use crate::image::layer::Layer;
use crate::image::rootfs::{Blob, verified};
use crate::image::store::open_plain;
use crate::interrupt::Interrupt;

/// What the command line has said of each layer so far. Its copies are the same.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    layers: Mutex<Vec<Option<LayerAt>>>,
    changed: Condvar,
    interrupt: Interrupt,
}

impl Feed {
    /// Starts a thread that listens to the command line. The end of the pipe, or its order to stop,
    /// raises the interrupt.
    pub fn listen(channels: &mut Channels, count: usize, interrupt: Interrupt) -> Result<Self> {
        use std::os::fd::AsFd;
        let shared = Shared { layers: Mutex::new(vec![None; count]), changed: Condvar::new(), interrupt };
        let feed = Self(Arc::new(shared));
        let down = channels.down.as_fd().try_clone_to_owned();
        let mut down =
            Incoming::new(File::from(down.doing(ErrorKind::Internal, || "copying a pipe".into())?));
        let listening = feed.clone();
        std::thread::spawn(move || {
            while let Ok(Some(Down::Layer(at))) = down.next() {
                listening.note(at);
            }
            listening.0.interrupt.raise(nix::libc::SIGHUP);
            listening.0.changed.notify_all();
        });
        Ok(feed)
    }

    fn note(&self, at: LayerAt) {
        let mut layers = self.layers();
        if let Some(known) = layers.get_mut(at.layer) {
            *known = Some(at);
        }
        self.0.changed.notify_all();
    }

    /// The bytes of a layer. They are waited for when they are read, not now.
    pub fn blob(&self, index: usize, layer: &Layer) -> Blob {
        Box::new(Arriving { feed: self.clone(), index, layer: layer.clone(), file: Opened::No, at: 0 })
    }

    /// Waits until what is known of a layer is good enough.
    fn wait(&self, index: usize, enough: impl Fn(&LayerAt) -> bool) -> io::Result<LayerAt> {
        let mut layers = self.layers();
        loop {
            self.0.interrupt.check().map_err(io::Error::other)?;
            match layers.get(index) {
                Some(Some(at)) if enough(at) => return Ok(at.clone()),
                _ => layers = self.0.changed.wait(layers).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// A panic elsewhere leaves a list that is still whole.
    fn layers(&self) -> MutexGuard<'_, Vec<Option<LayerAt>>> {
        self.0.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a blob behind those who write it.
struct Arriving {
    feed: Feed,
    index: usize,
    layer: Layer,
    file: Opened,
    at: u64,
}

enum Opened {
    No,
    /// Checked by the command line, which says so before the end.
    Growing(File),
    /// Checked here.
    Verified(Blob),
}

impl Arriving {
    fn open(&mut self) -> io::Result<()> {
        let known = self.feed.wait(self.index, |_| true)?;
        let file = open(&known)?;
        self.file = match known.state {
            State::Growing | State::Checked => Opened::Growing(file),
            State::Unchecked => Opened::Verified(verified(file, &self.layer).map_err(io::Error::other)?),
        };
        Ok(())
    }
}

/// By its first name, or by the one that it has got since.
fn open(at: &LayerAt) -> io::Result<File> {
    let opened = open_plain(&at.path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => open_plain(&at.placed),
        _ => Err(error),
    });
    opened.map_err(|error| io::Error::new(error.kind(), format!("opening {}: {error}", at.placed.display())))
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.file {
                Opened::No => self.open()?,
                Opened::Verified(blob) => return blob.read(buffer),
                Opened::Growing(file) => {
                    let at = self.at;
                    let whole = |known: &LayerAt| known.state != State::Growing;
                    let known = self.feed.wait(self.index, |known| known.bytes > at || whole(known))?;
                    let most = known.bytes.saturating_sub(at).min(buffer.len() as u64) as usize;
                    let count = file.read_at(&mut buffer[..most], at)?;
                    if count == 0 && whole(&known) {
                        return self.end(known.bytes);
                    }
                    if count > 0 {
                        self.at += count as u64;
                        return Ok(count);
                    }
                    // emptied by a transfer that starts over
                    self.feed.wait(self.index, |now| *now != known)?;
                }
            }
        }
    }
}

impl Arriving {
    fn end(&self, size: u64) -> io::Result<usize> {
        match self.at == size {
            true => Ok(0),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::digest::{Digest, sha256_hex};
    use std::str::FromStr;

    fn layer(bytes: &[u8]) -> Layer {
        let digest = Digest::from_str(&format!("sha256:{}", sha256_hex(bytes))).unwrap();
        let media_type = oci_spec::image::MediaType::ImageLayer;
        Layer { digest: digest.clone(), size: bytes.len() as u64, media_type, diff_id: digest }
    }

    fn feed() -> (Feed, Interrupt) {
        let interrupt = Interrupt::manual().unwrap();
        let shared =
            Shared { layers: Mutex::new(vec![None]), changed: Condvar::new(), interrupt: interrupt.clone() };
        (Feed(Arc::new(shared)), interrupt)
    }

    fn at(path: &Path, bytes: u64, state: State) -> LayerAt {
        LayerAt { layer: 0, path: path.to_owned(), placed: path.with_file_name("placed"), bytes, state }
    }

    fn read_in_thread(feed: &Feed, layer: &Layer) -> std::thread::JoinHandle<io::Result<Vec<u8>>> {
        let mut blob = feed.blob(0, layer);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            blob.read_to_end(&mut bytes).map(|_| bytes)
        })
    }

    #[test]
    fn a_growing_blob_is_read_to_the_end_that_was_checked_also_after_it_was_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let (partial, placed) = (dir.path().join("partial"), dir.path().join("placed"));
        let (feed, _interrupt) = feed();
        let reader = read_in_thread(&feed, &layer(b"abcdef"));
        std::fs::write(&partial, b"abc").unwrap();
        feed.note(at(&partial, 3, State::Growing));
        std::thread::sleep(std::time::Duration::from_millis(20));
        // the transfer starts over
        std::fs::write(&partial, b"").unwrap();
        feed.note(at(&partial, 0, State::Growing));
        std::fs::write(&partial, b"abcdef").unwrap();
        feed.note(at(&partial, 6, State::Growing));
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!reader.is_finished(), "the end was reported before the digest was checked");
        std::fs::rename(&partial, &placed).unwrap();
        feed.note(at(&partial, 6, State::Checked));
        assert_eq!(reader.join().unwrap().unwrap(), b"abcdef");
    }

    #[test]
    fn a_blob_that_was_renamed_before_it_was_opened_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("placed"), b"abc").unwrap();
        let (feed, _interrupt) = feed();
        feed.note(at(&dir.path().join("partial"), 3, State::Checked));
        assert_eq!(read_in_thread(&feed, &layer(b"abc")).join().unwrap().unwrap(), b"abc");
    }

    #[test]
    fn a_blob_of_the_cache_is_checked_here() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        std::fs::write(&path, b"abd").unwrap();
        let (feed, _interrupt) = feed();
        feed.note(at(&path, 3, State::Unchecked));
        let error = read_in_thread(&feed, &layer(b"abc")).join().unwrap().unwrap_err();
        assert!(error.to_string().contains("expected sha256:"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let (feed, interrupt) = feed();
        let reader = read_in_thread(&feed, &layer(b"abc"));
        interrupt.raise(15);
        feed.0.changed.notify_all();
        assert!(reader.join().unwrap().is_err());
    }
}
