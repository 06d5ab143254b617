//! Names of archive entries: cleaned, checked, and told apart from whiteouts (image-spec,
//! layer.md, "Whiteouts").

use std::fmt;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadName {
    Empty,
    Nul,
    DotDot,
    Long,
    Whiteout,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::Nul => "the name contains a NUL byte",
            Self::DotDot => "the name contains `..`",
            Self::Long => "a component of the name is longer than 255 bytes",
            Self::Whiteout => "the whiteout names nothing that can be removed",
        })
    }
}

impl std::error::Error for BadName {}

/// A path below the root: no leading or doubled slash, no `.`, no `..`; empty for the root itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// Leading slashes are stripped as every engine does. `..` is refused although engines clamp
    /// it: no builder writes it, and two readers would disagree on what it means.
    pub fn new(raw: &[u8]) -> Result<Self, BadName> {
        if raw.is_empty() {
            return Err(BadName::Empty);
        }
        if raw.contains(&0) {
            return Err(BadName::Nul);
        }
        let mut path = Vec::with_capacity(raw.len());
        for part in components(raw) {
            match part {
                b".." => return Err(BadName::DotDot),
                _ if part.len() > 255 => return Err(BadName::Long),
                _ => push(&mut path, part),
            }
        }
        Ok(Self(path))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn parent(&self) -> &[u8] {
        split(&self.0).0
    }

    pub fn leaf(&self) -> &[u8] {
        split(&self.0).1
    }

    /// What an entry of this name asks for.
    pub fn meaning(&self) -> Result<Meaning<'_>, BadName> {
        // aufs kept its books in such names; overlay drivers never write them
        let aufs = |part: &[u8]| part.starts_with(b".wh..wh.");
        if components(self.parent()).any(aufs) {
            return Ok(Meaning::Nothing);
        }
        if components(self.parent()).any(|part| part.starts_with(b".wh.")) {
            return Err(BadName::Whiteout);
        }
        match self.leaf().strip_prefix(b".wh.") {
            None => Ok(Meaning::Entry),
            Some(b".wh..opq") => Ok(Meaning::Opaque),
            Some(_) if aufs(self.leaf()) => Ok(Meaning::Nothing),
            // umoci 0.4 emptied the rootfs on the last one
            Some(b"" | b"." | b"..") => Err(BadName::Whiteout),
            Some(hidden) => Ok(Meaning::Whiteout(hidden)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    Entry,
    /// Remove what lower layers have under this name in the same directory.
    Whiteout(&'a [u8]),
    /// Remove all that lower layers have in the directory.
    Opaque,
    /// Bookkeeping of a storage driver.
    Nothing,
}

/// The components of a path, without empty ones and `.`.
pub(super) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

/// Appends one component.
pub(super) fn push(path: &mut Vec<u8>, part: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(part);
}

pub(super) fn join(path: &[u8], part: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(path.len() + 1 + part.len());
    joined.extend_from_slice(path);
    push(&mut joined, part);
    joined
}

/// Parent and last component of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A name for people: what a terminal would obey is escaped, what is endless is cut.
pub(super) fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).chars().take(200).collect();
    format!("\"{}\"", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(raw: &[u8]) -> Result<Vec<u8>, BadName> {
        Name::new(raw).map(|name| name.0)
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(clean(b"/a//./b/").unwrap(), b"a/b");
        assert_eq!(clean(b"./").unwrap(), b"");
        assert_eq!(clean(b"\xff\n").unwrap(), b"\xff\n");
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        assert_eq!(clean(b""), Err(BadName::Empty));
        assert_eq!(clean(b"a\0b"), Err(BadName::Nul));
        assert_eq!(clean(b"a/../b"), Err(BadName::DotDot));
        assert_eq!(clean(&[b'a'; 256]), Err(BadName::Long));
    }

    #[test]
    fn whiteouts_are_told_apart() {
        let meaning = |raw: &[u8]| match Name::new(raw).unwrap().meaning() {
            Ok(Meaning::Whiteout(hidden)) => format!("remove {}", String::from_utf8_lossy(hidden)),
            other => format!("{other:?}"),
        };
        assert_eq!(meaning(b"d/x"), "Ok(Entry)");
        assert_eq!(meaning(b"d/.wh.x"), "remove x");
        assert_eq!(meaning(b"d/.wh..x"), "remove .x");
        assert_eq!(meaning(b"d/.wh..wh..opq"), "Ok(Opaque)");
        assert_eq!(meaning(b".wh..wh.plnk/1.2"), "Ok(Nothing)");
        assert_eq!(meaning(b".wh..wh.aufs"), "Ok(Nothing)");
        for bad in [&b"d/.wh."[..], b"d/.wh..", b"d/.wh...", b".wh.d/x"] {
            assert_eq!(meaning(bad), "Err(Whiteout)");
        }
    }

    #[test]
    fn shown_names_cannot_drive_a_terminal() {
        assert_eq!(shown(b"a\x1b[31m\n"), r#""a\u{1b}[31m\n""#);
    }
}
