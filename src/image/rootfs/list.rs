//! What lies in a cache's `rootfs/`, for those who look at it and clean it up.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Mapping;
use super::cache::{Slot, TREE, directory_flags, names, sweep_one};
use super::failure::{Failed, invalid};
use crate::error::Result;
use crate::image::Image;
use crate::image::digest::Digest;
use crate::image::layer::Layer;
use crate::interrupt::Interrupt;

/// A directory in the cache's `rootfs/` that has the name of a rootfs, or of one being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub mapping: Mapping,
    pub chain_id: Digest,
    pub stage: Stage,
}

/// Whether the name claims a complete rootfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Complete,
    /// Being made, or left by a killed process.
    Temporary,
}

/// What a directory with a rootfs's name is worth to this caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Absent,
    Valid,
    /// Not to be run; with the reason.
    Invalid(String),
    /// Of another user, who alone can say.
    Foreign,
}

/// How a removal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// So many bytes of file contents are gone.
    Removed(u64),
    /// A process works on it.
    Busy,
}

/// All rootfses in the cache, by name; what has any other name is left out.
pub fn entries(cache: &Path) -> Result<Vec<Entry>> {
    let path = cache.join(TREE);
    let parent = match rustix::fs::open(&path, directory_flags() - OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        other => other.failed(&format!("opening {}", path.display()))?,
    };
    let mut names = names(&parent).failed(&format!("listing {}", path.display()))?;
    names.sort();
    Ok(names.iter().filter_map(|name| Entry::parse(&path, name)).collect())
}

impl Entry {
    fn parse(parent: &Path, name: &str) -> Option<Self> {
        let (whole, stage) = match name.strip_prefix(".tmp-") {
            Some(rest) => (rest.split_once(".old-").map_or(rest, |(it, _)| it), Stage::Temporary),
            None => (name, Stage::Complete),
        };
        let mut parts = whole.rsplitn(3, '-');
        let (hex, algorithm, mapping) = (parts.next()?, parts.next()?, parts.next()?);
        let chain_id = Digest::from_str(&format!("{algorithm}:{hex}")).ok()?;
        Some(Self { path: parent.join(name), mapping: mapping.parse().ok()?, chain_id, stage })
    }

    /// Whether this process may remove all of it: files of a mapped tree belong to subordinate
    /// ids, which only root and processes in that mapping have.
    pub fn is_removable(&self) -> bool {
        let uid = rustix::process::geteuid();
        uid.is_root() || self.mapping == Mapping::single(uid.as_raw())
    }

    /// Why it is not removable, and the command that removes it.
    pub fn remedy(&self) -> (String, String) {
        let own = format!("u{}-", rustix::process::geteuid().as_raw());
        let path = quoted(&self.path);
        match self.mapping.to_string().starts_with(&own) {
            true => (
                "its files belong to subordinate ids".to_owned(),
                format!("unshare -r --map-auto rm -rf {path}"),
            ),
            false => (
                format!("it is of mapping {}, whose user or root may remove it", self.mapping),
                format!("rm -rf {path}"),
            ),
        }
    }

    /// Bytes of file contents in the tree, hard links once; what cannot be read is not counted.
    fn size(&self) -> u64 {
        let (mut bytes, mut linked) = (0, HashSet::new());
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                // of the entry itself: symlinks are not followed
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() {
                    directories.push(entry.path());
                } else if found.nlink() < 2 || linked.insert((found.dev(), found.ino())) {
                    bytes += found.len();
                }
            }
        }
        bytes
    }

    /// Removes the directory. It first loses its name, so that a removal cut short leaves nothing
    /// that has a record and is not whole.
    pub fn remove(&self) -> Result<Removal> {
        let doing = || format!("removing {}", self.path.display());
        let parent = self.path.parent().unwrap_or(Path::new("."));
        let parent =
            rustix::fs::open(parent, directory_flags() - OFlags::NOFOLLOW, Mode::empty()).failed(&doing())?;
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else {
            return Err(invalid("its name is not text").context(doing()));
        };
        let bytes = self.size();
        let aside = match self.stage {
            Stage::Temporary => name.to_owned(),
            Stage::Complete => {
                let aside = format!(".tmp-{name}.old-{}", std::process::id());
                rustix::fs::renameat(&parent, name, &parent, &aside).failed(&doing())?;
                aside
            }
        };
        match sweep_one(&parent, &aside).map_err(|error| error.context(doing()))? {
            true => Ok(Removal::Removed(bytes)),
            false => Ok(Removal::Busy),
        }
    }
}

/// As a word for the shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    match path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Whether a process makes, or left, a rootfs of this image: what is there of it is room already taken.
pub fn is_under_way(cache: &Path, image: &Image) -> bool {
    let chain_id = image.chain_id();
    let is_its = |entry: &Entry| entry.stage == Stage::Temporary && entry.chain_id == chain_id;
    entries(cache).is_ok_and(|entries| entries.iter().any(is_its))
}

/// What the cache has for these layers in that mapping.
pub fn condition(cache: &Path, mapping: &Mapping, layers: &[Layer]) -> Result<Condition> {
    Slot::new(cache, mapping, layers)?.condition()
}

/// Removes the rootfs of these layers if it is [`Condition::Invalid`], under the lock by which those who
/// make it exclude each other.
pub fn remove_invalid(
    cache: &Path,
    mapping: &Mapping,
    layers: &[Layer],
    interrupt: &Interrupt,
) -> Result<()> {
    let slot = Slot::new(cache, mapping, layers)?;
    let Some(_work) = slot.claim(Some(interrupt))? else {
        return Ok(());
    };
    if !matches!(slot.condition()?, Condition::Invalid(_)) {
        return Ok(());
    }
    let name = slot.name();
    match Entry::parse(&cache.join(TREE), &name) {
        Some(entry) => entry.remove().map(drop),
        None => Err(invalid(format!("removing {name}: it is not a rootfs's name"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_commands_are_quoted_where_a_shell_would_not_take_them() {
        assert_eq!(quoted(Path::new("/a/.b-c_d")), "/a/.b-c_d");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }

    #[test]
    fn names_are_read_back_and_strange_ones_are_not() {
        let hex = "a".repeat(64);
        let parse = |name: &str| Entry::parse(Path::new("/cache/rootfs"), name);
        let single = parse(&format!("u7-single-sha256-{hex}")).unwrap();
        assert_eq!((single.mapping, single.stage), (Mapping::single(7), Stage::Complete));
        assert_eq!(single.chain_id.digest(), hex);
        let mapped = parse(&format!(".tmp-u7-map-0123456789ab-sha256-{hex}.old-12")).unwrap();
        assert_eq!(mapped.mapping.to_string(), "u7-map-0123456789ab");
        assert_eq!((mapped.chain_id.digest(), mapped.stage), (hex.as_str(), Stage::Temporary));
        for name in ["", "root", "root-sha256-xyz", "lost+found", ".tmp-", "a-b-c"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
