//! The menus of the boot loaders: which kernel is started, with what.
//!
//! GRUB reads the names of Rock Ridge, or those of ISO 9660 in lower case, as [`Tree`] has them. Files of an
//! EFI system partition, and those that ISOLINUX looks for, are found whatever their case.

mod grub;
mod kernel;
mod loader_spec;
mod syntax;
mod syslinux;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{MenuEntry, contents};
use crate::iso::finding::{Findings, Severity};
use crate::iso::image::Image;
use crate::iso::volume::{Entry, Kind, Tree};

/// Of all configuration files together, in bytes.
const MOST: u64 = 1 << 20;
/// Configuration files that are looked for, however they include each other.
const MOST_FILES: usize = 256;
/// Of all menus together.
const MOST_ENTRIES: usize = 256;
/// Initial RAM disks of an entry.
const MOST_INITRDS: usize = 16;
/// Names on the way to a file, those in links included.
const MOST_STEPS: usize = 256;

/// A file system that a boot loader reads from.
pub(super) struct Place<'a> {
    image: &'a Image,
    tree: &'a Tree,
    /// Before its paths, where they are shown: empty, or `efi:`.
    prefix: &'a str,
    /// Paths by what they are in lower case.
    lower: OnceCell<BTreeMap<String, String>>,
}

/// A file, where it is, by its own name.
#[derive(Clone, Copy)]
struct Found<'a> {
    place: &'a Place<'a>,
    path: &'a str,
    entry: &'a Entry,
}

/// All file systems of an image, and what was read of them.
struct Files<'a> {
    places: &'a [Place<'a>],
    read: BTreeSet<String>,
    /// How many may still be looked for.
    files: usize,
    /// How many bytes may still be read.
    left: u64,
}

/// One menu as its loader has it.
#[derive(Default)]
struct Menu {
    entries: Vec<Item>,
    /// It is never left without a choice.
    waits: bool,
}

/// An entry before its files are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Item {
    file: String,
    title: String,
    kernel: String,
    initrd: Vec<String>,
    command_line: String,
    default: bool,
}

