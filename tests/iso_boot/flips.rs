//! One byte after another of every field that is interpreted, changed: an error, or at least something else is
//! reported than for the whole image.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use airshipctl::iso::boot;
use airshipctl::iso::volume::Volume;
use airshipctl::iso::{Findings, Image, Severity};

use crate::common::fuzz::{Rng, for_seconds};
use crate::media::{self, Media};

/// Fields which nobody reads, or where either value is good, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("catalog: unused byte of an entry", "El Torito gives it no meaning"),
    ("catalog: name of a section", "El Torito gives it no meaning; some firmware shows it"),
    ("mbr: CHS address", "no firmware of this century uses it; xorriso and partitioners differ in it"),
    ("fat: end of the jump, maker, geometry, serial number, label", "UEFI reads none of them"),
    ("fat: 0x29 before the serial number", "it only says that name and serial number follow"),
    ("fat: record of the label", "a name to show"),
    ("fat: case, times and upper half of the cluster", "times are shown only; FAT12 has no upper half"),
];

/// What becomes of a change.
#[derive(Default, Debug)]
struct Seen {
    error: usize,
    warning: usize,
    other: usize,
    nothing: Vec<u64>,
}

struct Flips {
    file: File,
    volume: Option<Volume>,
    whole: String,
}

impl Flips {
    fn read(&self) -> (String, Option<Severity>) {
        let image = Image::new(self.file.try_clone().unwrap()).unwrap();
        let mut findings = Findings::default();
        let boot = boot::read(&image, self.volume.as_ref(), &mut findings).unwrap();
        let messages = findings.list().iter().map(|finding| &finding.message);
        messages.for_each(|message| assert!(!message.contains(char::is_control), "{message:?}"));
        let worst = findings.list().iter().map(|finding| finding.severity).min_by_key(|one| *one as u8);
        (format!("{boot:?}{:?}", findings.list()), worst)
    }

    /// Every byte with each of these masks.
    fn flip(&self, bytes: Range<u64>, masks: &[u8], seen: &mut Seen) {
        for at in bytes {
            let mut old = [0];
            self.file.read_exact_at(&mut old, at).unwrap();
            for mask in masks {
                self.file.write_all_at(&[old[0] ^ mask], at).unwrap();
                match self.read() {
                    (now, _) if now == self.whole => seen.nothing.push(at),
                    (_, Some(Severity::Error)) => seen.error += 1,
                    // the whole image has a warning of its own
                    (now, _) if now.matches("Warning").count() > self.whole.matches("Warning").count() => {
                        seen.warning += 1;
                    }
                    _ => seen.other += 1,
                }
            }
            self.file.write_all_at(&old, at).unwrap();
        }
    }

