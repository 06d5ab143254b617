//! How long an image is, and how much of it is used.

use std::io;

use serde::Serialize;

use crate::iso::examine::Examined;
use crate::iso::image::{Extent, Image};
use crate::iso::volume::Tree;

/// All in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Space {
    /// Of the file, or the device.
    pub size: u64,
    /// What the volume claims to be long; `None` without one.
    pub volume_length: Option<u64>,
    /// Of all files on the volume together; what several names share counts once.
    pub content: u64,
    /// The end of the last file or boot image.
    pub last_used: u64,
    /// What is behind that: padding, or the second copy of a partition table.
    pub behind: u64,
}

impl Space {
    pub fn of(image: &Image, examined: &Examined) -> Self {
        let trees = examined.volume.iter().flat_map(|volume| {
            std::iter::once(&volume.tree).chain(volume.joliet.iter().map(|joliet| &joliet.tree))
        });
        let mut extents: Vec<Extent> = trees.flat_map(Tree::extents).collect();
        extents.sort_unstable();
        extents.dedup();
        let content = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.length));
        let boot = examined.boot.entries.iter().map(|entry| entry.extent);
        let ends = extents.iter().copied().chain(boot).filter_map(|extent| extent.end());
        // what lies outside of the image is told by a finding
        let last_used = ends.filter(|end| *end <= image.size).max().unwrap_or_default();
        Self {
            size: image.size,
            volume_length: examined.volume.as_ref().map(|volume| volume.length),
            content,
            last_used,
            behind: image.size - last_used,
        }
    }
}

/// How much of a file or device is the image: of a device, onto which one was written, as much as its volume
/// and partition tables claim.
pub fn claimed(image: &Image) -> io::Result<u64> {
    if !image.is_device()? {
        return Ok(image.size);
    }
    let claims = [image.iso9660()?, image.partitions()?];
    let longest = claims.into_iter().flatten().filter_map(Result::ok).max();
    Ok(longest.and_then(|length| u64::try_from(length).ok()).unwrap_or(image.size).min(image.size))
}
