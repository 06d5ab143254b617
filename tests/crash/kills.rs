//! One pull after the other, each killed at a random instant.

use std::time::{Duration, Instant};

use super::check::{assert_nothing_half, assert_whole};
use super::common::docker_registry::DockerRegistry;
use super::common::site::{Site, stderr};
use super::meter::Meter;
use super::process::{Session, VICTIMS, pull, verify};
use super::sample::{Sample, layers};
use super::{CHUNK, at_length, kills, random};

#[test]
fn a_pull_that_is_killed_again_and_again_leaves_nothing_half_and_is_continued() {
    let registry = DockerRegistry::start();
    let sample = Sample::new(&layers(if at_length() { 12 << 20 } else { 2 << 20 }));
    let meter = Meter::to(registry.address(), if at_length() { 24 << 20 } else { 8 << 20 });
    let reference = meter.reference(&registry.push("killed", "1", &sample.built));
    let whole = time_of_one_run(&reference);
    let mut tally = Tally::default();
    while tally.kills < kills() {
        meter.forget();
        round(&reference, &sample, whole, &mut tally);
        for layer in &sample.built.layers {
            let (account, size) = (meter.account(&layer.digest), layer.bytes.len() as u64);
            assert!(account.most_again <= CHUNK, "{}: {account:?}", layer.digest);
            assert!(account.delivered <= size + account.again, "{}: {account:?}", layer.digest);
            tally.again += account.again;
            tally.most_again = tally.most_again.max(account.most_again);
        }
    }
    println!("{tally:?}; one run takes {whole:?}");
}

#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    /// Runs that were done before they could be killed.
    too_late: u32,
    rounds: u32,
    again: u64,
    most_again: u64,
}

/// Kills runs on one cache until one ends well, and then has one run that nobody kills.
fn round(reference: &str, sample: &Sample, whole: Duration, tally: &mut Tally) {
    let site = Site::new();
    tally.rounds += 1;
    while tally.kills < kills() {
        let victim = VICTIMS[tally.kills as usize % VICTIMS.len()];
        let instant = whole.mul_f64(random() * 0.7);
        let mut session = Session::start(&pull(&site, reference));
        std::thread::sleep(instant);
        session.kill(victim);
        let status = session.end();
        tally.kills += 1;
        println!("{victim:?} after {instant:?} of {whole:?}: {status}");
        assert_nothing_half(&site.path("cache"), &[sample]);
        if status.success() {
            tally.too_late += 1;
            break;
        }
    }
    let output = pull(&site, reference).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_whole(&site.path("cache"), &[sample], &mut verify(&site));
}

fn time_of_one_run(reference: &str) -> Duration {
    let site = Site::new();
    let start = Instant::now();
    let output = pull(&site, reference).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    start.elapsed()
}
