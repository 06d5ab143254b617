//! What other programs say of an image.

use std::path::Path;
use std::process::Command;

use airshipctl::iso::boot::{Boot, Firmware, Medium, Scheme};
use serde_json::Value;

fn said(program: &str, arguments: &[&str], path: &Path) -> String {
    let mut command = Command::new(program);
    let ran = command.args(arguments).arg(path).output().expect("installed by scripts/setup.sh test");
    String::from_utf8(ran.stdout).unwrap()
}

/// xorriso's table: number, platform, emulated medium, load size and block of each boot image.
pub fn el_torito(path: &Path, boot: &Boot) {
    let mut command = Command::new("xorriso");
    let ran = command.arg("-indev").arg(path).args(["-report_el_torito", "plain"]).output().unwrap();
    let report = String::from_utf8_lossy(&ran.stdout).into_owned();
    let theirs: Vec<_> = report
        .lines()
        .filter_map(|line| line.strip_prefix("El Torito boot img :"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| {
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            (number(0), words[1] == "UEFI", words[3] == "none", number(7) * 2048, number(6) * 512)
        })
        .collect();
    let cd = boot.entries.iter().filter(|entry| entry.medium == Medium::Cd);
    let ours: Vec<_> = cd
        .zip(&theirs)
        .map(|(entry, (.., length))| {
            let number = entry.via.trim_start_matches("El Torito entry ");
            let number = number.split(',').next().unwrap().parse().unwrap();
            let none = !entry.via.contains("as a");
            let uefi = entry.firmware == Firmware::Uefi;
            // an emulated disk is longer than what is loaded; the file system is not padded to blocks of 2048
            let length = if none && entry.extent.length.div_ceil(2048) != length / 2048 {
                entry.extent.length
            } else {
                *length
            };
            (number, uefi, none, entry.extent.offset, length)
        })
        .collect();
    assert_eq!(ours, theirs, "{report}");
}

fn table(path: &Path) -> Value {
    let report = said("sfdisk", &["-J"], path);
    serde_json::from_str(&report).unwrap_or(Value::Null)["partitiontable"].clone()
}

/// In sectors of 512 bytes.
pub fn first_sector(path: &Path) -> u64 {
    table(path)["partitions"][0]["start"].as_u64().unwrap()
}

/// sfdisk's table of the scheme that it goes by.
pub fn partitions(path: &Path, boot: &Boot) {
    let table = table(path);
    let scheme = match table["label"].as_str() {
        Some("gpt") => Scheme::Gpt,
        Some("dos") => Scheme::Mbr,
        _ => return assert!(boot.partitions.is_empty(), "{:#?}", boot.partitions),
    };
    let device = path.to_str().unwrap();
    let theirs = table["partitions"].as_array().into_iter().flatten().map(|one| {
        let number = one["node"].as_str().unwrap().strip_prefix(device).unwrap().trim_start_matches('p');
        let kind = one["type"].as_str().unwrap().to_owned();
        let legacy =
            one["attrs"].as_str().is_some_and(|attributes| attributes.contains("LegacyBIOSBootable"));
        let active = one["bootable"].as_bool().unwrap_or(legacy);
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        (
            number.parse().unwrap(),
            one["start"].as_u64().unwrap(),
            one["size"].as_u64().unwrap(),
            kind,
            name,
            active,
        )
    });
    let ours = boot.partitions.iter().filter(|partition| partition.scheme == scheme).map(|one| {
        let kind = one
            .kind
            .strip_prefix("0x")
            .map_or(one.kind.clone(), |kind| kind.trim_start_matches('0').to_owned());
        let kind = if kind.is_empty() { "0".into() } else { kind };
        (one.number, one.extent.offset / 512, one.extent.length / 512, kind, one.name.clone(), one.active)
    });
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<(u32, u64, u64, String, String, bool)>>());
}
