//! How fast the blobs of an unpack are taken in, for those who look on.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Channels;
use crate::container::oci::protocol::{Up, send};
use crate::error::{Doing, ErrorKind, Result};
use crate::image::rootfs::Blob;

/// Between two reports of a layer: more than eyes can follow, and no load.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports on the pipe up.
pub struct Meter(Arc<File>);

impl Meter {
    pub fn new(channels: &Channels) -> Result<Self> {
        let up = channels.up.as_fd().try_clone_to_owned();
        up.map(|up| Self(Arc::new(File::from(up)))).doing(ErrorKind::Internal, || "copying a pipe".into())
    }

    /// The same bytes, reported as they are read.
    pub fn read(&self, layer: usize, blob: Blob) -> Blob {
        Box::new(Metered { up: Arc::clone(&self.0), blob, layer, bytes: 0, told: None })
    }
}

struct Metered {
    up: Arc<File>,
    blob: Blob,
    layer: usize,
    bytes: u64,
    /// When and how many bytes were reported last.
    told: Option<(Instant, u64)>,
}

impl Metered {
    fn tell(&mut self, now: Instant) {
        self.told = Some((now, self.bytes));
        // whoever does not hear it notices elsewhere that the command line is gone
        let _ = send(&*self.up, &Up::Unpacking { layer: self.layer, bytes: self.bytes });
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(buffer)?;
        let now = Instant::now();
        let is_due = match self.told {
            None => true,
            // the end comes after the digest was found right, and may be asked for more than once
            Some((_, told)) if count == 0 => told != self.bytes,
            Some((at, _)) => now.duration_since(at) >= PAUSE,
        };
        // without these bytes, so that all of them are reported at the end only
        if is_due {
            self.tell(now);
        }
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_and_end_are_reported_and_little_between_them() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let meter = Meter(Arc::new(File::from(writer)));
        let mut blob = meter.read(3, Box::new(io::repeat(1).take(100_000)));
        while blob.read(&mut [0; 10]).unwrap() > 0 {}
        assert_eq!(blob.read(&mut [0; 10]).unwrap(), 0);
        drop((blob, meter));
        let said = io::read_to_string(File::from(reader)).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.first(), Some(&r#"{"unpacking":{"layer":3,"bytes":0}}"#));
        assert_eq!(lines.last(), Some(&r#"{"unpacking":{"layer":3,"bytes":100000}}"#));
        assert!(lines.len() < 50, "{said}");
    }
}
