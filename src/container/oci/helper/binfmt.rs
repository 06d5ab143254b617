//! Emulators that this host has registered for the programs of other processors (binfmt_misc).

use std::path::{Path, PathBuf};

/// Where the host's are; a container has a /proc without them.
pub const DIR: &str = "/proc/sys/fs/binfmt_misc";

/// A handler that is switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    pub interpreter: PathBuf,
    /// Flag `F`: opened when it was registered, so that it need not be in the container.
    pub fixed: bool,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Magic { offset: usize, magic: Vec<u8>, mask: Vec<u8> },
    Extension(String),
}

/// The handlers below `dir`; none where binfmt_misc is absent or switched off.
pub fn registered(dir: &Path) -> Vec<Emulator> {
    let read = |name: &Path| std::fs::read_to_string(name).unwrap_or_default();
    if read(&dir.join("status")).trim() != "enabled" {
        return Vec::new();
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Emulator::parse(&read(&entry.path()))).collect()
}

impl Emulator {
    /// The text of a file there (Documentation/admin-guide/binfmt-misc.rst).
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if text.lines().next() != Some("enabled") {
            return None;
        }
        let rule = match field("extension .") {
            Some(extension) => Rule::Extension(extension.to_owned()),
            None => {
                let magic = bytes(field("magic ")?)?;
                let mask = field("mask ").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]);
                Rule::Magic { offset: field("offset ")?.parse().ok()?, magic, mask }
            }
        };
        let fixed = field("flags:").is_some_and(|flags| flags.contains('F'));
        Some(Self { interpreter: field("interpreter ")?.into(), fixed, rule })
    }

    /// Whether the kernel gives it a file that begins like this.
    pub fn takes(&self, file: &Path, head: &[u8]) -> bool {
        match &self.rule {
            Rule::Extension(wanted) => file.extension().is_some_and(|found| found == wanted.as_str()),
            Rule::Magic { offset, magic, mask } => {
                let found = head.get(*offset..).and_then(|rest| rest.get(..magic.len()));
                found.is_some_and(|found| {
                    found.iter().zip(magic).zip(mask).all(|((a, b), mask)| a & mask == b & mask)
                })
            }
        }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AARCH64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n\
                           magic 7f454c460201010000000000000000000200b700\n\
                           mask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn handlers_are_read_as_the_kernel_writes_them() {
        let emulator = Emulator::parse(AARCH64).unwrap();
        assert!(emulator.fixed && emulator.interpreter == Path::new("/usr/bin/qemu-aarch64-static"));
        let mut head = b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0\x03\0\xb7\0".to_vec();
        assert!(emulator.takes(Path::new("x"), &head), "masked bits do not count");
        head[18] = 62;
        assert!(!emulator.takes(Path::new("x"), &head) && !emulator.takes(Path::new("x"), b"\x7fELF"));
        assert_eq!(Emulator::parse(&AARCH64.replace("enabled", "disabled")), None);
        let jar = Emulator::parse("enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n").unwrap();
        assert!(jar.takes(Path::new("/x.jar"), b"") && !jar.takes(Path::new("/jar"), b"") && !jar.fixed);
    }

    #[test]
    fn a_host_without_binfmt_misc_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(registered(dir.path()), []);
        std::fs::write(dir.path().join("qemu"), AARCH64).unwrap();
        std::fs::write(dir.path().join("status"), "disabled\n").unwrap();
        assert_eq!(registered(dir.path()), []);
        std::fs::write(dir.path().join("status"), "enabled\n").unwrap();
        assert_eq!(registered(dir.path()).len(), 1);
    }
}
