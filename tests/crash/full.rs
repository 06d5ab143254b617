//! A file system that fills up: while layers are unpacked, while they are fetched, and under kills.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::check::{assert_nothing_half, assert_whole, names};
use super::common::docker_registry::DockerRegistry;
use super::common::image::{Compression, noise};
use super::common::site::{Site, stderr};
use super::disk::Disk;
use super::meter::Meter;
use super::process::{Session, VICTIMS, pull, verify};
use super::sample::{Files, Sample};
use super::{CHUNK, at_length, kills, random};

const MIB: usize = 1 << 20;

/// Two layers of noise, and one between them of which nobody can tell how large it becomes.
fn sample(noise_mib: usize, text_mib: usize) -> Sample {
    let bytes = noise(noise_mib * MIB);
    let (lower, upper) = bytes.split_at(bytes.len() / 3);
    let text = (0..8).map(|at| (format!("text{at}"), vec![b'x'; text_mib * MIB / 8])).collect();
    Sample::new(&[
        Files(Compression::Zstd, vec![("lower".into(), lower.to_vec())]),
        Files(Compression::Gzip, text),
        Files(Compression::Gzip, vec![("upper".into(), upper.to_vec())]),
    ])
}

fn assert_resumed(meter: &Meter, sample: &Sample) -> u64 {
    let accounts = sample.built.layers.iter().map(|layer| (layer, meter.account(&layer.digest)));
    let check = |(layer, account): (&super::common::image::Blob, super::meter::Account)| {
        assert!(account.most_again <= CHUNK, "{}: {account:?}", layer.digest);
        assert!(account.delivered <= layer.bytes.len() as u64 + account.again, "{account:?}");
        account.again
    };
    accounts.map(check).sum()
}

#[test]
fn a_file_system_that_fills_is_named_and_the_next_run_with_room_goes_on() {
    let (size, noise_mib, text_mib) = if at_length() { (300, 90, 200) } else { (24, 6, 24) };
    let registry = DockerRegistry::start();
    let sample = sample(noise_mib, text_mib);
    let meter = Meter::to(registry.address(), (noise_mib * MIB) as u64);
    let reference = meter.reference(&registry.push("full", "1", &sample.built));
    let site = Site::new();
    let disk = Disk::of_size(&site, size);

    let start = Instant::now();
    let output = disk.with(&pull(&site, &reference)).output().unwrap();
    let (said, whole) = (stderr(&output), start.elapsed());
    println!("{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
    let mount = format!("the file system {} ", disk.mount.display());
    for words in [&mount, "bytes left", "need", "--rootfs-cache"] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    assert_eq!(said.matches("Unpacking 3 layers").count(), 1, "a second try is in vain: {said}");
    assert_nothing_half(&disk.cache(), &[&sample]);
    assert_eq!(names(&disk.cache().join("rootfs")), [""; 0]);

    for number in 0..kills() {
        if number % 8 == 0 {
            // from the beginning again
            let all = ["blobs", "index.json", ".partial"].map(|name| disk.mount.join(name));
            let removed = disk.with(Command::new("rm").arg("-rf").args(all)).status().unwrap();
            assert!(removed.success());
            meter.forget();
        }
        let mut session = Session::start(&disk.with(&pull(&site, &reference)));
        let (victim, instant) = (VICTIMS[number as usize % VICTIMS.len()], whole.mul_f64(random()));
        std::thread::sleep(instant);
        session.kill(victim);
        let status = session.end();
        println!("{number}: {victim:?} after {instant:?} of {whole:?}: {status}");
        assert!(!status.success());
        assert_nothing_half(&disk.cache(), &[&sample]);
        assert_resumed(&meter, &sample);
    }

    disk.enlarge(size * 2);
    let output = disk.with(&pull(&site, &reference)).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_whole(&disk.cache(), &[&sample], &mut disk.with(&verify(&site)));
    let again = assert_resumed(&meter, &sample);
    println!("{} kills on a full disk, {again} bytes again in the last round", kills());
}

#[test]
fn a_file_system_that_others_fill_meanwhile_is_named_with_what_is_needed() {
    let registry = DockerRegistry::start();
    let sample = sample(12, 1);
    let meter = Meter::to(registry.address(), 8 * MIB as u64);
    let reference = meter.reference(&registry.push("full", "2", &sample.built));
    let site = Site::new();
    let disk = Disk::of_size(&site, 32);
    let said = fs::File::create(site.path("said")).unwrap();
    let mut session = Session::start_with(&disk.with(&pull(&site, &reference)), said.into());
    let (partials, until) = (disk.cache().join(".partial"), Instant::now() + Duration::from_secs(20));
    let size = |name: String| fs::metadata(partials.join(name)).map_or(0, |file| file.len());
    while !names(&partials).into_iter().any(|name| size(name) > 2 * MIB as u64) {
        assert!(Instant::now() < until, "no layer grows");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut fill = Command::new("dd");
    fill.args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", disk.mount.join("README.md").display()));
    fill.env("PATH", std::env::var_os("PATH").unwrap());
    let filled = disk.with(&fill).stderr(Stdio::null()).status().unwrap();
    assert!(!filled.success(), "the disk is not full");
    let status = session.end();
    let said = fs::read_to_string(site.path("said")).unwrap();
    println!("{said}");
    assert_eq!(status.code(), Some(4), "{said}");
    for words in [&*format!("the file system {} ", disk.mount.display()), "bytes left", "need"] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    assert_nothing_half(&disk.cache(), &[&sample]);

    fs::remove_file(disk.cache().join("README.md")).unwrap();
    let output = disk.with(&pull(&site, &reference)).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_whole(&disk.cache(), &[&sample], &mut disk.with(&verify(&site)));
    assert_resumed(&meter, &sample);
}
