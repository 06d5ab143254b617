//! Pulls and unpacks that are killed, crowd each other, fill the disk, or lose power: nothing that
//! is seen is ever half, the next run makes it whole, and hardly a byte is fetched twice.
//!
//! `AIRSHIP_TEST_KILLS` is how many kills there are in each test (default 8); from 100 on, the
//! images and the file system that fills have the size of real ones.

mod common;

#[path = "crash/check.rs"]
mod check;
#[path = "crash/crowd.rs"]
mod crowd;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/full.rs"]
mod full;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/meter.rs"]
mod meter;
#[path = "crash/power.rs"]
mod power;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/read_only.rs"]
mod read_only;
#[path = "crash/sample.rs"]
mod sample;

/// What may be fetched again of a layer for each kill: what was under way. The HTTP library reads up to
/// 400 KiB at once, and may have read that much again while we hash and write.
const CHUNK: u64 = 1 << 20;

fn kills() -> u32 {
    std::env::var("AIRSHIP_TEST_KILLS").map_or(8, |text| text.parse().unwrap())
}

/// Whether this is the long version of the tests.
fn at_length() -> bool {
    kills() >= 100
}

/// Between 0 and 1.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish();
    number as f64 / u64::MAX as f64
}
