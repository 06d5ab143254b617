//! Which parts of the image belong to what: files may share their contents, but not parts of them.

use super::descriptor::{Descriptor, Descriptors};
use super::walk::Found;
use super::{Kind, descriptor, path_table};
use crate::iso::finding::Findings;
use crate::iso::image::Extent;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner<'a> {
    Descriptors,
    PathTable,
    Directory(&'a str),
    File(&'a str),
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Descriptors => f.write_str("the volume descriptors"),
            Self::PathTable => f.write_str("a path table"),
            Self::Directory(path) => write!(f, "directory {}", path.escape_debug()),
            Self::File(path) => f.write_str(&path.escape_debug().to_string()),
        }
    }
}

type Part<'a> = (Extent, Owner<'a>);

/// Finds the parts that overlap. What is the same from its first to its last byte is a hard link, or a file in
/// both trees.
pub(super) fn check<'a>(
    descriptors: &Descriptors,
    trees: &[(&Descriptor, &'a Found)],
    findings: &mut Findings,
) {
    let mut parts: Vec<Part<'a>> = vec![(descriptor::own(descriptors), Owner::Descriptors)];
    for (descriptor, found) in trees {
        parts.extend(path_table::extents(descriptor).into_iter().map(|extent| (extent, Owner::PathTable)));
        for (path, entry) in &found.tree.entries {
            let owner =
                if entry.kind == Kind::Directory { Owner::Directory(path) } else { Owner::File(path) };
            parts.extend(entry.extents.iter().map(|extent| (*extent, owner)));
        }
    }
    parts.retain(|(extent, _)| extent.length > 0);
    parts.sort_unstable();
    parts.dedup_by(|second, first| second.0 == first.0 && is_file(second.1) && is_file(first.1));
    overlaps(&parts, findings);
}

fn is_file(owner: Owner<'_>) -> bool {
    matches!(owner, Owner::File(_))
}

/// Of parts in the order of their starts, each is compared with that before it which reaches farthest.
fn overlaps(parts: &[Part<'_>], findings: &mut Findings) {
    let mut farthest: Option<&Part<'_>> = None;
    for part in parts {
        let end = |(extent, _): &Part<'_>| extent.end().unwrap_or(u64::MAX);
        if let Some(before) = farthest.filter(|before| end(before) > part.0.offset) {
            let text = format!("{} and {} overlap", before.1, part.1);
            match is_file(before.1) && is_file(part.1) {
                true => findings.warning("extent-overlap", part.0.offset, text),
                false => findings.error("structure-overlap", part.0.offset, text),
            }
        }
        if farthest.is_none_or(|before| end(before) < end(part)) {
            farthest = Some(part);
        }
    }
}
