//! ELF headers, read as the kernel reads them before it runs a program (elf(5), fs/binfmt_elf.c).
//! The file is the image's: no number in it is believed before it is held against the file's size.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

pub const MAGIC: &[u8] = b"\x7fELF";
/// The kernel takes no longer name for a loader (PATH_MAX).
const LONGEST_NAME: u64 = 4096;
/// Nor larger tables of program headers.
const LARGEST_TABLE: usize = 65536;
const EXECUTABLE: u64 = 2;
const SHARED: u64 = 3;
/// Type of the program header that names the loader.
const INTERP: u64 = 3;

/// What is wrong with a program, worded to follow its name.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is for another processor, of this name.
    Foreign(String),
    Damaged(&'static str),
}

/// Where things are in the two classes: offset and size.
struct Layout {
    header: usize,
    table: (usize, usize),
    count: usize,
    entry: usize,
    offset: (usize, usize),
    size: (usize, usize),
}

const NARROW: Layout =
    Layout { header: 52, table: (28, 4), count: 44, entry: 32, offset: (4, 4), size: (16, 4) };
const WIDE: Layout =
    Layout { header: 64, table: (32, 8), count: 56, entry: 56, offset: (8, 8), size: (32, 8) };

struct Header<'h> {
    bytes: &'h [u8],
    layout: &'static Layout,
    big_endian: bool,
}

/// The loader that a program names (PT_INTERP), if this host's processor runs the program. `head`
/// is the beginning of `file`, with [`MAGIC`] in front.
pub fn loader(file: &File, size: u64, head: &[u8]) -> Result<Option<PathBuf>, Fault> {
    let header = Header::of(head)?;
    let machine = header.machine();
    if !runs_here(&machine) {
        return Err(Fault::Foreign(machine));
    }
    match header.number(header.bytes, (16, 2)) {
        EXECUTABLE | SHARED => header.loader(file, size),
        1 => Err(Fault::Damaged("is an object file, not a program")),
        4 => Err(Fault::Damaged("is a core dump, not a program")),
        _ => Err(Fault::Damaged("is an ELF file, but not a program")),
    }
}

impl<'h> Header<'h> {
    fn of(head: &'h [u8]) -> Result<Self, Fault> {
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        let layout = match byte(4) {
            1 => &NARROW,
            2 => &WIDE,
            _ => return Err(Fault::Damaged("has an ELF header of no known class")),
        };
        let big_endian = match byte(5) {
            1 => false,
            2 => true,
            _ => return Err(Fault::Damaged("has an ELF header of no known byte order")),
        };
        let bytes = head.get(..layout.header).ok_or(Fault::Damaged("ends within its ELF header"))?;
        Ok(Self { bytes, layout, big_endian })
    }

    /// A field, of which the caller knows that it is there; one beyond the end reads as 0.
    fn number(&self, from: &[u8], (at, size): (usize, usize)) -> u64 {
        let field = from.get(at..at + size).unwrap_or_default();
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.big_endian {
            true => field.iter().fold(0, digit),
            false => field.iter().rev().fold(0, digit),
        }
    }

    /// The processor's usual name.
    fn machine(&self) -> String {
        let wide = std::ptr::eq(self.layout, &WIDE);
        let name = match (self.number(self.bytes, (18, 2)), wide, self.big_endian) {
            (2 | 18, false, _) => "sparc",
            (43, ..) => "sparc64",
            (3, ..) => "i386",
            (4, ..) => "m68k",
            (8, false, true) => "mips",
            (8, false, false) => "mipsel",
            (8, true, true) => "mips64",
            (8, true, false) => "mips64le",
            (20, ..) => "powerpc",
            (21, _, true) => "ppc64",
            (21, _, false) => "ppc64le",
            (22, false, _) => "s390",
            (22, true, _) => "s390x",
            (40, _, false) => "arm",
            (40, _, true) => "armeb",
            (42, ..) => "sh4",
            (62, true, _) => "x86-64",
            (62, false, _) => "x32",
            (183, _, false) => "aarch64",
            (183, _, true) => "aarch64_be",
            (243, true, _) => "riscv64",
            (243, false, _) => "riscv32",
            (258, ..) => "loongarch64",
            (other, ..) => return format!("a processor that ELF knows as number {other}"),
        };
        name.to_owned()
    }

