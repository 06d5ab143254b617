//! From the root directory to the tree of all entries.

use std::collections::HashSet;
use std::io;

use super::about::{About, Subject};
use super::descriptor::SECTOR;
use super::directory::Records;
use super::file::{self, Open};
use super::limits::{Budget, Stop};
use super::moves::{Claim, Moves, Place};
use super::names::{Naming, checked};
use super::record::Record;
use super::rock_ridge::{Attributes, Owner};
use super::susp::{Reader, Susp};
use super::{Entry, Kind, Tree};
use crate::iso::finding::Findings;
use crate::iso::image::Extent;

/// In bytes, PATH_MAX: what is deeper than that, no program can open.
const LONGEST_PATH: usize = 4096;

/// What was found from a root on.
#[derive(Default)]
pub(super) struct Found {
    pub tree: Tree,
    pub rock_ridge: bool,
    /// Every directory where ECMA-119 has it, which Rock Ridge may show elsewhere.
    pub directories: Vec<Physical>,
    /// Whether nothing was left out for being too much.
    pub whole: bool,
}

/// A directory as ECMA-119 without extensions has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Physical {
    pub location: u32,
    /// The location of its parent.
    pub parent: u32,
    pub identifier: Vec<u8>,
    /// Of its record, in bytes from the image's start.
    pub record: u64,
}

/// Reads the tree below `root`.
pub(super) fn read(
    reader: Reader<'_>,
    root: &Record,
    naming: Naming,
    findings: &mut Findings,
) -> io::Result<Found> {
    let mut walk = Walk {
        reader,
        naming,
        findings,
        budget: Budget::default(),
        susp: None,
        found: Found { whole: true, ..Found::default() },
        moves: Moves::default(),
        pending: Vec::new(),
        visited: HashSet::new(),
    };
    match walk.run(root) {
        Ok(()) => {}
        Err(Stop::Read(error)) => return Err(error),
        Err(Stop::Exhausted(exhausted)) => {
            walk.found.whole = false;
            let text = format!("the volume has more than {}; the rest is left out", exhausted.0);
            walk.findings.error("too-much", None, text);
        }
    }
    Ok(walk.found)
}

/// The reading of one tree.
pub(super) struct Walk<'a> {
    pub reader: Reader<'a>,
    pub naming: Naming,
    pub findings: &'a mut Findings,
    pub budget: Budget,
    pub susp: Option<Susp>,
    pub found: Found,
    pub moves: Moves,
    pending: Vec<Directory>,
    /// Locations of directories that were read.
    visited: HashSet<u32>,
}

/// One that is to be read.
pub(super) struct Directory {
    pub path: String,
    /// In blocks.
    pub location: u32,
    pub extent: Extent,
    /// Of the record that led here.
    record: u64,
    pub owner: Option<Owner>,
    pub from: From,
}

/// How it was found.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// Below the directory with this location and length.
    Parent { location: u32, length: u64 },
    /// A file of the directory at this location stands for it (CL).
    Moved { shown_in: u32 },
    /// It only keeps directories that were moved there, and is not shown itself.
    Keeper { location: u32, length: u64 },
}

