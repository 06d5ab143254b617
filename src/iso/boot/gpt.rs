//! GUID partition tables (UEFI 2.10, 5.3).

use std::io;

use super::{Partition, Scheme};
use crate::iso::finding::Findings;
use crate::iso::image::{Extent, Image, u16_le, u32_le, u64_le};

const SIGNATURE: &[u8] = b"EFI PART";
/// Disks with large sectors have their header in the second of those.
const SECTORS: [u64; 2] = [512, 4096];
/// Of an array of entries, in bytes; real ones have 16 KiB.
const MOST: u64 = 1 << 20;

/// A table that is there, whole or not.
#[derive(Debug, Default)]
pub(super) struct Gpt {
    pub partitions: Vec<Partition>,
}

/// One of the two headers (UEFI, table 5.5).
#[derive(Clone, Debug)]
struct Header {
    what: &'static str,
    /// In bytes from the image's start.
    at: u64,
    /// Of this disk, in bytes.
    sector: u64,
    /// Where it says that it is, and the other one, in sectors.
    own: u64,
    other: u64,
    /// First and last sector that partitions may have.
    first: u64,
    last: u64,
    /// The GUID of the disk; both headers have the same.
    disk: [u8; 16],
    /// The array: its sector, how many entries, bytes of each, and its CRC.
    entries: u64,
    count: u32,
    size: u32,
    entries_sum: u32,
}

/// `protected`: the MBR says that there is one. `None` if there is none.
pub(super) fn read(image: &Image, protected: bool, findings: &mut Findings) -> io::Result<Option<Gpt>> {
    let mut found = None;
    for sector in SECTORS {
        if found.is_none() && image.bytes::<8>(sector)?.is_some_and(|bytes| bytes == SIGNATURE) {
            found = Some(sector);
        }
    }
    let Some(sector) = found else {
        check_missing(image, protected, findings)?;
        return Ok(None);
    };
    let Some(primary) = header(image, "primary", sector, sector, findings)? else {
        return Ok(Some(Gpt::default()));
    };
    if !protected {
        let message = "the MBR does not protect the GPT; UEFI goes by the MBR's partitions";
        findings.warning("gpt-unprotected", sector, message);
    }
    let Some(entries) = entries(image, &primary, findings)? else { return Ok(Some(Gpt::default())) };
    backup(image, &primary, &entries, findings)?;
    let partitions = partitions(image, &primary, &entries, findings);
    // isohybrid, which does not protect its GPT, has the whole image as its first partition
    let whole = |partition: &&Partition| !protected && partition.extent.offset == 0;
    let real: Vec<_> = partitions.iter().filter(|partition| !whole(partition)).collect();
    check_usable(&real, &primary, findings);
    overlaps(&real, &primary, findings);
    Ok(Some(Gpt { partitions }))
}

/// The copy in the last sector tells that the first one was there once.
fn check_missing(image: &Image, protected: bool, findings: &mut Findings) -> io::Result<()> {
    let last = (image.size / 512).saturating_sub(1) * 512;
    let copy = image.bytes::<8>(last)?.is_some_and(|bytes| bytes == SIGNATURE);
    if protected || copy {
        findings.error("gpt-missing", 512, "the GPT, which the MBR or its copy tells of, is not there");
    }
    Ok(())
}

/// The header at `at`, if it can be followed; what is wrong with it otherwise is a finding too.
fn header(
    image: &Image,
    what: &'static str,
    at: u64,
    sector: u64,
    findings: &mut Findings,
) -> io::Result<Option<Header>> {
    let bytes = image.extent(Extent { offset: at, length: sector }, sector)?;
    let Some(mut bytes) = bytes.filter(|bytes| bytes.starts_with(SIGNATURE)) else {
        findings.error("gpt-header-missing", at, format!("the {what} GPT header is not where it should be"));
        return Ok(None);
    };
    let length = u32_le(&bytes[12..16]) as usize;
    let sum = u32_le(&bytes[16..20]);
    bytes[16..20].fill(0);
    match bytes.get(..length).filter(|_| length >= 92) {
        Some(header) if crc32(header) == sum => {}
        Some(_) => {
            findings.error(
                "gpt-header-crc",
                at,
                format!("the {what} GPT header is damaged: its CRC differs"),
            );
        }
        None => {
            findings.error("gpt-header-size", at, format!("the {what} GPT header has {length} bytes"));
        }
    }
    let header = Header::new(what, at, sector, &bytes);
    header.check(&bytes, findings);
    Ok(Some(header))
}

