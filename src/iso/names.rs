//! Looking for files by the names that a mounted volume shows.

use super::image::Extent;
#[cfg(test)]
use super::volume::Identifiers;
use super::volume::{Entry, Kind, Tree, Volume};

/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

impl Volume {
    /// The tree that Linux mounts: Joliet's where there are no Rock Ridge names.
    pub fn shown(&self) -> &Tree {
        let joliet = self.joliet.as_ref().filter(|_| !self.rock_ridge);
        joliet.map_or(&self.tree, |joliet| &joliet.tree)
    }
}

impl Tree {
    /// Where the contents of all files are.
    pub fn extents(&self) -> impl Iterator<Item = Extent> {
        let files = self.entries.values().filter(|entry| entry.kind == Kind::File);
        files.flat_map(|entry| entry.extents.iter().copied()).filter(|extent| extent.length > 0)
    }

    /// The regular file at `path`, links on the way followed within the volume.
    pub fn file(&self, path: &str) -> Option<(String, &Entry)> {
        let mut waiting: Vec<String> = parts(path);
        let (mut found, mut links) = (String::new(), 0);
        while let Some(name) = waiting.pop() {
            if name == ".." {
                found.truncate(found.rfind('/').unwrap_or_default());
                continue;
            }
            let next = format!("{found}/{name}");
            match &self.get(&next)?.kind {
                Kind::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        found.clear();
                    }
                    waiting.extend(parts(target));
                }
                _ => found = next,
            }
        }
        let entry = self.get(&found).filter(|entry| entry.kind == Kind::File)?;
        Some((found, entry))
    }
}

/// The names of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect()
}

/// What tests need of a volume.
#[cfg(test)]
impl Volume {
    /// An empty one with Rock Ridge.
    pub fn named(label: &str) -> Self {
        Self {
            about: Identifiers { label: label.to_owned(), ..Identifiers::default() },
            length: 0,
            block_size: 2048,
            tree: Tree::default(),
            rock_ridge: true,
            joliet: None,
        }
    }
}

#[cfg(test)]
impl Entry {
    pub fn of(kind: Kind) -> Self {
        Self { kind, extents: Vec::new(), mode: None, uid: None, gid: None, uncompressed: None, record: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, Kind)]) -> Tree {
        let entries = entries.iter().map(|(path, kind)| ((*path).to_owned(), Entry::of(kind.clone())));
        Tree { entries: entries.collect() }
    }

    #[test]
    fn links_are_followed_within_the_volume_and_not_for_ever() {
        let link = |target: &str| Kind::Link(target.to_owned());
        let tree = tree(&[
            ("/", Kind::Directory),
            ("/a", Kind::Directory),
            ("/a/file", Kind::File),
            ("/a/up", link("../../b/./up")),
            ("/b", link("/a")),
            ("/loop", link("loop")),
            ("/lost", link("nowhere")),
        ]);
        let found = |path: &str| tree.file(path).map(|(path, _)| path);
        for path in ["/a/file", "./a/file", "a//file", "b/file", "/a/../b/file", "/../a/file"] {
            assert_eq!(found(path).as_deref(), Some("/a/file"), "{path}");
        }
        for path in ["/loop", "/lost", "/a", "/", "", "/a/up", "/a/none"] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
