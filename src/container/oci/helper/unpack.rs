//! The helper that applies layers, inside the mapping the rootfs is for.

use std::path::Path;
use std::str::FromStr;

use super::Channels;
use crate::container::oci::protocol::Down;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::rootfs::{self, Unpack};
use crate::image::store::Store;
use crate::interrupt::Interrupt;

/// Unpacks the image with this manifest digest from `cache` into `cache`.
pub fn unpack(
    channels: &mut Channels,
    rung: &Rung,
    cache: &Path,
    manifest: &str,
) -> Result<serde_json::Value> {
    let interrupt = Interrupt::manual()?;
    watch(channels, interrupt.clone())?;
    let digest =
        Digest::from_str(manifest).doing(ErrorKind::Image, || format!("reading digest {manifest}"))?;
    let store = Store::open(cache)?;
    let image = store.image(&digest)?;
    let mapping = rung.mapping();
    let job = Unpack { cache, mapping: &mapping, ownership: rung.ownership(), layers: &image.layers };
    let rootfs = rootfs::unpack(&job, &|layer| store.open_blob(layer), Some(&interrupt))?;
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