impl Walk<'_> {
    fn run(&mut self, root: &Record) -> Result<(), Stop> {
        let extent = root.extent(self.reader.frame);
        let (location, record) = (root.location, root.offset);
        self.found.directories.push(Physical { location, parent: location, identifier: vec![0], record });
        self.found.tree.entries.insert("/".into(), file::directory(extent, None, record));
        let from = From::Parent { location, length: extent.length };
        self.pending.push(Directory { path: "/".into(), location, extent, record, owner: None, from });
        loop {
            while let Some(directory) = self.pending.pop() {
                self.directory(&directory)?;
            }
            // the directories that nothing leads to are read last, when it is known that nothing does
            match self.moves.keeper(&self.visited) {
                Some((location, place)) => self.keeper(location, place),
                None => break,
            }
        }
        self.moves.check(self.findings);
        Ok(())
    }

    fn keeper(&mut self, location: u32, place: Place) {
        let from = From::Keeper { location: place.parent, length: place.parent_length };
        let (extent, record) = (place.extent, place.record);
        self.pending.push(Directory { path: place.path, location, extent, record, owner: None, from });
    }

    fn directory(&mut self, directory: &Directory) -> Result<(), Stop> {
        let shown = format!("directory {}", directory.path.escape_debug());
        let mut about = About::new(self.findings, &shown);
        if !self.visited.insert(directory.location) {
            let text = format_args!("another one has the same location {}; it is a loop", directory.location);
            about.error("directory-loop", directory.record, text);
            return Ok(());
        }
        if directory.extent.length == 0 || !self.reader.image.holds(&[directory.extent]) {
            let Extent { offset, length } = directory.extent;
            let text = format_args!("its {length} bytes at {offset} are not all within the image");
            about.error("directory-beyond-image", directory.record, text);
            return Ok(());
        }
        let mut records = Records::new(self.reader.image, directory.extent);
        if !self.itself(directory, &mut records)? || !self.parent(directory, &mut records)? {
            return Ok(());
        }
        let mut open = None;
        while let Some(record) = records.next(&mut self.budget, &mut About::new(self.findings, &shown))? {
            self.record(directory, &record, &mut open)?;
        }
        if let Some(open) = open {
            open.unfinished(&mut About::new(self.findings, &shown));
            self.insert(open.path, open.entry)?;
        }
        Ok(())
    }

    pub fn attributes(&mut self, directory: &Directory, record: &Record) -> Result<Attributes, Stop> {
        let subject = Subject { directory: &directory.path, identifier: &record.identifier };
        let mut about = About::new(self.findings, &subject);
        let Some(susp) = self.susp.filter(|_| self.found.rock_ridge) else {
            let (rest, offset) = &record.system_use;
            if rest.len() > 1 && rest.iter().all(|byte| *byte == 0) {
                about.warning("record-padding", *offset, "its record is longer than what is in it");
            }
            return Ok(Attributes::default());
        };
        let entries = susp.entries(&self.reader, record, &mut self.budget, &mut about)?;
        let attributes = Attributes::of(&entries, &mut about);
        if attributes.owner.is_none() && record.identifier != [1] {
            about.error("no-attributes", record.offset, "it has no mode and no owner (PX)");
        }
        Ok(attributes)
    }

    fn record(
        &mut self,
        directory: &Directory,
        record: &Record,
        open: &mut Option<Open>,
    ) -> Result<(), Stop> {
        self.budget.record()?;
        let attributes = self.attributes(directory, record)?;
        let subject = Subject { directory: &directory.path, identifier: &record.identifier };
        let mut about = About::new(self.findings, &subject);
        if let Some(mut part) = open.take() {
            if part.takes(record, self.reader, &mut about) {
                match record.goes_on() {
                    true => *open = Some(part),
                    false => self.insert(part.path, part.entry)?,
                }
                return Ok(());
            }
            part.unfinished(&mut about);
            self.insert(part.path, part.entry)?;
        }
        if record.is_directory() {
            self.found.directories.push(Physical {
                location: record.location,
                parent: directory.location,
                identifier: record.identifier.clone(),
                record: record.offset,
            });
        }
        if attributes.moved && record.is_directory() {
            self.moved_here(directory, record);
        } else if !record.is_associated() {
            self.entry(directory, record, attributes, open)?;
        }
        Ok(())
    }

    /// A directory that is kept here and shown elsewhere.
    fn moved_here(&mut self, directory: &Directory, record: &Record) {
        let subject = Subject { directory: &directory.path, identifier: &record.identifier };
        record.is_readable(self.reader.frame, &mut About::new(self.findings, &subject));
        let place = Place {
            path: subject.to_string(),
            parent: directory.location,
            parent_length: directory.extent.length,
            extent: record.extent(self.reader.frame),
            record: record.offset,
            in_root: directory.path == "/",
        };
        self.moves.here(record.location, place);
    }

    fn entry(
        &mut self,
        directory: &Directory,
        record: &Record,
        attributes: Attributes,
        open: &mut Option<Open>,
    ) -> Result<(), Stop> {
        let subject = Subject { directory: &directory.path, identifier: &record.identifier };
        let mut about = About::new(self.findings, &subject);
        if let From::Keeper { .. } = directory.from {
            about.error(
                "moved-stranger",
                record.offset,
                "it is among moved directories, but was not moved; it is left out",
            );
            return Ok(());
        }
        let name = match &attributes.name {
            Some(name) => checked(name, record.offset, &mut about),
            None => self.naming.checked(&record.identifier, record.offset, &mut about),
        };
        let Some(name) = name else { return Ok(()) };
        let path = format!("{}/{name}", directory.path.trim_end_matches('/'));
        if path.len() > LONGEST_PATH {
            let text =
                format_args!("its path has {} bytes, more than {LONGEST_PATH}; it is left out", path.len());
            about.error("path-length", record.offset, text);
            return Ok(());
        }
        // Linux finds the first; nothing is read below the second, which would appear in the first
        if self.found.tree.entries.contains_key(&path) {
            let text = format_args!("{} is there already, and this one is left out", path.escape_debug());
            about.error("duplicate-name", record.offset, text);
            return Ok(());
        }
        let extent = match attributes.child {
            Some(child) => self.moved_away(directory, child, record)?,
            None => Some(record.extent(self.reader.frame)),
        };
        let mut about = About::new(self.findings, &subject);
        let Some(extent) = extent else { return Ok(()) };
        let Some(entry) = file::entry(self.reader, record, extent, &attributes, &mut about) else {
            return Ok(());
        };
        if entry.kind == Kind::Directory {
            self.follow(directory, record, &attributes, (path.clone(), extent));
        }
        match record.goes_on() && entry.kind == Kind::File {
            true => *open = Some(Open { path, identifier: record.identifier.clone(), entry }),
            false => self.insert(path, entry)?,
        }
        Ok(())
    }

    /// A file that stands for a directory kept elsewhere: RRIP, 4.1.5.1. Its length is only there.
    fn moved_away(&mut self, shown: &Directory, child: u32, record: &Record) -> Result<Option<Extent>, Stop> {
        let subject = Subject { directory: &shown.path, identifier: &record.identifier };
        let mut about = About::new(self.findings, &subject);
        let offset = self.reader.frame.offset(child);
        let head = self
            .reader
            .image
            .extent(Extent { offset, length: SECTOR.min(self.reader.frame.block_size.into()) }, SECTOR)?;
        let first = head
            .and_then(|head| Record::parse(&head, offset, &mut about))
            .filter(|first| first.identifier == [0]);
        let Some(first) = first else {
            about.error(
                "moved-missing",
                record.offset,
                format_args!("its directory, at block {child}, is none"),
            );
            return Ok(None);
        };
        Ok(Some(Extent { offset, length: first.length.into() }))
    }

    /// A directory that is shown is to be read.
    fn follow(
        &mut self,
        shown: &Directory,
        record: &Record,
        attributes: &Attributes,
        (path, extent): (String, Extent),
    ) {
        let from = match attributes.child {
            Some(child) => {
                self.moves.claim(child, Claim { path: path.clone(), record: record.offset, below: None });
                From::Moved { shown_in: shown.location }
            }
            None => From::Parent { location: shown.location, length: shown.extent.length },
        };
        // outside a moved directory is only a file that stands for it
        let owner = attributes.owner.filter(|_| attributes.child.is_none());
        let location = attributes.child.unwrap_or(record.location);
        self.pending.push(Directory { path, location, extent, record: record.offset, owner, from });
    }

    fn insert(&mut self, path: String, entry: Entry) -> Result<(), Stop> {
        self.budget.path(path.len())?;
        self.found.tree.entries.insert(path, entry);
        Ok(())
    }
}
