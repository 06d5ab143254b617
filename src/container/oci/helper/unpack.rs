//! The helper that applies layers, inside the mapping the rootfs is for.

use std::path::Path;

use nix::sys::stat::{Mode, umask};

use super::Channels;
use super::feed::Feed;
use super::meter::Meter;
use crate::container::oci::protocol::{Up, send};
use crate::container::oci::rung::Rung;
use crate::error::{Doing, ErrorKind, Result};
use crate::image::layer::Layer;
use crate::image::rootfs::{self, Unpack};
use crate::interrupt::Interrupt;

/// Unpacks these layers into `cache`; where their blobs are is said by what follows on the pipe.
pub fn unpack(
    channels: &mut Channels,
    rung: &Rung,
    cache: &Path,
    layers: &[Layer],
) -> Result<serde_json::Value> {
    // so that open(2) gives files their modes at once
    umask(Mode::empty());
    let interrupt = Interrupt::manual()?;
    send(&channels.up, &Up::Ready)?;
    let feed = Feed::listen(channels, layers.len(), interrupt.clone())?;
    let mapping = rung.mapping();
    let meter = Meter::new(channels)?;
    let job = Unpack { cache, mapping: &mapping, ownership: rung.ownership(), layers };
    let rootfs = rootfs::unpack(
        &job,
        &|index, layer| Ok(meter.read(index, feed.blob(index, layer))),
        Some(&interrupt),
    )?;
    serde_json::to_value(rootfs.path()).doing(ErrorKind::Internal, || "naming the rootfs".into())
}

/// Removes what killed unpacks of this mapping left.
pub fn sweep(rung: &Rung, cache: &Path) -> Result<serde_json::Value> {
    rootfs::sweep(cache, &rung.mapping()).map(Into::into)
}
