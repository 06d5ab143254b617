//! What is seen of a run while it goes on: JSON Lines, plain lines, bars, and the table of stages.

mod common;

#[path = "progress/terminal.rs"]
mod terminal;

use std::process::Output;
use std::time::Duration;

use common::faulty::{Fault, FaultyRegistry};
use common::image::Entry;
use common::image::{Built, Compression, TestImage, noise, tar};
use common::site::{BUILD, SECRET, Site, builder, stderr, stdout};
use serde_json::Value;

/// Three layers that take some reports each.
fn image() -> Built {
    let layer = |name: &str, size| tar(&[Entry::file(name, noise(size))]);
    TestImage::new()
        .raw_layer(Compression::None, layer("a", 1_500_000))
        .raw_layer(Compression::None, layer("b", 700_000))
        .raw_layer(Compression::None, layer("c", 10))
        .build()
}

fn pull(site: &Site, reference: &str, arguments: &[&str]) -> Output {
    site.command(&["image", "pull", reference]).args(arguments).output().unwrap()
}

/// The records of standard error, every line of it.
fn records(output: &Output) -> Vec<Value> {
    let said = stderr(output);
    let records: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert_eq!(records[0]["type"], "start");
    assert_eq!(records[0]["version"], 1);
    let times: Vec<_> = records.iter().map(|record| record["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{said}");
    let last = records.last().unwrap();
    assert_eq!((&last["type"], last["code"].as_i64()), (&"end".into(), output.status.code().map(i64::from)));
    records
}

fn of_type<'a>(records: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == wanted).collect()
}

/// Bytes and states of the records about one layer are in order; all of it is told last.
fn assert_whole(records: &[&Value], digest: &Value, size: u64, last: &str) {
    let of: Vec<_> = records.iter().filter(|record| record["digest"] == *digest).collect();
    let bytes: Vec<_> = of.iter().map(|record| record["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted(), "{of:?}");
    assert_eq!((of[0]["state"].as_str(), bytes.last()), (Some("begin"), Some(&size)), "{of:?}");
    let states: Vec<_> = of.iter().map(|record| record["state"].as_str().unwrap()).collect();
    assert_eq!(states.last(), Some(&last));
    assert!(states[1..states.len() - 1].iter().all(|state| *state == "advance"), "{states:?}");
}

/// Every stage that begins ends, before the next of its name; these are their names and ends.
fn stages(records: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all: Vec<_> = of_type(records, "stage")
        .into_iter()
        .map(|record| (text(&record["stage"]), text(&record["state"])))
        .collect();
    let (begun, ended): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, state)| state == "begin");
    assert_eq!(begun.len(), ended.len());
    ended
}

fn done(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), "done".to_owned())).collect()
}

#[test]
fn the_records_of_a_pull_are_consistent() {
    let registry = FaultyRegistry::start();
    let image = image();
    let reference = registry.add("1", &image);
    let site = Site::new();
    let output = pull(&site, &reference, &["--progress", "json", "--output", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let records = records(&output);
    let [known] = of_type(&records, "image")[..] else { panic!("{records:?}") };
    let result: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&known["digest"], &known["reference"]), (&result["digest"], &result["reference"]));
    let downloads = of_type(&records, "download");
    let mut sum = 0;
    for layer in known["layers"].as_array().unwrap() {
        let size = layer["size"].as_u64().unwrap();
        assert_whole(&downloads, &layer["digest"], size, "verified");
        sum += size;
    }
    assert_eq!(known["layers"].as_array().unwrap().len(), image.layers.len());
    assert_eq!(known["size"], sum);
    assert_eq!(stages(&records), done(&["image", "download"]));
    assert!(of_type(&records, "timings").is_empty());

    let again = pull(&site, &reference, &["--progress", "json"]);
    let again = self::records(&again);
    let downloads = of_type(&again, "download");
    assert_eq!(downloads.len(), 3);
    assert!(downloads.iter().all(|record| record["state"] == "present" && record["bytes"] == record["size"]));
}

#[test]
fn the_records_of_a_resumed_pull_begin_where_the_last_one_was_cut() {
    let registry = FaultyRegistry::start();
    let image = TestImage::with_file(noise(2_000_000));
    let reference = registry.add("1", &image);
    let layer = image.layers[0].digest.clone();
    registry.fault(&layer, 5, Fault::CutAfter(100_000));
    let site = Site::new();
    assert_eq!(pull(&site, &reference, &[]).status.code(), Some(4));
    registry.heal();
    let output = pull(&site, &reference, &["--progress", "json"]);
    let records = records(&output);
    let first = of_type(&records, "download")[0];
    assert_eq!(first["state"], "begin");
    assert!(first["bytes"].as_u64().unwrap() >= 100_000, "{first}");
}

