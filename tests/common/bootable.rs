//! The smallest image that passes for a bootable one, made without tools.

/// In bytes (ECMA-119, 6.1.2).
const SECTOR: usize = 2048;
/// Where things are, in sectors; the descriptors begin in the sixteenth.
const PATHS: (u32, u32) = (19, 20);
const ROOT: u32 = 21;
const CATALOG: u32 = 22;
const LOADER: u32 = 23;
const SECTORS: u32 = 24;

/// The smallest image that is an ISO 9660 volume and that a BIOS would start: an empty root directory, and an
/// El Torito boot record that leads to an endless loop.
pub fn smallest() -> Vec<u8> {
    let mut image = vec![0; SECTORS as usize * SECTOR];
    put(&mut image, 16, &primary());
    put(&mut image, 17, &boot_record());
    put(&mut image, 18, b"\xffCD001\x01");
    // ECMA-119, 9.4: the root is its own parent, its name one zero byte
    put(&mut image, PATHS.0, &[&[1, 0], &ROOT.to_le_bytes()[..], &[1, 0, 0, 0]].concat());
    put(&mut image, PATHS.1, &[&[1, 0], &ROOT.to_be_bytes()[..], &[0, 1, 0, 0]].concat());
    put(&mut image, ROOT, &[record(0), record(1)].concat());
    put(&mut image, CATALOG, &catalog());
    put(&mut image, LOADER, &[0xeb, 0xfe]);
    image
}

fn put(image: &mut [u8], sector: u32, bytes: &[u8]) {
    let start = sector as usize * SECTOR;
    image[start..start + bytes.len()].copy_from_slice(bytes);
}

/// ECMA-119, 7.3.3.
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// ECMA-119, 8.4.
fn primary() -> Vec<u8> {
    let mut volume = vec![0; SECTOR];
    let mut set = |at: usize, bytes: &[u8]| volume[at..at + bytes.len()].copy_from_slice(bytes);
    set(0, b"\x01CD001\x01");
    set(8, &[b' '; 64]);
    set(40, b"TEST");
    set(80, &both(SECTORS));
    set(120, &[1, 0, 0, 1, 1, 0, 0, 1]);
    set(128, &[0, 8, 8, 0]);
    set(132, &both(10));
    set(140, &PATHS.0.to_le_bytes());
    set(148, &PATHS.1.to_be_bytes());
    set(156, &record(0));
    set(190, &[b' '; 623]);
    // 8.4.26.1: dates that are not given
    (0..4).for_each(|date| set(813 + 17 * date, &[b'0'; 16]));
    set(881, &[1]);
    volume
}

/// A directory record (9.1) of the root, in which it is called 0, and its parent, itself, 1.
fn record(name: u8) -> Vec<u8> {
    let date = [100, 1, 1, 0, 0, 0, 0];
    let rest = [2, 0, 0, 1, 0, 0, 1, 1, name];
    [&[34, 0], &both(ROOT)[..], &both(SECTOR as u32), &date, &rest].concat()
}

/// El Torito, figure 7.
fn boot_record() -> Vec<u8> {
    let mut record = vec![0; SECTOR];
    record[..7].copy_from_slice(b"\x00CD001\x01");
    record[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    record[71..75].copy_from_slice(&CATALOG.to_le_bytes());
    record
}

/// A validation entry, whose words add up to zero, and the default entry (figures 2 and 3).
fn catalog() -> Vec<u8> {
    let mut catalog = vec![0; 64];
    catalog[0] = 1;
    catalog[28..32].copy_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
    catalog[32] = 0x88;
    catalog[38..40].copy_from_slice(&4_u16.to_le_bytes());
    catalog[40..44].copy_from_slice(&LOADER.to_le_bytes());
    catalog
}