    fn loader(&self, file: &File, size: u64) -> Result<Option<PathBuf>, Fault> {
        let (layout, beyond) = (self.layout, Fault::Damaged("is cut off: its program headers are missing"));
        let count = self.number(self.bytes, (layout.count, 2)) as usize;
        if self.number(self.bytes, (layout.count - 2, 2)) != layout.entry as u64 {
            return Err(Fault::Damaged("has program headers of a wrong size"));
        }
        let length = count * layout.entry;
        if count == 0 || length > LARGEST_TABLE {
            return Err(Fault::Damaged("has no usable program headers"));
        }
        let Some(table) = read(file, size, self.number(self.bytes, layout.table), length as u64) else {
            return Err(beyond);
        };
        let mut entries = table.chunks_exact(layout.entry);
        let Some(entry) = entries.find(|entry| self.number(entry, (0, 4)) == INTERP) else { return Ok(None) };
        let (at, length) = (self.number(entry, layout.offset), self.number(entry, layout.size));
        let name = read(file, size, at, length).filter(|_| (2..=LONGEST_NAME).contains(&length));
        match name.as_deref() {
            Some([name @ .., 0]) if !name.starts_with(&[0]) => {
                let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
                Ok(Some(PathBuf::from(OsString::from_vec(name[..end].to_vec()))))
            }
            _ => Err(Fault::Damaged("is damaged: the name of its loader cannot be read")),
        }
    }
}

/// `None` where that part is not in the file, or too large for any table here.
fn read(file: &File, size: u64, at: u64, length: u64) -> Option<Vec<u8>> {
    let inside = at.checked_add(length).is_some_and(|end| end <= size) && length <= LARGEST_TABLE as u64;
    let mut bytes = vec![0; if inside { length as usize } else { return None }];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// This host's processor, as [`Header::machine`] names it.
pub fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "x86" => "i386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Whether the kernel may run it. What depends on the kernel's configuration or the very processor
/// is left to exec.
fn runs_here(machine: &str) -> bool {
    machine == host()
        || matches!(
            (host(), machine),
            ("x86-64", "i386" | "x32") | ("aarch64", "arm") | ("s390x", "s390") | ("ppc64", "powerpc")
        )
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;

    use super::{Fault, loader};

    /// A little-endian ELF file of class 64 with one program header, which names a loader.
    pub fn program(machine: u16, loader: &str) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
        bytes[16] = 2;
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = 3;
        bytes[72] = 120;
        bytes[96..98].copy_from_slice(&(loader.len() as u16 + 1).to_le_bytes());
        bytes.extend(loader.as_bytes());
        bytes.push(0);
        bytes
    }

    /// The number of this host's processor.
    pub const OURS: u16 = match cfg!(target_arch = "x86_64") {
        true => 62,
        false => 183,
    };

    fn of(bytes: &[u8]) -> Result<Option<PathBuf>, Fault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        loader(file.as_file(), bytes.len() as u64, &bytes[..bytes.len().min(4096)])
    }

    fn with(at: usize, bytes: &[u8]) -> Result<Option<PathBuf>, Fault> {
        let mut program = program(OURS, "/lib/ld.so");
        program[at..at + bytes.len()].copy_from_slice(bytes);
        of(&program)
    }

    #[test]
    fn the_loader_is_found() {
        assert_eq!(of(&program(OURS, "/lib/ld.so")), Ok(Some("/lib/ld.so".into())));
        assert_eq!(with(64, &[1]), Ok(None), "a static program");
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(of(&own).is_ok());
    }

    #[test]
    fn other_processors_have_names() {
        let foreign = |name: &str| Err(Fault::Foreign(name.into()));
        assert!(of(&program(if OURS == 62 { 183 } else { 62 }, "/x")).is_err());
        assert_eq!(of(&program(243, "/x")), foreign("riscv64"));
        assert_eq!(of(&program(21, "/x")), foreign("ppc64le"));
        assert_eq!(of(&program(4711, "/x")), foreign("a processor that ELF knows as number 4711"));
        assert_eq!(with(5, &[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 22]), foreign("s390x"));
    }

    #[test]
    fn damaged_files_are_faults_and_never_a_panic() {
        let whole = program(OURS, "/lib/ld.so");
        for length in 4..whole.len() {
            assert!(of(&whole[..length]).is_err(), "{length} bytes");
        }
        for (at, bytes) in [
            (4, &[7][..]),
            (5, &[7]),
            (16, &[1]),
            (16, &[4]),
            (16, &[99]),
            (32, &[0xff; 8]),
            (54, &[1]),
            (56, &[0, 0]),
            (56, &[0xff, 0xff]),
            (72, &[0xff; 8]),
            (96, &[0xff; 8]),
            (96, &[1, 0, 0, 0, 0, 0, 0, 0]),
            (120, &[0]),
        ] {
            assert!(matches!(with(at, bytes), Err(Fault::Damaged(_))), "{at}: {bytes:?}");
        }
    }
}
