//! The files of two volumes.

use std::collections::BTreeSet;
use std::io;

use serde_json::{Value, json};

use super::{Area, Differences, Side};
use crate::iso::cloud::Seed;
use crate::iso::image::Image;
use crate::iso::sums::{self, Algorithm};
use crate::iso::volume::{Entry, Kind, Tree};

/// So many differences of files are told; two images of different makers have little in common.
const MOST: usize = 10_000;

impl Differences {
    /// Names, kinds, modes, owners, link targets, sizes and contents. Those of cloud-init data are told
    /// elsewhere.
    pub(super) fn files(&mut self, a: &Side<'_>, b: &Side<'_>) -> io::Result<()> {
        let empty = Tree::default();
        let (left, right) = (tree(a).unwrap_or(&empty), tree(b).unwrap_or(&empty));
        let seeds: BTreeSet<&str> = paths(&a.examined.seeds).chain(paths(&b.examined.seeds)).collect();
        let names: BTreeSet<&String> = left.entries.keys().chain(right.entries.keys()).collect();
        let mut contents = Contents { a: a.image, b: b.image, left: a.image.size.saturating_mul(2) };
        let most = self.0.len() + MOST;
        for name in names.into_iter().filter(|name| !seeds.contains(name.as_str())) {
            if self.0.len() >= most {
                self.push(Area::File, None, "further files", None, None);
                break;
            }
            match (left.get(name), right.get(name)) {
                (Some(a), Some(b)) => self.entry(name, a, b, &mut contents)?,
                (a, b) => self.alone(Area::File, name, a.map(describe), b.map(describe)),
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, a: &Entry, b: &Entry, contents: &mut Contents<'_>) -> io::Result<()> {
        let facts: [(&str, Value, Value); 5] = [
            ("kind", kind(a).into(), kind(b).into()),
            ("target", target(a).into(), target(b).into()),
            ("mode", mode(a).into(), mode(b).into()),
            ("uid", a.uid.into(), b.uid.into()),
            ("gid", a.gid.into(), b.gid.into()),
        ];
        for (what, left, right) in facts.into_iter().filter(|(_, left, right)| left != right) {
            self.push(Area::File, Some(name), what, Some(left), Some(right));
        }
        if a.kind != Kind::File || b.kind != Kind::File {
            return Ok(());
        }
        if a.size() != b.size() {
            self.push(Area::File, Some(name), "size", Some(a.size().into()), Some(b.size().into()));
        }
        match contents.are_same(a, b)? {
            Some(true) => {}
            Some(false) => self.push(Area::File, Some(name), "contents", None, None),
            None => self.push(Area::File, Some(name), "contents not compared", None, None),
        }
        Ok(())
    }
}

fn tree<'i>(side: &Side<'i>) -> Option<&'i Tree> {
    side.examined.volume.as_ref().map(|volume| volume.shown())
}

fn paths(seeds: &[Seed]) -> impl Iterator<Item = &str> {
    seeds.iter().flat_map(|seed| seed.files.iter().map(|file| file.path.as_str()))
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Link(_) => "link",
        Kind::Special => "special",
    }
}

fn mode(entry: &Entry) -> Option<String> {
    entry.mode.map(|mode| format!("{:04o}", mode & 0o7777))
}

fn target(entry: &Entry) -> Option<&str> {
    match &entry.kind {
        Kind::Link(target) => Some(target),
        _ => None,
    }
}

fn describe(entry: &Entry) -> Value {
    match entry.kind {
        Kind::File => json!({"kind": kind(entry), "size": entry.size()}),
        _ => json!({"kind": kind(entry)}),
    }
}

struct Contents<'i> {
    a: &'i Image,
    b: &'i Image,
    /// So many more bytes may be read: the files of a hostile image overlap.
    left: u64,
}

impl Contents<'_> {
    /// Whether two files hold the same; `None` if too much was read already.
    fn are_same(&mut self, a: &Entry, b: &Entry) -> io::Result<Option<bool>> {
        let length =
            |entry: &Entry| entry.extents.iter().fold(0_u64, |sum, it| sum.saturating_add(it.length));
        let (left, right) = (length(a), length(b));
        if left != right {
            return Ok(Some(false));
        }
        let Some(rest) = self.left.checked_sub(left) else { return Ok(None) };
        self.left = rest;
        let sum = |image: &Image, entry: &Entry| sums::of_extents(image, &entry.extents, Algorithm::Sha256);
        Ok(Some(sum(self.a, a)? == sum(self.b, b)?))
    }
}