impl Header {
    /// `bytes` is a whole sector, of 512 bytes at least.
    fn new(what: &'static str, at: u64, sector: u64, bytes: &[u8]) -> Self {
        let mut disk = [0; 16];
        disk.copy_from_slice(&bytes[56..72]);
        let number = |at: usize| u64_le(&bytes[at..at + 8]);
        Self {
            what,
            at,
            sector,
            own: number(24),
            other: number(32),
            first: number(40),
            last: number(48),
            disk,
            entries: number(72),
            count: u32_le(&bytes[80..84]),
            size: u32_le(&bytes[84..88]),
            entries_sum: u32_le(&bytes[88..92]),
        }
    }

    /// UEFI, 5.3.2: what firmware looks at, besides the sum, before it believes a header.
    fn check(&self, bytes: &[u8], findings: &mut Findings) {
        if bytes[8..12] != [0, 0, 1, 0] || bytes[20..24] != [0; 4] {
            let message = format!("the {} GPT header is of an unknown revision", self.what);
            findings.error("gpt-revision", self.at, message);
        }
        if self.own.checked_mul(self.sector) != Some(self.at) {
            let message =
                format!("the {} GPT header is not in the sector that it names, {}", self.what, self.own);
            findings.error("gpt-header-place", self.at, message);
        }
        if self.first > self.last {
            let message =
                format!("the {} GPT claims usable sectors {} to {}", self.what, self.first, self.last);
            findings.error("gpt-usable", self.at, message);
        }
    }
}

/// The array of entries (UEFI, table 5.6), if it can be had.
fn entries(image: &Image, header: &Header, findings: &mut Findings) -> io::Result<Option<Vec<u8>>> {
    let length = u64::from(header.count) * u64::from(header.size);
    let sane = header.size >= 128 && header.size.is_power_of_two() && length <= MOST;
    let offset = header.entries.checked_mul(header.sector).filter(|_| sane);
    let bytes = match offset {
        Some(offset) => image.extent(Extent { offset, length }, MOST)?,
        None => None,
    };
    match &bytes {
        None => {
            let message = format!(
                "the {} GPT has {} entries of {} bytes in sector {}, which is impossible or outside the image",
                header.what, header.count, header.size, header.entries
            );
            findings.error("gpt-entries", header.at, message);
        }
        Some(bytes) if crc32(bytes) != header.entries_sum => {
            let message = format!("the {} GPT's entries are damaged: their CRC differs", header.what);
            findings.error("gpt-entries-crc", offset, message);
        }
        Some(_) => {}
    }
    Ok(bytes)
}

/// UEFI, 5.3.2: the copy is in the last sector, and equal but for its places.
fn backup(image: &Image, primary: &Header, entries: &[u8], findings: &mut Findings) -> io::Result<()> {
    let Some(at) = primary.other.checked_mul(primary.sector).filter(|at| *at < image.size) else {
        let message = format!(
            "the copy of the GPT is in sector {}, behind the image's end: it is truncated",
            primary.other
        );
        findings.error("gpt-backup-outside", primary.at, message);
        return Ok(());
    };
    if primary.other != (image.size / primary.sector).saturating_sub(1) {
        let message = format!("the copy of the GPT is in sector {}, not the last one", primary.other);
        findings.warning("gpt-backup-place", at, message);
    }
    let Some(copy) = header(image, "backup", at, primary.sector, findings)? else { return Ok(()) };
    let copied = self::entries(image, &copy, findings)?;
    let fields = |header: &Header| (header.first, header.last, header.disk, header.count, header.size);
    if copy.other != primary.own
        || fields(&copy) != fields(primary)
        || copied.is_some_and(|copied| copied != entries)
    {
        findings.error("gpt-copies", at, "the two GPTs differ");
    }
    Ok(())
}

/// All that are used, each with its place in the array as its number; Linux numbers them the same.
fn partitions(image: &Image, header: &Header, entries: &[u8], findings: &mut Findings) -> Vec<Partition> {
    let mut partitions = Vec::new();
    let size = header.size as usize;
    let offset = header.entries.saturating_mul(header.sector);
    for (number, entry) in (1..).zip(entries.chunks_exact(size)).filter(|(_, entry)| entry[..16] != [0; 16]) {
        let at = offset.saturating_add(u64::from(number - 1) * size as u64);
        let (first, last) = (u64_le(&entry[32..40]), u64_le(&entry[40..48]));
        let Some(extent) = sectors(first, last, header.sector) else {
            let message = format!("GPT partition {number} is sectors {first} to {last}");
            findings.error("gpt-partition", at, message);
            continue;
        };
        if extent.end().is_none_or(|end| end > image.size) {
            let message = format!(
                "GPT partition {number} ends in sector {last}, behind the image's end: it is truncated"
            );
            findings.error("partition-outside", at, message);
        }
        partitions.push(Partition {
            scheme: Scheme::Gpt,
            number,
            extent,
            kind: guid(&entry[..16]),
            name: name(&entry[56..128]),
            active: entry[48] & 4 != 0,
        });
    }
    partitions
}