/// The menus of all loaders, each kernel and initial RAM disk of which has to be in one of the places.
pub(super) fn read(places: &[Place<'_>], findings: &mut Findings) -> io::Result<Vec<MenuEntry>> {
    let mut files = Files { places, read: BTreeSet::new(), files: MOST_FILES, left: MOST };
    let mut entries = Vec::new();
    for place in places {
        for reader in [grub::read, syslinux::read, loader_spec::read] {
            for (name, menu) in reader(place, &mut files, findings)? {
                if menu.waits && !menu.entries.is_empty() {
                    let message =
                        format!("{}: its menu has no timeout, it waits for somebody", name.escape_debug());
                    findings.warning("menu-waits", None, message);
                }
                entries.extend(menu.entries.into_iter().map(|item| (place, item)));
            }
        }
    }
    entries.truncate(MOST_ENTRIES);
    for (place, item) in &entries {
        check(place, &files, item, findings)?;
    }
    Ok(entries.into_iter().map(|(_, item)| item.into()).collect())
}

impl From<Item> for MenuEntry {
    fn from(item: Item) -> Self {
        let Item { file, title, kernel, initrd, command_line, default } = item;
        Self { file, title, kernel, initrd, command_line, default }
    }
}

impl<'a> Place<'a> {
    /// `prefix` goes before every path that is shown.
    pub fn new(image: &'a Image, tree: &'a Tree, prefix: &'a str) -> Self {
        Self { image, tree, prefix, lower: OnceCell::new() }
    }

    /// The file of this path, links followed; in whatever case if there is none in this one.
    fn get(&'a self, path: &str) -> Option<Found<'a>> {
        let exact = self.follow(path);
        exact.or_else(|| {
            let keys = self.tree.entries.keys();
            let index = || keys.map(|path| (path.to_ascii_lowercase(), path.clone())).collect();
            self.follow(self.lower.get_or_init(index).get(&normal(path).to_ascii_lowercase())?)
        })
    }

    /// Name by name, as any of them may be a link.
    fn follow(&'a self, path: &str) -> Option<Found<'a>> {
        let mut left: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut at = String::new();
        for _ in 0..MOST_STEPS {
            let Some(part) = left.pop() else {
                let (path, entry) = self.tree.entries.get_key_value(&at)?;
                return (entry.kind == Kind::File).then_some(Found { place: self, path, entry });
            };
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match &self.tree.get(&next)?.kind {
                Kind::Link(target) => {
                    left.extend(parts(target).rev().take(MOST_STEPS).map(str::to_owned));
                    if target.starts_with('/') {
                        at.clear();
                    }
                }
                _ => at = next,
            }
        }
        None
    }

    /// Names of the files below a directory and in no other below that.
    fn below(&self, directory: &str) -> Vec<String> {
        let names = self.tree.entries.keys().filter(|name| {
            name.get(..directory.len()).is_some_and(|start| start.eq_ignore_ascii_case(directory))
                && name[directory.len()..].strip_prefix('/').is_some_and(|rest| !rest.contains('/'))
        });
        names.cloned().collect()
    }
}

impl Files<'_> {
    /// The text of a configuration file and its name, once.
    fn text(
        &mut self,
        place: &Place<'_>,
        path: &str,
        findings: &mut Findings,
    ) -> io::Result<Option<(String, String)>> {
        self.files = self.files.saturating_sub(1);
        let Some(found) = place.get(path).filter(|_| self.files > 0) else { return Ok(None) };
        let name = found.name();
        if !self.read.insert(name.clone()) {
            return Ok(None);
        }
        let size = found.entry.size();
        let Some(left) = self.left.checked_sub(size) else {
            let message =
                format!("{}: its {size} bytes are not read, menus are shorter", name.escape_debug());
            findings.warning("menu-too-long", found.entry.record, message);
            return Ok(None);
        };
        self.left = left;
        let bytes = contents(place.image, &found.entry.extents, 0, MOST)?;
        Ok(Some((name, String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// In the place of the menu, else in another: GRUB searches all disks for its root.
    fn find<'a>(&'a self, first: &'a Place<'a>, path: &str) -> Option<Found<'a>> {
        first.get(path).or_else(|| self.places.iter().find_map(|place| place.get(path)))
    }
}

impl Found<'_> {
    fn name(&self) -> String {
        format!("{}{}", self.place.prefix, self.path)
    }
}

/// What is missing keeps the default entry from starting; another one may be for another machine.
fn check(place: &Place<'_>, files: &Files<'_>, item: &Item, findings: &mut Findings) -> io::Result<()> {
    let severity = if item.default { Severity::Error } else { Severity::Warning };
    let mut report = |code, offset: Option<u64>, message: String| match severity {
        Severity::Error => findings.error(code, offset, message),
        Severity::Warning => findings.warning(code, offset, message),
    };
    let entry = format!("{}: entry {:?}", item.file.escape_debug(), item.title);
    // on other disks, or only known when it is chosen: that cannot be looked for
    let known = |path: &&String| !path.contains('$') && !path.starts_with('(');
    for initrd in item.initrd.iter().filter(known).take(MOST_INITRDS) {
        if files.find(place, initrd).is_none() {
            report(
                "initrd-missing",
                None,
                format!("{entry}: its initrd {} is not there", initrd.escape_debug()),
            );
        }
    }
    let Some(kernel) = Some(&item.kernel).filter(known) else { return Ok(()) };
    let Some(found) = files.find(place, kernel) else {
        report("kernel-missing", None, format!("{entry}: its kernel {} is not there", kernel.escape_debug()));
        return Ok(());
    };
    let head = contents(found.place.image, &found.entry.extents, 0, kernel::HEAD)?;
    if let Some((code, reason)) = kernel::fault(&head, found.entry.size()) {
        let offset = found.entry.extents.first().map(|extent| extent.offset);
        report(code, offset, format!("{entry}: its kernel {} {reason}", kernel.escape_debug()));
    }
    Ok(())
}

/// The names of a path.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Absolute, without `.` and `..`, for paths that loaders take from their own directory.
fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for part in parts(path) {
        match part {
            ".." => drop(names.pop()),
            _ => names.push(part),
        }
    }
    format!("/{}", names.join("/"))
}

/// The directory of a file, without a slash at its end.
fn directory(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

#[cfg(test)]
mod tests;
