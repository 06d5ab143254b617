//! Configurations damaged by chance, for as long as `AIRSHIP_FUZZ_SECONDS` says: whatever the bytes are, they
//! are read in bounded time, without a panic, and give a value or an error with its place.
//!
//! A failure prints its seed; `AIRSHIP_FUZZ_SEED` begins there.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use airshipctl::error::{ErrorKind, Result};
use airshipctl::site::config::IsoConfiguration;
use airshipctl::site::config::airship::AirshipConfig;
use common::fuzz::{Rng, for_seconds, mutate};

const ISOGEN: [&str; 3] = [
    include_str!("fixtures/example-site/isogen.yaml"),
    include_str!("fixtures/sites/camel/home/conf/isogen.yaml"),
    "x: &v {volume: /a/:/b, image: registry.example/i:1, network: host, privileged: yes}\ncontainer:\n  <<: *v\n  volume: |-\n    /c//:/d:z\nbuilder:\n  userDataFileName: \"u\"\n  networkConfigFileName: >-\n    n\n  userDataSelector: {group: '', labelSelector: 'a in (b, c), !d, e notin (f), g==h'}\n",
];
const AIRSHIP: [&str; 4] = [
    include_str!("fixtures/sites/dashed/home/.airship/config"),
    include_str!("fixtures/sites/camel/home/conf/airship.yaml"),
    include_str!("fixtures/sites/phase/home/etc/config"),
    "{\"currentContext\": \"a\", \"contexts\": {\"a\": {\"manifest\": \"m\"}}, \"manifests\": {\"m\": {\"targetPath\": \"/nowhere\"}}}",
];
/// Nothing that a fuzz input names is there, so that nothing outside is read.
const HOME: &str = "/nowhere/at/all";
/// Far above what any input of 64 KiB takes, even in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs `check` with damaged inputs until the time is up; says how many were accepted.
fn fuzz(inputs: &[&str], check: fn(&[u8], &mut Rng) -> bool) {
    let end = Instant::now() + for_seconds();
    let mut rng = Rng::from_environment();
    let (mut tried, mut accepted) = (0_usize, 0_usize);
    while Instant::now() < end {
        println!("AIRSHIP_FUZZ_SEED={}", rng.begin());
        let input = mutate(inputs[rng.below(inputs.len())].as_bytes(), &mut rng);
        let started = Instant::now();
        accepted += usize::from(check(&input, &mut rng));
        assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
        tried += 1;
    }
    println!("{tried} inputs, {accepted} of them accepted");
    assert!(accepted * 50 > tried, "{accepted} of {tried} were accepted: the rest proves little");
}

/// An error has its kind, and faults of a file have a place in it.
fn is_sound<T>(result: &Result<T>) -> bool {
    let Err(error) = result else { return true };
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    for fault in error.fault_list() {
        assert!(!fault.message.is_empty(), "{error}");
        assert!(fault.at.as_ref().is_some_and(|at| !at.file.is_empty()), "{error}");
    }
    false
}

fn isogen(input: &[u8], _: &mut Rng) -> bool {
    let found = IsoConfiguration::parse("isogen.yaml", input);
    if !is_sound(&found) {
        return false;
    }
    // the builder's copy says the same of the container
    let found = found.unwrap();
    let copy = found.builder_conf().unwrap();
    let again = IsoConfiguration::parse("copy.yaml", &copy).unwrap();
    assert_eq!((again.container, again.builder), (found.container, found.builder));
    true
}

fn airship(input: &[u8], rng: &mut Rng) -> bool {
    let read =
        |bytes: &[u8]| AirshipConfig::parse(Path::new("/nowhere/config"), Some(Path::new(HOME)), bytes);
    let found = read(input);
    if !is_sound(&found) {
        return false;
    }
    let config = found.unwrap();
    for context in config.contexts() {
        let selected = config.select(Some(context.name)).unwrap();
        is_sound(&selected.documents());
        if let Ok(found) = selected.isogen() {
            let copy = found.builder_conf().unwrap();
            IsoConfiguration::parse("copy.yaml", &copy).unwrap();
        }
    }
    is_sound(&config.select(None));
    let view = config.view();
    let shown = read(view.as_bytes()).expect("the view reads as the file did");
    assert_eq!(shown.view(), view);
    serde_json::to_string(&config.view_json()).unwrap();
    let name = ["third", "no", "a b", "- x", "#", "'", "\"", "\u{e9}\n", "12"][rng.below(9)];
    if let Ok(changed) = config.with_current(input, name) {
        assert_eq!(read(&changed).unwrap().current_context().unwrap(), name);
    }
    true
}

#[test]
fn whatever_an_isogen_configuration_is_it_is_read_or_refused() {
    fuzz(&ISOGEN, isogen);
}

#[test]
fn whatever_an_airshipctl_config_is_it_is_read_or_refused() {
    fuzz(&AIRSHIP, airship);
}