/// `last` belongs to it; `None` where no disk has so many sectors.
fn sectors(first: u64, last: u64, sector: u64) -> Option<Extent> {
    let length = last.checked_sub(first)?.checked_add(1)?.checked_mul(sector)?;
    Some(Extent { offset: first.checked_mul(sector)?, length })
}

/// UEFI, 5.3.2: what is before the first usable sector, or behind the last one, belongs to the table.
fn check_usable(partitions: &[&Partition], header: &Header, findings: &mut Findings) {
    for partition in partitions {
        let (start, end) =
            (partition.extent.offset / header.sector, partition.extent.end().unwrap_or(u64::MAX));
        let last = (end / header.sector).saturating_sub(1);
        if start < header.first || last > header.last {
            let message = format!(
                "GPT partition {} is sectors {start} to {last}, of which only {} to {} are usable",
                partition.number, header.first, header.last
            );
            findings.error("gpt-usable-partition", header.at, message);
        }
    }
}

/// Neighbours by their start: if any two overlap, two neighbours do.
fn overlaps(partitions: &[&Partition], header: &Header, findings: &mut Findings) {
    let mut sorted = partitions.to_vec();
    sorted.sort_by_key(|partition| partition.extent);
    let touch = |pair: &&[&Partition]| pair[0].extent.end().is_none_or(|end| end > pair[1].extent.offset);
    for pair in sorted.windows(2).filter(touch) {
        let message = format!("GPT partitions {} and {} overlap", pair[0].number, pair[1].number);
        findings.error("partitions-overlap", header.at, message);
    }
}

