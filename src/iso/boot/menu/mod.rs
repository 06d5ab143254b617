//! The menus of the boot loaders: which kernel is started, with what.
//!
//! GRUB reads the names of Rock Ridge, or those of ISO 9660 in lower case, as [`Tree`] has them. Files of an
//! EFI system partition, and those that ISOLINUX looks for, are found whatever their case.

mod grub;
mod kernel;
mod loader_spec;
mod syntax;
mod syslinux;

use std::collections::BTreeSet;
use std::io;

use super::{MenuEntry, contents};
use crate::iso::finding::{Findings, Severity};
use crate::iso::image::Image;
use crate::iso::volume::{Entry, Kind, Tree};

/// Of a configuration file, in bytes.
const MOST: u64 = 1 << 20;
/// Configuration files that are read, however they include each other.
const MOST_FILES: usize = 64;
/// Of all menus together.
const MOST_ENTRIES: usize = 256;
/// Links that lead from one to the next; Linux follows 40.
const MOST_LINKS: usize = 40;

/// A file system that a boot loader reads from.
pub(super) struct Place<'a> {
    pub image: &'a Image,
    pub tree: &'a Tree,
    /// Before its paths, where they are shown: empty, or `efi:`.
    pub prefix: &'a str,
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
    let mut files = Files { places, read: BTreeSet::new() };
    let mut entries = Vec::new();
    for place in places {
        for reader in [grub::read, syslinux::read, loader_spec::read] {
            for (name, menu) in reader(place, &mut files, findings)? {
                if menu.waits && !menu.entries.is_empty() {
                    let message = format!("{name}: its menu has no timeout, it waits for somebody to choose");
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
    /// The file of this path, links followed; in whatever case if there is none in this one.
    fn get(&'a self, path: &str) -> Option<Found<'a>> {
        let exact = self.follow(path);
        exact.or_else(|| {
            let path = normal(path);
            let mut names = self.tree.entries.keys();
            self.follow(names.find(|name| name.eq_ignore_ascii_case(&path))?)
        })
    }

    /// Name by name, as any of them may be a link.
    fn follow(&'a self, path: &str) -> Option<Found<'a>> {
        let mut left: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let (mut at, mut links) = (String::new(), 0);
        while let Some(part) = left.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match &self.tree.get(&next)?.kind {
                Kind::Link(target) if links < MOST_LINKS && target.len() < 4096 => {
                    links += 1;
                    left.extend(parts(target).rev().map(str::to_owned));
                    if target.starts_with('/') {
                        at.clear();
                    }
                }
                Kind::Link(_) => return None,
                _ => at = next,
            }
        }
        let (path, entry) = self.tree.entries.get_key_value(&at)?;
        (entry.kind == Kind::File).then_some(Found { place: self, path, entry })
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
        let Some(found) = place.get(path) else { return Ok(None) };
        let name = found.name();
        if self.read.len() >= MOST_FILES || !self.read.insert(name.clone()) {
            return Ok(None);
        }
        if found.entry.size() > MOST {
            let message = format!("{name}: a menu of {} bytes is not read", found.entry.size());
            findings.warning("menu-too-long", found.entry.record, message);
            return Ok(None);
        }
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
    let entry = format!("{}: entry {:?}", item.file, item.title);
    // what is only known when it is chosen cannot be looked for
    let known = |path: &&String| !path.contains('$');
    for initrd in item.initrd.iter().filter(known) {
        if files.find(place, initrd).is_none() {
            report("initrd-missing", None, format!("{entry}: its initrd {initrd} is not there"));
        }
    }
    let Some(kernel) = Some(&item.kernel).filter(known) else { return Ok(()) };
    let Some(found) = files.find(place, kernel) else {
        report("kernel-missing", None, format!("{entry}: its kernel {kernel} is not there"));
        return Ok(());
    };
    let head = contents(found.place.image, &found.entry.extents, 0, kernel::HEAD)?;
    if let Some((code, reason)) = kernel::fault(&head, found.entry.size()) {
        let offset = found.entry.extents.first().map(|extent| extent.offset);
        report(code, offset, format!("{entry}: its kernel {kernel} {reason}"));
    }
    Ok(())
}

/// The names of a path.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

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
