//! Layers applied in order: a builder image's merged root file system, ready to be a lower layer.
//!
//! In the cache directory:
//! ```text
//! rootfs/<mapping>-<algorithm>-<hex of the chain id>/    0700: the tree has setuid files
//!        rootfs/                                         the tree; its mode is that of the image's /
//!        record.json                                     the completion record
//! rootfs/.tmp-<mapping>-<algorithm>-<hex>/               the same being made; locked with flock(2)
//! ```
//! A directory becomes visible by rename(2) after its tree and then its record are on disk, so
//! whatever has a valid record is whole. The temporary name is fixed: whoever wants the same rootfs
//! meets at its lock.
//!
//! Layers are untrusted. `archive` reads them, `apply` writes them through `tree`, which never gives
//! the kernel a path with a symlink in it. Modes do not depend on the umask, but what it takes away
//! costs a system call for each file.

mod apply;
mod archive;
mod attributes;
mod blob;
mod cache;
mod compression;
mod failure;
mod header;
mod list;
mod name;
mod pax;
mod place;
mod record;
mod remove;
mod sparse;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::blob::{Blob, verified};
pub use self::failure::is_full;
pub use self::list::{Condition, Entry, Removal, Stage, condition, entries, is_under_way, remove_invalid};
pub use self::place::{Place, Unfit, mount_point, unfit};
pub use self::record::{Mapping, Ownership, Record, Skipped};

use self::apply::{Limits, Unpacker};
use self::blob::Inflated;
use self::cache::{Slot, Workplace};
pub(super) use self::failure::lacks_inodes;
use self::failure::{reading, with_room};
use crate::error::Result;
use crate::image::layer::Layer;
use crate::interrupt::Interrupt;

/// A complete rootfs in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    path: PathBuf,
    record: Record,
}

impl Rootfs {
    /// The tree's root directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn record(&self) -> &Record {
        &self.record
    }
}

/// A complete rootfs for that chain id and mapping, if the cache has one: never a half one, nor one
/// of another user.
///
/// Fails with [`ErrorKind::Image`](crate::error::ErrorKind::Image) where the cache cannot be read.
pub fn find(cache: &Path, mapping: &Mapping, layers: &[Layer]) -> Result<Option<Rootfs>> {
    Slot::new(cache, mapping, layers)?.find()
}

/// The first that one of these caches has, the own one first; of the others it has to be the
/// caller's own too, and one that cannot be read is passed over. What lies where it cannot be run (see
/// [`Unfit`]) does not count.
///
/// Fails with [`ErrorKind::Image`](crate::error::ErrorKind::Image) where the first cannot be read.
pub fn find_in<'a>(
    caches: impl Iterator<Item = &'a Path>,
    mapping: &Mapping,
    layers: &[Layer],
) -> Result<Option<Rootfs>> {
    for (number, cache) in caches.enumerate() {
        if !place::may_run(cache) {
            continue;
        }
        match find(cache, mapping, layers) {
            Ok(None) => {}
            Err(error) if number > 0 => tracing::warn!("{error}"),
            found => return found,
        }
    }
    Ok(None)
}

/// What to unpack, where and as whom.
#[derive(Clone, Copy)]
pub struct Unpack<'a> {
    /// The cache directory, made if it is not there; a relative one makes a relative rootfs.
    pub cache: &'a Path,
    pub mapping: &'a Mapping,
    pub ownership: Ownership,
    /// Lowest first.
    pub layers: &'a [Layer],
}

/// Gives the compressed bytes of the layer of this number. Asked for a layer's while the one before
/// is still written, so it must not wait for them to arrive; reading them may.
pub type Open<'a> = dyn Fn(usize, &Layer) -> Result<Blob> + 'a;