#[test]
fn what_a_repair_fetches_is_reported_too() {
    let registry = FaultyRegistry::start();
    let image = image();
    let reference = registry.add("1", &image);
    let site = Site::new();
    assert!(pull(&site, &reference, &[]).status.success());
    let digest = &image.layers[1].digest;
    std::fs::remove_file(site.path("cache/blobs").join(digest.replace(':', "/"))).unwrap();
    let arguments = ["image", "verify", "--repair", "--progress", "json"];
    let output = site.command(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let records = records(&output);
    let mut downloads = of_type(&records, "download");
    downloads.retain(|record| record["state"] != "present");
    assert_whole(&downloads, &digest.as_str().into(), image.layers[1].bytes.len() as u64, "verified");
}

#[test]
fn an_error_is_a_record_with_hint_and_exit_code() {
    let output = pull(&Site::new(), "localhost/none:1", &["--progress", "json", "--debug"]);
    let records = records(&output);
    let [error] = of_type(&records, "error")[..] else { panic!("{records:?}") };
    assert_eq!(error["code"], 4);
    assert!(error["message"].as_str().unwrap().contains("localhost/none:1"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("image load"), "{error}");
    assert_eq!(stages(&records), [("image".to_owned(), "failed".to_owned())]);
    assert_eq!(of_type(&records, "timings")[0]["stages"][0]["state"], "failed");
    assert!(stdout(&output).is_empty());
}

#[test]
fn a_run_is_records_from_the_documents_to_the_removal() {
    let site = Site::with_builder(&format!("echo 'not {{ json'; {BUILD}"));
    let output = site.succeed(&["--progress", "json", "--debug"]);
    assert_eq!(stdout(&output), format!("{}/out.iso\n", site.volume().display()));
    assert!(!stderr(&output).contains(SECRET));
    let all = records(&output);
    let names = ["site", "host", "image", "download", "unpack", "set-up", "builder", "removal", "check"];
    assert_eq!(stages(&all), done(&names));
    let known = of_type(&all, "image")[0];
    let unpacks = of_type(&all, "unpack");
    for layer in known["layers"].as_array().unwrap() {
        assert_whole(&unpacks, &layer["digest"], layer["size"].as_u64().unwrap(), "done");
    }
    let rootfs = of_type(&all, "rootfs")[0];
    assert_eq!(rootfs["origin"], "made");
    assert!(std::path::Path::new(rootfs["path"].as_str().unwrap()).is_dir());
    let logs = of_type(&all, "log");
    assert!(logs.iter().any(|log| log["source"] == "builder" && log["message"] == "not { json"), "{logs:?}");
    let timings = of_type(&all, "timings")[0];
    assert_eq!(timings["stages"].as_array().unwrap().len(), names.len());
    let again = site.succeed(&["--progress", "json"]);
    assert_eq!(of_type(&records(&again), "rootfs")[0]["origin"], "reused");
}

#[test]
fn elsewhere_than_on_a_terminal_layers_are_lines_without_escapes() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &image());
    let site = Site::new();
    let said = stderr(&pull(&site, &reference, &[]));
    assert!(!said.contains(['\u{1b}', '\r']), "{said:?}");
    assert_eq!(said.matches(": downloading ").count(), 3, "{said}");
    assert_eq!(said.matches(": downloaded and verified (").count(), 3, "{said}");
    assert!(said.contains("layer 1 of 3 ") && said.contains("(1.5 MB)"), "{said}");
    let again = stderr(&pull(&site, &reference, &["--progress", "plain"]));
    assert_eq!(again.matches(": in the cache (").count(), 3, "{again}");
    let silent = stderr(&pull(&site, &reference, &["--progress", "none"]));
    assert!(!silent.contains("layer"), "{silent}");
}

#[test]
fn the_table_of_stages_ends_what_debug_tells_also_of_a_failure() {
    let registry = FaultyRegistry::start();
    let reference = registry.add("1", &image());
    let site = Site::new();
    let without = stderr(&pull(&site, &reference, &[]));
    assert!(!without.contains("seconds"), "{without}");
    let said = stderr(&pull(&site, &reference, &["--debug"]));
    let titles: Vec<_> = said.lines().skip_while(|line| !line.starts_with("stage ")).collect();
    for (line, title) in
        titles.iter().zip(["stage", "asking the registry", "download", "everything else", "total"])
    {
        assert!(line.starts_with(title), "{said}");
    }
    assert_eq!(titles.len(), 5, "{said}");
    site.configure(&registry.add("2", &builder("exit 3").build()), "");
    let failed = stderr(&site.run(&["--debug"]));
    let builder = failed.lines().find(|line| line.starts_with("builder  ")).unwrap();
    assert!(builder.ends_with("%  failed"), "{failed}");
    let (table, error) = (failed.find("\ntotal "), failed.find("\nerror: "));
    assert!(table.unwrap() < error.unwrap() && !failed.contains("\nremoval "), "{failed}");
}

#[test]
fn progress_has_four_forms() {
    let output = pull(&Site::new(), "localhost/x", &["--progress", "loud"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("auto, plain, json, none"), "{}", stderr(&output));
}

/// Slow enough to be seen.
const SLOW: Fault = Fault::Pause(700_000, Duration::from_secs(2));
