//! What a file has to begin with that a boot loader starts as Linux.

use crate::iso::image::u32_le;

/// Of the file, in bytes.
pub(super) const HEAD: u64 = 0x268;

/// Code and reason if that does not start: Linux's x86 boot protocol (Documentation/arch/x86/boot.rst) and
/// those of the other machines.
pub(super) fn fault(head: &[u8], size: u64) -> Option<(&'static str, String)> {
    let at = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if at(0x1fe, &[0x55, 0xaa]) && at(0x202, b"HdrS") {
        let length = bzimage(head);
        let truncated = || format!("is truncated: it has {size} bytes, its header tells of {length}");
        // the last 16 bytes need not be full
        return (length >= size.saturating_add(16)).then(|| ("kernel-truncated", truncated()));
    }
    // arm64, riscv, what they compress themselves, and what others are
    let known = at(56, b"ARM\x64") || at(56, b"RSC\x05") || at(4, b"zimg");
    match known || at(0, &[0x1f, 0x8b]) || at(0, b"\x7fELF") {
        true => None,
        false => Some(("kernel-unknown", "is no Linux kernel".into())),
    }
}

/// `setup_sects`, of which 0 means 4, and `syssize` in 16 bytes.
fn bzimage(head: &[u8]) -> u64 {
    let setup = match head[0x1f1] {
        0 => 4,
        sectors => u64::from(sectors),
    };
    (setup + 1) * 512 + u64::from(u32_le(&head[0x1f4..0x1f8])) * 16
}
