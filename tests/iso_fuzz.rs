//! Images damaged by chance, for as long as `AIRSHIP_FUZZ_SECONDS` says: whatever the bytes are, they are read in
//! bounded time and memory, without a panic, and what cannot be true is told.
//!
//! A failure prints its seed; `AIRSHIP_FUZZ_SEED` begins there.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use airshipctl::iso::volume::{self, Kind, Tree, Volume};
use airshipctl::iso::{Findings, Image, boot, cloud};
use common::fuzz::{Rng, for_seconds, mutate_sectors};
use common::iso::Iso;

/// Far above what any image of 64 KiB takes, even in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

/// What an entry has to be, whatever the image says.
fn is_sound(tree: &Tree) {
    assert!(tree.entries.len() <= 200_001);
    for (path, entry) in &tree.entries {
        let names = path.strip_prefix('/').unwrap().split('/');
        assert!(path == "/" || names.clone().all(|name| !matches!(name, "" | "." | "..")), "{path:?}");
        assert!(!path.contains('\0') && path.len() <= 4096, "{path:?}");
        let parent = path.rsplit_once('/').map(|(parent, _)| if parent.is_empty() { "/" } else { parent });
        assert!(tree.get(parent.unwrap()).is_some_and(|parent| parent.kind == Kind::Directory), "{path:?}");
        assert!(entry.extents.iter().all(|extent| extent.end().is_some()), "{path:?}");
    }
}

fn check(image: &Image) -> (Option<Volume>, Findings) {
    let mut findings = Findings::default();
    let volume = volume::read(image, &mut findings).unwrap();
    if let Some(volume) = &volume {
        is_sound(&volume.tree);
        volume.joliet.iter().for_each(|joliet| is_sound(&joliet.tree));
        for entry in volume.tree.entries.values() {
            image.contents(&entry.extents, 1 << 20).unwrap();
        }
        cloud::find(image, volume).unwrap();
    }
    boot::read(image, volume.as_ref(), &mut findings).unwrap();
    assert!(findings.list().len() <= Findings::MOST);
    assert!(
        findings.list().iter().all(|finding| !finding.message.contains(char::is_control)),
        "{findings:?}"
    );
    (volume, findings)
}

#[test]
fn whatever_an_image_is_it_is_read_or_refused() {
    let seeds = [Iso::small().bytes(), Iso::plain().bytes()];
    let end = Instant::now() + for_seconds();
    let mut rng = Rng::from_environment();
    let (mut tried, mut read, mut clean) = (0_usize, 0_usize, 0_usize);
    let file = tempfile::tempfile().unwrap();
    while Instant::now() < end {
        println!("AIRSHIP_FUZZ_SEED={}", rng.begin());
        let input = mutate_sectors(&seeds[rng.below(seeds.len())], &mut rng);
        let started = Instant::now();
        let (volume, findings) = check(&image(&file, &input));
        assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
        tried += 1;
        read += usize::from(volume.is_some_and(|volume| volume.tree.entries.len() > 1));
        clean += usize::from(findings.list().is_empty());
    }
    println!("{tried} images, {read} with a tree, {clean} without findings");
    assert!(read * 2 > tried, "{read} of {tried} had a tree: the rest proves little");
    assert!(clean * 2 < tried, "{clean} of {tried} had no findings");
}

fn image(file: &File, bytes: &[u8]) -> Image {
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    Image::new(file.try_clone().unwrap()).unwrap()
}
