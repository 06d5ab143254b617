//! Documents and kustomizations damaged by chance, for as long as `AIRSHIP_FUZZ_SECONDS` says: they are
//! read or refused, soon and without a panic, and what was rendered reads the same again.
//!
//! A failure prints its seed; `AIRSHIP_FUZZ_SEED` begins there.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use airshipctl::site::document::{DocumentSet, Source};

use crate::again::reads_the_same;
use crate::cases::{self, Case, Content};
use crate::fuzz::{Rng, for_seconds, mutate};

/// Longest that one input may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most that one input may add to the peak of memory, in KiB.
const ROOM: u64 = 512 << 10;

#[test]
fn whatever_a_stream_of_documents_is_it_is_read_or_refused() {
    let seeds: Vec<_> = cases::all()
        .into_iter()
        .flat_map(|case| case.files)
        .filter_map(|(_, content)| bytes(content))
        .collect();
    let report = for_a_while(|rng| {
        let input = mutate(&seeds[rng.below(seeds.len())], rng);
        let read = DocumentSet::parse("fuzz.yaml", &input);
        read.is_ok_and(|set| reads_the_same(&set))
    });
    println!("{report}");
}

#[test]
fn whatever_a_kustomization_is_it_is_rendered_or_refused() {
    let cases: Vec<_> = cases::all().into_iter().filter(Case::is_rendered).collect();
    let report = for_a_while(|rng| {
        let root = tempfile::tempdir().unwrap();
        let directory = mutant(&cases[rng.below(cases.len())], root.path(), rng);
        let read = DocumentSet::read(&Source::Path(directory));
        read.is_ok_and(|set| reads_the_same(&set))
    });
    println!("{report}");
}

/// Runs `one` with new numbers until the time is over; panics where it takes too long or too much. `one`
/// says whether the input was good.
fn for_a_while(mut one: impl FnMut(&mut Rng) -> bool) -> String {
    let (end, mut rng) = (Instant::now() + for_seconds(), Rng::from_environment());
    let (mut tried, mut good) = (0, 0);
    while Instant::now() < end {
        println!("AIRSHIP_FUZZ_SEED={}", rng.begin());
        let (start, before) = (Instant::now(), peak());
        good += usize::from(one(&mut rng));
        assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
        // the kernel's count may be some pages behind
        let taken = peak().saturating_sub(before);
        assert!(taken < ROOM, "it took {taken} KiB");
        tried += 1;
    }
    format!("{tried} inputs, {good} of them good")
}

/// The files of a case with damage in one or two of them; the directory to render.
fn mutant(case: &Case, root: &Path, rng: &mut Rng) -> std::path::PathBuf {
    let directory = case.write(root);
    for _ in 0..=usize::from(rng.one_in(4)) {
        let (name, content) = &case.files[rng.below(case.files.len())];
        if let Content::Bytes(_) = content {
            let path = root.join(name);
            let damaged = mutate(&fs::read(&path).unwrap(), rng);
            fs::write(path, damaged).unwrap();
        }
    }
    directory
}

fn bytes(content: Content) -> Option<Vec<u8>> {
    match content {
        Content::Bytes(bytes) => Some(bytes),
        Content::Link(_) => None,
    }
}

/// KiB at the peak of this process, which other tests share; those are small.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
