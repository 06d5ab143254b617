//! The helper that applies layers, inside the mapping the rootfs is for.

use std::path::{Path, PathBuf};

use super::Channels;
use crate::container::oci::protocol::Down;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::layer::Layer;
use crate::image::rootfs::{self, Unpack};
use crate::image::store::Store;
use crate::interrupt::Interrupt;

/// Applies layers, each with the file of its blob, into a rootfs of `cache`.
pub fn unpack(
    channels: &mut Channels,
    rung: &Rung,
    cache: &Path,
    layers: &[(Layer, PathBuf)],
) -> Result<serde_json::Value> {
    let interrupt = Interrupt::manual()?;
    watch(channels, interrupt.clone())?;
    let (mapping, blobs) = (rung.mapping(), layers);
    let layers: Vec<Layer> = blobs.iter().map(|(layer, _)| layer.clone()).collect();
    let job = Unpack { cache, mapping: &mapping, ownership: rung.ownership(), layers: &layers };
    let open = |layer: &Layer| match blobs.iter().find(|(other, _)| other == layer) {
        Some((_, path)) => Store::open_file(path),
        None => Err(Error::new(ErrorKind::Internal, format!("opening layer {}", layer.digest))),
    };
    let rootfs = rootfs::unpack(&job, &open, Some(&interrupt))?;
    serde_json::to_value(rootfs.path()).doing(ErrorKind::Internal, || "naming the rootfs".into())
}

/// Removes what killed unpacks of this mapping left.
pub fn sweep(rung: &Rung, cache: &Path) -> Result<serde_json::Value> {
    rootfs::sweep(cache, &rung.mapping()).map(Into::into)
}

/// A thread that waits for the end of the pipe, which means: stop and clean up.
fn watch(channels: &mut Channels, interrupt: Interrupt) -> Result<()> {
    use std::os::fd::AsFd;
    let down =
        channels.down.as_fd().try_clone_to_owned().doing(ErrorKind::Internal, || "copying a pipe".into())?;
    std::thread::spawn(move || {
        let mut down = crate::container::oci::protocol::Incoming::new(std::fs::File::from(down));
        while let Ok(Some(_)) = down.next::<Down>() {}
        interrupt.raise(nix::libc::SIGHUP);
    });
    Ok(())
}