    fn number<const N: usize>(&self, at: u64) -> u64 {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Name and places of every field; those of [`UNSEEN`] are left out.
    fn fields(&self) -> Vec<(&'static str, Vec<Range<u64>>)> {
        let catalog = self.number::<4>(17 * 2048 + 71) * 2048;
        let (bios, fat) = (self.number::<4>(catalog + 40) * 2048, self.number::<4>(catalog + 104) * 2048);
        let entry = |at: u64| vec![at..at + 5, at + 6..at + 12];
        let copy = self.number::<8>(512 + 32) * 512;
        let (entries, copied) = (self.number::<8>(512 + 72) * 512, self.number::<8>(copy + 72) * 512);
        let records = (446..510).step_by(16).flat_map(|at| [at..at + 1, at + 4..at + 5, at + 8..at + 16]);
        let (root, data) = (fat + 19 * 512, fat + 33 * 512);
        let record = |at: u64| [at..at + 11, at + 26..at + 32];
        let files = [root + 32, data, data + 32, data + 64, data + 512, data + 544, data + 576];
        let attributes = files.iter().map(|at| at + 11..at + 12).collect();
        vec![
            ("boot record", vec![17 * 2048..17 * 2048 + 39, 17 * 2048 + 71..17 * 2048 + 75]),
            ("catalog: validation entry", only(catalog..catalog + 32)),
            ("catalog: entry for BIOS", entry(catalog + 32)),
            ("catalog: section header", only(catalog + 64..catalog + 68)),
            ("catalog: entry for UEFI", entry(catalog + 96)),
            ("boot info table", only(bios + 8..bios + 24)),
            ("GRUB's boot info", only(bios + 2548..bios + 2556)),
            ("mbr: GRUB's next sector", only(0x1b0..0x1b8)),
            ("mbr: partitions", records.collect()),
            ("mbr: signature", only(510..512)),
            ("gpt: headers", vec![512..604, copy..copy + 92]),
            ("gpt: entries", vec![entries..entries + 3 * 128, copied..copied + 3 * 128]),
            ("fat: boot sector", vec![fat..fat + 1, fat + 11..fat + 24, fat + 32..fat + 36]),
            ("fat: its name and signature", vec![fat + 54..fat + 62, fat + 510..fat + 512]),
            ("fat: tables", vec![fat + 512..fat + 552, fat + 10 * 512..fat + 10 * 512 + 40]),
            ("fat: names, clusters and sizes", files.iter().flat_map(|at| record(*at)).collect()),
            ("fat: attributes", attributes),
        ]
    }
}

fn only(bytes: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(bytes).collect()
}

/// Read-only, hidden, system and archive mean nothing to UEFI.
const LABEL_AND_DIRECTORY: &[u8] = &[0x08, 0x10, 0x40, 0x80, 0xff];

#[test]
fn every_changed_byte_of_a_field_is_seen() {
    let media = Media::new();
    let path = media.iso("ours.iso", media::OURS);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut flips = Flips { file, volume: media::volume(&path), whole: String::new() };
    flips.whole = flips.read().0;
    let mut unseen = Vec::new();
    println!("{:<34} {:>6} {:>8} {:>6}", "field", "errors", "warnings", "others");
    for (name, places) in flips.fields() {
        let masks: &[u8] = match name {
            "fat: attributes" => LABEL_AND_DIRECTORY,
            name if name.starts_with("gpt") => &[0x01],
            _ => &[0x01, 0x20, 0xff],
        };
        let mut seen = Seen::default();
        places.into_iter().for_each(|bytes| flips.flip(bytes, masks, &mut seen));
        println!("{name:<34} {:>6} {:>8} {:>6}", seen.error, seen.warning, seen.other);
        unseen.extend(seen.nothing.into_iter().map(|at| format!("{name} at {at:#x}")));
    }
    UNSEEN.iter().for_each(|(field, why)| println!("not seen: {field}: {why}"));
    assert_eq!(unseen, [] as [String; 0]);
    assert_eq!(flips.read().0, flips.whole);
}

/// Many changes at once, in the fields, the tables of the FAT and the menus: no panic, no control character in
/// a message, in bounded time.
#[test]
fn fields_changed_by_chance_are_read_or_refused() {
    let media = Media::new();
    let path = media.iso("ours.iso", media::OURS);
    let bytes = std::fs::read(&path).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let volume = media::volume(&path);
    let menus = volume.iter().flat_map(|volume| &volume.tree.entries);
    let menus = menus.filter(|(path, _)| path.ends_with(".cfg")).flat_map(|(_, entry)| &entry.extents);
    let mut places: Vec<_> = menus.map(|extent| extent.offset..extent.offset + extent.length).collect();
    let flips = Flips { file, volume, whole: String::new() };
    places.extend(flips.fields().into_iter().flat_map(|(_, places)| places));
    let (end, mut rng) = (Instant::now() + for_seconds(), Rng::from_environment());
    while Instant::now() < end {
        println!("AIRSHIP_FUZZ_SEED={}", rng.begin());
        let mut changed = Vec::new();
        for _ in 0..=rng.below(12) {
            let place = &places[rng.below(places.len())];
            let at = place.start + rng.below((place.end - place.start) as usize) as u64;
            let values = [0, 1, 2, 0x7f, 0x80, 0xff, b'{', b'$', rng.number() as u8];
            flips.file.write_all_at(&[values[rng.below(values.len())]], at).unwrap();
            changed.push(at);
        }
        let started = Instant::now();
        flips.read();
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        for at in changed {
            flips.file.write_all_at(&bytes[at as usize..=at as usize], at).unwrap();
        }
    }
}
