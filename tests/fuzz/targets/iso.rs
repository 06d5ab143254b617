//! An image: its first sector, then what begins at the sixteenth, where the first descriptor is. What is between
//! belongs to no structure but a GPT, which the first sector has room for three sectors of 512 bytes of.
#![no_main]

use std::io::Write;

use airshipctl::iso::{Findings, Image, boot, cloud, volume};

const SECTOR: usize = 2048;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (first, rest) = input.split_at(input.len().min(SECTOR));
    let mut bytes = first.to_vec();
    if !rest.is_empty() {
        bytes.resize(16 * SECTOR, 0);
        bytes.extend(rest);
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let (image, mut findings) = (Image::new(file).unwrap(), Findings::default());
    let volume = volume::read(&image, &mut findings).unwrap();
    boot::read(&image, volume.as_ref(), &mut findings).unwrap();
    if let Some(volume) = &volume {
        cloud::find(&image, volume).unwrap();
        for entry in volume.tree.entries.values() {
            image.contents(&entry.extents, 1 << 20).unwrap();
        }
    }
    assert!(findings.list().len() <= Findings::MOST);
});
