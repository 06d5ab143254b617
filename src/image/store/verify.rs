//! Hashes blobs again, on all processors.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Damage, Defect, Store, Tree, blob};
use crate::error::Result;
use crate::image::Image;
use crate::image::digest::{Digest, Verified};
use crate::image::layer::Layer;
use crate::image::manifest;
use crate::interrupt::Interrupt;

/// Larger than elsewhere: here nothing but reading and hashing is done.
const CHUNK: usize = 1 << 20;

/// What was looked at, each blob once.
#[derive(Debug, Default)]
pub(in crate::image) struct Checked {
    /// How many blobs.
    pub(in crate::image) blobs: u64,
    /// How many bytes they should have.
    pub(in crate::image) bytes: u64,
    /// What is wrong with the layers; the trees have what is wrong with the documents.
    pub(in crate::image) damage: Vec<Damage>,
}

impl Store {
    /// Hashes all layers of these trees. Their documents are verified already.
    pub(in crate::image) fn check(&self, trees: &[Tree], interrupt: &Interrupt) -> Result<Checked> {
        // one digest with two sizes is two blobs, of which one cannot be right
        let mut all: HashMap<(&Digest, u64), bool> = HashMap::new();
        for tree in trees {
            all.extend(tree.layers.iter().map(|(digest, size)| ((digest, *size), true)));
        }
        for tree in trees {
            all.extend(tree.documents.iter().map(|(digest, size)| ((digest, *size), false)));
        }
        let bytes = all.keys().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
        let mut layers: Vec<(&Digest, u64)> =
            all.iter().filter(|(_, unread)| **unread).map(|(blob, _)| *blob).collect();
        // the largest first, so that no processor is left with it at the end
        layers.sort_by_key(|(digest, size)| (std::cmp::Reverse(*size), digest.to_string()));
        let mut damage = self.hash(&layers, interrupt)?;
        damage.sort_by_key(|damage| damage.digest.to_string());
        Ok(Checked { blobs: all.len() as u64, bytes, damage })
    }

    /// The layers of this image whose blobs are there but not what their digests say.
    pub fn damaged_layers(&self, image: &Image, interrupt: &Interrupt) -> Result<Vec<Layer>> {
        let layers: Vec<_> = image.layers.iter().map(|layer| (&layer.digest, layer.size)).collect();
        let damage = self.hash(&layers, interrupt)?;
        let is_damaged =
            |layer: &&Layer| damage.iter().any(|it| it.digest == layer.digest && it.state == Defect::Damaged);
        Ok(image.layers.iter().filter(is_damaged).cloned().collect())
    }

    /// Removes the own blob, which was found damaged, and has this process no longer take those of
    /// additional caches that are damaged too. Returns whether something was removed.
    pub(in crate::image) fn put_away(
        &self,
        digest: &Digest,
        size: u64,
        interrupt: &Interrupt,
    ) -> Result<bool> {
        // whatever it is: a link or a directory is no blob
        let is_own = std::fs::symlink_metadata(blob::path(&self.dir, digest)).is_ok();
        if is_own {
            self.discard(digest)?;
        }
        while let Some(path) = self.place(digest, Some(size)) {
            interrupt.check()?;
            if self.hash_one(digest, size, interrupt).is_none() || !self.spoil(path) {
                break;
            }
        }
        Ok(is_own)
    }

    fn hash(&self, layers: &[(&Digest, u64)], interrupt: &Interrupt) -> Result<Vec<Damage>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(layers.len());
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some((digest, size)) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Some(damage) = self.hash_one(digest, *size, interrupt)
                    && let Ok(mut found) = found.lock()
                {
                    found.push(damage);
                }
            }
        };
        std::thread::scope(|scope| {
            (0..threads).for_each(|_| {
                scope.spawn(work);
            });
        });
        interrupt.check()?;
        // poisoned only by a panic, which the scope would have passed on
        Ok(found.into_inner().unwrap_or_default())
    }

    fn hash_one(&self, digest: &Digest, size: u64, interrupt: &Interrupt) -> Option<Damage> {
        let path = self.place_or_own(digest, size);
        let read = || -> io::Result<()> {
            manifest::check_digest(digest).map_err(io::Error::other)?;
            let file = blob::open_plain(&path)?;
            let mut verified = Verified::new(file, digest, Some(size))?;
            let mut buffer = vec![0; CHUNK];
            loop {
                interrupt.check().map_err(io::Error::other)?;
                if verified.read(&mut buffer)? == 0 {
                    return Ok(());
                }
            }
        };
        let reason = match (read().err()?, path.starts_with(&self.dir)) {
            (error, true) => error.to_string(),
            (error, false) => format!("{}: {error}", path.display()),
        };
        Some(Damage { digest: digest.clone(), state: self.defect(digest), reason })
    }
}
