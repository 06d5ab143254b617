//! Network configurations: what is found in them, and what is made of them, with cloud-init itself as
//! the judge.

#[path = "network/catalogues.rs"]
mod catalogues;
#[path = "network/changed.rs"]
mod changed;
mod common;
#[path = "network/findings.rs"]
mod findings;
#[path = "network/inputs.rs"]
mod inputs;
#[path = "network/random.rs"]
mod random;

use std::time::Instant;

use airshipctl::error::Fault;
use airshipctl::site::cloudinit::{NetworkFormat, NetworkPlace, check_network, network_to_v2};
use airshipctl::site::report::Report;
use airshipctl::site::yaml::Origin;
use common::cloud_init;
use common::fuzz::{Rng, for_seconds, mutate};
use serde_json::{Value, json};

/// The format and the findings, one a line: errors first.
fn check(text: &[u8]) -> (Option<NetworkFormat>, Report) {
    let (origin, mut report) = (Origin::new("net", None), Report::default());
    let format = check_network(text, NetworkPlace::File(&origin), None, &mut report);
    (format, report)
}

fn convert(text: &[u8]) -> Option<String> {
    let (origin, mut report) = (Origin::new("net", None), Report::default());
    let v2 = network_to_v2(text, NetworkPlace::File(&origin), &mut report);
    v2.map(|bytes| String::from_utf8(bytes).unwrap())
}

/// What cloud-init makes of each input, beside what we do.
fn judged(inputs: &[String]) -> Vec<(Option<String>, Value)> {
    let v2s: Vec<_> = inputs.iter().map(|input| convert(input.as_bytes())).collect();
    let cases: Vec<_> =
        inputs.iter().zip(&v2s).map(|(input, v2)| json!({"input": input, "v2": v2})).collect();
    let said = cloud_init::ask("network.py", &[], Value::from(cases).to_string().as_bytes());
    let verdicts: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(verdicts.len(), inputs.len());
    v2s.into_iter().zip(verdicts).collect()
}

/// Ours is the same, and cloud-init takes it.
fn assert_same(input: &str, v2: Option<&str>, verdict: &Value) {
    let v2 = v2.unwrap_or_else(|| panic!("{input}\n{:?}", check(input.as_bytes())));
    assert_eq!(verdict["problem"], Value::Null, "cloud-init cannot read\n{input}");
    assert_eq!(verdict["refused"], Value::Null, "cloud-init refuses\n{v2}");
    assert_eq!(verdict["netplan"], Value::Null, "netplan refuses\n{v2}");
    assert_eq!(verdict["ours"], verdict["theirs"], "{input}\n{v2}");
    let (format, report) = check(v2.as_bytes());
    assert_eq!((format, report.errors.as_slice()), (Some(NetworkFormat::V2), &[][..]), "{v2}");
}

#[test]
fn the_conversion_means_what_cloud_init_makes_of_the_same_input() {
    let inputs: Vec<String> = inputs::SOUND.iter().map(|(_, text)| (*text).to_owned()).collect();
    assert!(inputs.len() >= 25, "{}", inputs.len());
    for ((name, input), (v2, verdict)) in inputs::SOUND.iter().zip(judged(&inputs)) {
        println!("{name}");
        assert_same(input, v2.as_deref(), &verdict);
    }
}

#[test]
fn inputs_that_cloud_init_fails_at_are_errors() {
    let inputs: Vec<String> = inputs::BROKEN.iter().map(|text| (*text).to_owned()).collect();
    for (input, (v2, verdict)) in inputs.iter().zip(judged(&inputs)) {
        assert_ne!(verdict["problem"], Value::Null, "cloud-init reads\n{input}");
        assert_eq!(v2, None, "{input}");
    }
}

#[test]
fn random_network_data_means_the_same_too() {
    let mut rng = Rng::steady();
    println!("AIRSHIP_JUDGE_SEED={}", rng.begin());
    let inputs: Vec<String> = (0..300).map(|_| random::network_data(&mut rng)).collect();
    for (input, (v2, verdict)) in inputs.iter().zip(judged(&inputs)) {
        assert_same(input, v2.as_deref(), &verdict);
    }
}