/// UTF-16, up to the first zero (UEFI, table 5.6).
fn name(bytes: &[u8]) -> String {
    let units: Vec<_> = bytes.chunks_exact(2).map(u16_le).take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// UEFI, appendix A: the first three parts are numbers, little-endian.
fn guid(bytes: &[u8]) -> String {
    let tail: String = bytes[10..16].iter().map(|byte| format!("{byte:02X}")).collect();
    format!(
        "{:08X}-{:04X}-{:04X}-{:02X}{:02X}-{tail}",
        u32_le(&bytes[..4]),
        u16_le(&bytes[4..6]),
        u16_le(&bytes[6..8]),
        bytes[8],
        bytes[9]
    )
}

/// The CRC of Ethernet, bit by bit: there are some ten KiB.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let bit = |sum: u32| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| bit(sum)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, has, image, put};
    use super::*;
    use crate::iso::finding::Severity::{self, Error, Warning};

    const SYSTEM: [u8; 16] =
        [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
    /// Sectors of the disk, of which the copy takes the last three.
    const ALL: usize = 64;

    /// Headers in sectors 1 and 63, entries in 2 and 3, 61 and 62; one partition, 8 to 15.
    fn disk() -> Vec<u8> {
        let mut bytes = vec![0; ALL * 512];
        for (own, other, entries) in [(1, ALL - 1, 2), (ALL - 1, 1, ALL - 3)] {
            let header = &mut bytes[own * 512..];
            put(header, 0, b"EFI PART\0\0\x01\0\x5c");
            for (at, number) in [(24, own), (32, other), (40, 4), (48, ALL - 4), (72, entries)] {
                put(header, at, &number.to_le_bytes());
            }
            put(header, 56, &[7; 16]);
            put(header, 80, &[8, 0, 0, 0, 128]);
        }
        entry(&mut bytes, 0, 8, 15);
        bytes
    }

    fn entry(bytes: &mut [u8], number: usize, first: u64, last: u64) {
        for array in [2, ALL - 3] {
            let entry = &mut bytes[array * 512 + number * 128..];
            put(entry, 0, &SYSTEM);
            put(entry, 32, &[first.to_le_bytes(), last.to_le_bytes()].concat());
            put(entry, 56, b"E\0S\0P\0\xe9\0");
        }
    }

    /// Both sums of both, as they should be.
    fn seal(bytes: &mut [u8]) {
        for (header, entries) in [(512, 1024), ((ALL - 1) * 512, (ALL - 3) * 512)] {
            let sum = crc32(&bytes[entries..entries + 1024]);
            put(bytes, header + 88, &sum.to_le_bytes());
            bytes[header + 16..header + 20].fill(0);
            let sum = crc32(&bytes[header..header + 92]);
            put(bytes, header + 16, &sum.to_le_bytes());
        }
    }

    fn found(bytes: &[u8], protected: bool) -> (Option<Gpt>, Findings) {
        let mut findings = Findings::default();
        (read(&image(bytes), protected, &mut findings).unwrap(), findings)
    }

    /// `change` before the sums are made.
    #[track_caller]
    fn sealed(change: impl Fn(&mut Vec<u8>), severity: Severity, code: &str, part: &str) {
        let mut bytes = disk();
        change(&mut bytes);
        seal(&mut bytes);
        has(&found(&bytes, true).1, severity, code, part);
    }

    #[test]
    fn the_sum_is_that_of_ethernet() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn partitions_are_listed_with_type_and_name() {
        let mut bytes = disk();
        seal(&mut bytes);
        let (found, findings) = found(&bytes, true);
        assert_eq!(codes(&findings), [] as [&str; 0]);
        let one = &found.unwrap().partitions[0];
        assert_eq!((one.number, one.name.as_str(), one.active), (1, "ESPé", false));
        assert_eq!(one.kind, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
        assert_eq!(one.extent, Extent { offset: 4096, length: 4096 });
    }

    #[test]
    fn faults_of_the_headers_are_named() {
        sealed(|bytes| bytes[512 + 8] = 1, Error, "gpt-revision", "the primary GPT header is of an unknown");
        sealed(|bytes| bytes[512 + 24] = 2, Error, "gpt-header-place", "that it names, 2");
        sealed(|bytes| bytes[512 + 40] = 62, Error, "gpt-usable", "usable sectors 62 to 60");
        sealed(
            |bytes| bytes[512 + 80] = 9,
            Error,
            "gpt-entries-crc",
            "the primary GPT's entries are damaged",
        );
        sealed(|bytes| bytes[512 + 84] = 127, Error, "gpt-entries", "8 entries of 127 bytes in sector 2");
        sealed(|bytes| bytes[512 + 83] = 255, Error, "gpt-entries", "impossible or outside");
        sealed(|bytes| bytes[512 + 79] = 255, Error, "gpt-entries", "impossible or outside");
        sealed(|bytes| bytes[512 + 32] = 64, Error, "gpt-backup-outside", "in sector 64, behind");
        sealed(|bytes| bytes[512 + 39] = 255, Error, "gpt-backup-outside", "it is truncated");
        sealed(|bytes| bytes[512 + 32] = 60, Error, "gpt-header-missing", "the backup GPT header is not");
        sealed(|bytes| bytes[512 + 60] = 1, Error, "gpt-copies", "the two GPTs differ");
        sealed(|bytes| bytes[1024 + 60] = 1, Error, "gpt-copies", "the two GPTs differ");
        sealed(|bytes| bytes.extend([0; 512]), Warning, "gpt-backup-place", "in sector 63, not the last one");
    }

    #[test]
    fn faults_of_the_partitions_are_named() {
        sealed(
            |bytes| entry(bytes, 0, 3, 9),
            Error,
            "gpt-usable-partition",
            "is sectors 3 to 9, of which only 4 to 60",
        );
        sealed(|bytes| entry(bytes, 0, 9, 8), Error, "gpt-partition", "is sectors 9 to 8");
        sealed(|bytes| entry(bytes, 0, 9, 64), Error, "partition-outside", "ends in sector 64");
        sealed(|bytes| entry(bytes, 0, 9, u64::MAX), Error, "gpt-partition", "to 18446744073709551615");
        sealed(|bytes| entry(bytes, 5, 15, 20), Error, "partitions-overlap", "partitions 1 and 6 overlap");
    }

    #[test]
    fn every_byte_of_both_headers_and_arrays_is_summed_up() {
        let mut whole = disk();
        seal(&mut whole);
        for at in (512..604)
            .chain(1024..1280)
            .chain((ALL - 3) * 512..(ALL - 3) * 512 + 256)
            .chain(63 * 512..63 * 512 + 92)
        {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let (_, findings) = found(&bytes, true);
            assert!(findings.list().iter().any(|finding| finding.severity == Error), "byte {at}");
        }
        let mut bytes = whole.clone();
        bytes[520 + 8] ^= 1;
        has(&found(&bytes, true).1, Error, "gpt-header-crc", "the primary GPT header is damaged");
        bytes[512 + 12] = 91;
        has(&found(&bytes, true).1, Error, "gpt-header-size", "the primary GPT header has 91 bytes");
    }

    #[test]
    fn a_table_that_is_told_of_has_to_be_there() {
        let mut bytes = disk();
        seal(&mut bytes);
        has(&found(&bytes, false).1, Warning, "gpt-unprotected", "UEFI goes by the MBR's");
        bytes[512] = 0;
        has(&found(&bytes, false).1, Error, "gpt-missing", "is not there");
        bytes[63 * 512] = 0;
        has(&found(&bytes, true).1, Error, "gpt-missing", "is not there");
        assert_eq!(codes(&found(&bytes, false).1), [] as [&str; 0]);
    }
}
