//! Layers made and damaged by chance, for as long as `AIRSHIP_FUZZ_SECONDS` says (default 2): whatever a
//! layer is, nothing outside of the root changes, nothing panics, and nothing half-done is left.
//!
//! A failure prints its seed; `AIRSHIP_FUZZ_SEED` begins there.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oci_spec::image::MediaType;

use crate::hostile::{Numbers, mend_checksum, random_layer};
use crate::support::{Entry, Site, Tar, gzip, of};

#[test]
fn whatever_a_layer_is_it_does_no_harm() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    // the other users have their turns one after another while the first has its own
    let share = if std::env::var_os(crate::OTHERS).is_some() { 4 } else { 1 };
    let seconds = setting("AIRSHIP_FUZZ_SECONDS").unwrap_or(2).div_ceil(share);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let mut seed = setting("AIRSHIP_FUZZ_SEED").unwrap_or_else(now);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut tried, mut accepted) = (0, 0);
    // of a hundred too few may be accepted by chance
    while Instant::now() < until || tried < 1000 {
        println!("seed {seed}");
        accepted += usize::from(one_image(Numbers(seed)));
        tried += 1;
        seed += 1;
    }
    println!("{tried} images, {accepted} of them accepted");
    assert!(accepted * 20 > tried, "{accepted} of {tried} were accepted: the rest proves little");
}

/// Whether it was accepted. `Site::unpack` fails the test if the directory outside has changed.
fn one_image(mut numbers: Numbers) -> bool {
    let site = Site::new();
    let victim = site.victim().to_str().unwrap().to_owned();
    let layers: Vec<_> = (0..=numbers.below(3))
        .map(|_| {
            let layer = random_layer(&mut numbers, &victim);
            let mut tar = special(&mut numbers, layer).0;
            damage(&mut numbers, &mut tar);
            let tar = Tar(tar).end();
            let (mut blob, media_type) = compress(&mut numbers, &tar);
            if numbers.below(12) == 0 {
                let place = numbers.below(blob.len());
                blob[place] ^= 1 << numbers.below(8);
            }
            site.add_blob(&blob, &tar, media_type)
        })
        .collect();
    let unpacked = site.unpack(&layers);
    if unpacked.is_err() {
        site.check_empty();
    }
    unpacked.is_ok()
}

/// What plain names and links do not reach: extension headers, sparse files, long names.
fn special(numbers: &mut Numbers, layer: Tar) -> Tar {
    let record = |key: &'static str, value: &str| vec![(key, value.as_bytes().to_vec())];
    let pax = match numbers.below(16) {
        0 => record("path", "../../victim/secret"),
        1 => record("linkpath", "/victim"),
        2 => record("size", "99999999999"),
        3 => record("mtime", "-1.999999999999"),
        4 => record("SCHILY.xattr.user.a", "\0\n="),
        5 => record("GNU.sparse.map", "0,1,1,1"),
        6 => record("uid", "4294967295"),
        7 => record("SCHILY.xattr.trusted.overlay.opaque", "y"),
        _ => return layer,
    };
    let kind = [b'0', b'1', b'2', b'5', b'S', b'L', b'K', b'g'][numbers.below(8)];
    let data = if kind == b'0' || kind > b'9' { &b"overwritten"[..] } else { b"" };
    layer.entry(Entry { kind, link: b"a", data, pax, ..of("b/special") })
}

/// In about half of the layers some bytes of one block, which stays a header if it was one.
fn damage(numbers: &mut Numbers, tar: &mut [u8]) {
    if tar.is_empty() || numbers.below(2) == 0 {
        return;
    }
    let block = numbers.below(tar.len() / 512) * 512;
    for _ in 0..=numbers.below(4) {
        tar[block + numbers.below(512)] = [0, 0xff, 0x80, b'7', b'/', b'.', b'S', b'1'][numbers.below(8)];
    }
    mend_checksum(&mut tar[block..block + 512]);
}

fn compress(numbers: &mut Numbers, tar: &[u8]) -> (Vec<u8>, MediaType) {
    match numbers.below(3) {
        0 => (gzip(tar), MediaType::ImageLayerGzip),
        1 => (zstd::encode_all(tar, 1).unwrap(), MediaType::ImageLayerZstd),
        _ => (tar.to_vec(), MediaType::ImageLayer),
    }
}