/// Applies the layers below a temporary directory of the cache and makes the result visible.
///
/// Runs inside the mapping, with euid 0 there and the capabilities it gives (or as a plain user, for
/// [`Ownership::Own`]); starts threads and ends them. Of concurrent calls for the same rootfs, also
/// of other processes, one unpacks and the others wait for it.
///
/// Fails with [`ErrorKind::Image`](crate::error::ErrorKind::Image) for a damaged or hostile layer,
/// a full or unwritable cache and ids that the mapping lacks, and leaves nothing then.
pub fn unpack(job: &Unpack<'_>, open_blob: &Open<'_>, interrupt: Option<&Interrupt>) -> Result<Rootfs> {
    let unpacked = obtain(job, open_blob, interrupt);
    unpacked.map_err(|error| match check(interrupt) {
        // whatever failed after a signal failed because of it
        Err(stopped) => stopped,
        Ok(()) => error.context(format!("unpacking the image into {}", job.cache.display())),
    })
}

/// Removes temporary directories which a killed unpack of this mapping left; those that a process
/// works on are locked and stay. Returns how many. Runs inside the mapping, as [`unpack`] does.
pub fn sweep(cache: &Path, mapping: &Mapping) -> Result<u64> {
    cache::sweep(cache, mapping)
}

/// Whether a [`sweep`] may have something to do. Needs no privilege.
pub fn has_leftovers(cache: &Path, mapping: &Mapping) -> bool {
    cache::has_leftovers(cache, mapping)
}

fn obtain(job: &Unpack<'_>, open_blob: &Open<'_>, interrupt: Option<&Interrupt>) -> Result<Rootfs> {
    let slot = Slot::new(job.cache, job.mapping, job.layers)?;
    loop {
        check(interrupt)?;
        if let Some(found) = slot.find()? {
            return Ok(found);
        }
        let Some(work) = slot.claim(interrupt)? else { continue };
        // the one before may have finished after the first look
        return match slot.find()? {
            Some(found) => Ok(found),
            None => fill(job, &slot, work, open_blob, interrupt),
        };
    }
}

fn fill(
    job: &Unpack<'_>,
    slot: &Slot<'_>,
    work: Workplace,
    open_blob: &Open<'_>,
    interrupt: Option<&Interrupt>,
) -> Result<Rootfs> {
    let mut unpacker = Unpacker::new(work.new_tree()?, job.ownership, Limits::default());
    let count = job.layers.len();
    let start = |(index, layer): &(usize, &Layer)| -> Result<Inflated> {
        let blob = open_blob(*index, layer).map_err(|error| error.context(place(*index, count, layer)))?;
        Inflated::start(blob, layer, interrupt).map_err(reading)
    };
    let mut layers = job.layers.iter().enumerate().peekable();
    let mut inflated = layers.peek().map(start).transpose()?;
    while let (Some((index, layer)), Some(current)) = (layers.next(), inflated.take()) {
        tracing::debug!("unpacking {}", place(index, count, layer));
        // the next one inflates into its bounded buffers while this one is written
        inflated = layers.peek().map(start).transpose()?;
        unpacker.layer(current).map_err(|error| {
            with_room(error, job.cache, unpacker.bytes).context(place(index, count, layer))
        })?;
        work.flush();
    }
    unpacker.finish()?;
    check(interrupt)?;
    slot.publish(work, &record(job, slot, &unpacker))
}

fn place(index: usize, count: usize, layer: &Layer) -> String {
    format!("layer {} of {count} ({})", index + 1, layer.digest)
}

fn record(job: &Unpack<'_>, slot: &Slot<'_>, unpacker: &Unpacker) -> Record {
    let skipped = unpacker.skipped().clone();
    if !skipped.is_empty() {
        tracing::info!(
            "not as in the image, for want of privilege: {} devices, {} owners, {} capabilities, {} ACLs, {} \
             other attributes",
            skipped.devices,
            skipped.owners,
            skipped.capabilities,
            skipped.acls,
            skipped.xattrs
        );
    }
    Record {
        version: record::VERSION,
        mapping: job.mapping.clone(),
        chain_id: slot.chain_id.clone(),
        diff_ids: slot.diff_ids.clone(),
        ownership: job.ownership,
        entries: unpacker.entries,
        bytes: unpacker.bytes,
        skipped,
        tool: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).into(),
    }
}

fn check(interrupt: Option<&Interrupt>) -> Result<()> {
    interrupt.map_or(Ok(()), Interrupt::check)
}
