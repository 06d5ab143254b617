//! Many processes at once on one cache, some of them killed.

use std::fs::File;
use std::time::{Duration, Instant};

use super::check::assert_whole;
use super::common::docker_registry::DockerRegistry;
use super::common::site::{Site, stderr};
use super::meter::Meter;
use super::process::{Session, VICTIMS, pull, verify};
use super::sample::{Sample, layers};
use super::{CHUNK, at_length, kills, random};

const CROWD: usize = 16;
/// Kills in one crowd.
const KILLS: u32 = 8;

struct Member {
    session: Session,
    image: usize,
    killed: bool,
}

#[test]
fn a_crowd_on_one_cache_fetches_and_unpacks_once_whoever_of_it_is_killed() {
    let registry = DockerRegistry::start();
    let size = if at_length() { 12 << 20 } else { 1 << 20 };
    let mut parts = layers(size);
    let first = Sample::new(&parts);
    // the same layers in another order: who waits for whom must not go round in a circle
    parts.reverse();
    let samples = [first, Sample::new(&parts)];
    let meter = Meter::to(registry.address(), size as u64 * 2);
    let push = |(tag, sample): (usize, &Sample)| {
        meter.reference(&registry.push("crowd", &tag.to_string(), &sample.built))
    };
    let references: Vec<String> = samples.iter().enumerate().map(push).collect();
    let mut done = 0;
    while done < kills() {
        meter.forget();
        let start = Instant::now();
        let fills = crowd(&references, &samples, &mut done);
        for layer in &samples[0].built.layers {
            let (account, size) = (meter.account(&layer.digest), layer.bytes.len() as u64);
            assert!(account.most_again <= CHUNK, "{}: {account:?}", layer.digest);
            assert!(account.delivered <= size + u64::from(KILLS) * CHUNK, "{}: {account:?}", layer.digest);
            println!("{} of {size} bytes, {} again", account.delivered, account.again);
        }
        println!("{done} kills, unpacked {fills:?} times, {:?}", start.elapsed());
    }
}

/// One crowd; returns how often each image was unpacked to its last layer.
fn crowd(references: &[String], samples: &[Sample; 2], done: &mut u32) -> [usize; 2] {
    let site = Site::new();
    let log = |number: usize| site.path(&format!("log{number}"));
    let mut members: Vec<Member> = (0..CROWD)
        .map(|number| {
            let image = usize::from(number % 4 == 3);
            let stderr = File::create(log(number)).unwrap();
            let session = Session::start_with(&pull(&site, &references[image]), stderr.into());
            Member { session, image, killed: false }
        })
        .collect();
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(400).mul_f64(random()));
        let Some(member) = choose(members.iter_mut().filter_map(alive).collect(), *done) else { break };
        member.session.kill(VICTIMS[*done as usize % VICTIMS.len()]);
        member.killed = true;
        *done += 1;
    }
    // also where all had ended before
    *done += u32::from(!members.iter().any(|it| it.killed));
    let (mut fills, mut kills) = ([0; 2], [0; 2]);
    for (number, member) in members.iter_mut().enumerate() {
        let status = member.session.end();
        let said = std::fs::read_to_string(log(number)).unwrap();
        assert!(status.success() || member.killed, "{number}: {status}: {said}");
        fills[member.image] += said.matches("unpacking layer 4 of 4").count();
        kills[member.image] += usize::from(member.killed);
    }
    for image in 0..2 {
        assert!(fills[image] <= 1 + kills[image], "unpacked {fills:?} times, killed {kills:?}");
    }
    // by chance all of those who wanted one of them may have been killed
    for reference in references {
        let output = pull(&site, reference).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_whole(&site.path("cache"), &[&samples[0], &samples[1]], &mut verify(&site));
    fills
}

/// Every other time one of those who do the work, not one of those who wait for them.
fn choose(alive: Vec<&mut Member>, number: u32) -> Option<&mut Member> {
    let (busy, idle): (Vec<_>, Vec<_>) = alive.into_iter().partition(|it| it.session.holds_a_lock());
    let from = if busy.is_empty() || (number % 2 == 1 && !idle.is_empty()) { idle } else { busy };
    let count = from.len();
    from.into_iter().nth((random() * count as f64) as usize)
}

fn alive(member: &mut Member) -> Option<&mut Member> {
    (!member.killed && member.session.0.try_wait().unwrap().is_none()).then_some(member)
}