#[test]
fn damaged_inputs_end_in_findings_or_in_what_our_own_checks_take() {
    let seeds: Vec<&str> = inputs::SOUND.iter().map(|(_, text)| *text).chain(inputs::V2).collect();
    let end = Instant::now() + for_seconds();
    let mut rng = Rng::from_environment();
    while Instant::now() < end {
        println!("AIRSHIP_FUZZ_SEED={}", rng.begin());
        let input = mutate(seeds[rng.below(seeds.len())].as_bytes(), &mut rng);
        let (format, report) = check(&input);
        assert!(format.is_some() || !report.errors.is_empty());
        assert!(report.errors.len() + report.warnings.len() < 150, "{} findings", report.errors.len());
        if let Some(v2) = convert(&input).filter(|_| format != Some(NetworkFormat::V2)) {
            let (again, report) = check(v2.as_bytes());
            assert_eq!((again, report.errors.as_slice()), (Some(NetworkFormat::V2), &[][..]), "{v2}");
        }
    }
}

#[test]
fn damaged_inputs_that_cloud_init_fails_at_have_errors() {
    let mut rng = Rng::steady();
    println!("AIRSHIP_JUDGE_SEED={}", rng.begin());
    let seeds = inputs::SOUND;
    let count = 1000;
    let damaged = (0..count).map(|_| mutate(seeds[rng.below(seeds.len())].1.as_bytes(), &mut rng));
    // readers of YAML differ about other line breaks and marks than those of ASCII
    let is_simple = |text: &String| text.len() < 4000 && text.is_ascii();
    let inputs: Vec<String> =
        damaged.filter_map(|bytes| String::from_utf8(bytes).ok()).filter(is_simple).collect();
    assert_errors_where_cloud_init_fails(&inputs);
}

#[test]
fn what_is_missing_or_of_another_kind_is_an_error_where_cloud_init_fails() {
    let sound = inputs::SOUND.iter().flat_map(|(_, text)| changed::each_value(text));
    assert_errors_where_cloud_init_fails(&sound.collect::<Vec<_>>());
}

fn assert_errors_where_cloud_init_fails(inputs: &[String]) {
    let wrong: Vec<_> = inputs
        .iter()
        .zip(judged(inputs))
        .filter(|(input, (v2, _))| v2.is_some() && check(input.as_bytes()).0 != Some(NetworkFormat::V2))
        .filter(|(_, (_, verdict))| !is_about_yaml(&verdict["problem"]))
        .filter(|(_, (_, verdict))| verdict["problem"] != Value::Null || verdict["ours"] != verdict["theirs"])
        .map(|(input, (v2, verdict))| format!("{input}\n{}\n{verdict:#}", v2.unwrap_or_default()))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), inputs.len(), wrong.join("\n--------\n"));
}

#[test]
fn damaged_version_2_that_netplan_refuses_has_findings() {
    let mut rng = Rng::steady();
    println!("AIRSHIP_JUDGE_SEED={}", rng.begin());
    let count = 1000;
    let seeds = inputs::V2;
    let damaged = (0..count).map(|_| mutate(seeds[rng.below(seeds.len())].as_bytes(), &mut rng));
    let damaged = damaged.filter_map(|bytes| String::from_utf8(bytes).ok());
    assert_findings_where_netplan_refuses(damaged.filter(|text| text.len() < 4000 && text.is_ascii()));
}

#[test]
fn version_2_with_values_missing_or_of_another_kind_has_findings_where_netplan_refuses() {
    assert_findings_where_netplan_refuses(inputs::V2.iter().flat_map(|text| changed::each_value(text)));
}

fn assert_findings_where_netplan_refuses(inputs: impl Iterator<Item = String>) {
    let inputs: Vec<String> = inputs
        .filter(|text| {
            let (format, report) = check(text.as_bytes());
            let unknown = |fault: &Fault| fault.code.as_deref() == Some("network-unknown-key");
            format == Some(NetworkFormat::V2)
                && report.errors.is_empty()
                && !report.warnings.iter().any(unknown)
        })
        .collect();
    let wrong: Vec<_> = inputs
        .iter()
        .zip(judged(&inputs))
        .filter(|(_, (_, verdict))| verdict["netplan"] != Value::Null)
        .map(|(input, (_, verdict))| format!("{input}\n{}", verdict["netplan"].as_str().unwrap_or_default()))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), inputs.len(), wrong.join("\n--------\n"));
}

/// PyYAML's own errors: its grammar is a little narrower than that of YAML 1.2.
fn is_about_yaml(problem: &Value) -> bool {
    let errors = ["ParserError", "ScannerError", "ReaderError", "ComposerError", "ConstructorError"];
    problem.as_str().is_some_and(|text| errors.iter().any(|error| text.starts_with(error)))
}
