//! Names as Linux shows them.

use std::fmt::Write as _;

use super::about::About;
use super::fields::wide;

/// Which names a tree's records have, apart from Rock Ridge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// ECMA-119, 7.5 and 7.6.
    Iso,
    /// UCS-2.
    Joliet,
}

impl Naming {
    /// The name that an identifier stands for, as text: see [`checked`].
    pub fn checked(self, identifier: &[u8], offset: u64, about: &mut About<'_>) -> Option<String> {
        if self == Self::Joliet && !identifier.len().is_multiple_of(2) {
            about.error("name-odd", offset, "its name is half a character too long");
        }
        checked(&self.name(identifier), offset, about)
    }

    /// The name that an identifier stands for, as Linux maps it: without version, and in lower case if it is not
    /// Joliet's (isofs, `map=normal`).
    fn name(self, identifier: &[u8]) -> Vec<u8> {
        match self {
            Self::Iso => {
                let name = identifier.strip_suffix(b";1").unwrap_or(identifier);
                // 7.5.1: a name without extension has the dot nevertheless
                let name = if name.len() < identifier.len() {
                    name.strip_suffix(b".").unwrap_or(name)
                } else {
                    name
                };
                name.iter().map(|byte| if *byte == b';' { b'.' } else { byte.to_ascii_lowercase() }).collect()
            }
            Self::Joliet => {
                let name = wide(identifier);
                name.strip_suffix(";1").unwrap_or(&name).as_bytes().to_vec()
            }
        }
    }
}

/// The name as text, if it can be one of a file: what is none would lead out of its directory, or hide others.
/// Bytes that are no UTF-8 become `\xNN`.
pub(super) fn checked(name: &[u8], offset: u64, about: &mut About<'_>) -> Option<String> {
    let wrong = match name {
        b"" => Some("is empty"),
        b"." | b".." => Some("is that of a directory itself or of its parent"),
        _ if name.contains(&b'/') => Some("has a slash in it"),
        _ if name.contains(&0) => Some("has a NUL in it"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        about.error("name", offset, format_args!("its name {wrong}; it is left out"));
        return None;
    }
    Some(text(name, offset, about))
}

/// Text that cannot be mistaken for another name's.
pub(super) fn text(bytes: &[u8], offset: u64, about: &mut About<'_>) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    about.warning("name-encoding", offset, "its name, or its link's target, is not UTF-8");
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // writing to a String cannot fail
        chunk.invalid().iter().for_each(|byte| _ = write!(text, "\\x{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::finding::Findings;

    #[test]
    fn iso_names_are_what_linux_makes_of_them() {
        for (identifier, name) in [
            ("VMLINUZ.;1", "vmlinuz"),
            ("README.TXT;1", "readme.txt"),
            ("BOOT", "boot"),
            ("A.;2", "a..2"),
            ("DOT.", "dot."),
            ("B;1;1", "b.1"),
            ("_-.A;1", "_-.a"),
        ] {
            assert_eq!(Naming::Iso.name(identifier.as_bytes()), name.as_bytes(), "{identifier}");
        }
    }

    #[test]
    fn joliet_names_keep_their_case_and_lose_their_version() {
        let wide: Vec<u8> = "Größe 𝄞.txt;1".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(Naming::Joliet.name(&wide), "Größe 𝄞.txt".as_bytes());
        assert_eq!(Naming::Joliet.name(&[0xd8, 0, 0, b'a']), "\u{fffd}a".as_bytes());
    }

    #[test]
    fn names_that_are_none_are_findings() {
        for (name, text) in [
            (b"".as_slice(), "x: its name is empty; it is left out"),
            (b".", "x: its name is that of a directory itself or of its parent; it is left out"),
            (b"..", "x: its name is that of a directory itself or of its parent; it is left out"),
            (b"a/b", "x: its name has a slash in it; it is left out"),
            (b"a\0", "x: its name has a NUL in it; it is left out"),
        ] {
            let mut findings = Findings::default();
            assert_eq!(checked(name, 7, &mut About::new(&mut findings, &"x")), None);
            let [finding] = findings.list() else { panic!("{findings:?}") };
            assert_eq!((finding.code, finding.offset, finding.message.as_str()), ("name", Some(7), text));
        }
    }

    #[test]
    fn names_in_other_encodings_stay_apart() {
        let mut findings = Findings::default();
        let mut about = About::new(&mut findings, &"x");
        assert_eq!(checked(b"gr\xfc\xdfe", 0, &mut about).unwrap(), "gr\\xfc\\xdfe");
        assert_eq!(findings.list()[0].message, "x: its name, or its link's target, is not UTF-8");
    }
}
