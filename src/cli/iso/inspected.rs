//! The result of `iso inspect` for people.

use std::path::Path;

use airshipctl::iso::inspect::{
    Contents, EfiFacts, EntryFacts, Inspection, MenuFacts, PartitionFacts, SeedFacts, SeedFileFacts,
    VolumeFacts,
};

use super::findings;
use super::text::{plural, section, size, table, visible};

pub fn text(path: &Path, inspection: &Inspection) -> String {
    let mut text = file(path, inspection);
    text += &inspection.volume.as_ref().map_or_else(String::new, volume);
    text += &section("boot", &table(&inspection.boot.iter().map(entry).collect::<Vec<_>>()));
    text += &section("EFI programs", &table(&programs(&inspection.boot)));
    text += &section("partitions", &table(&inspection.partitions.iter().map(partition).collect::<Vec<_>>()));
    text += &section("menu", &inspection.menu.iter().flat_map(menu).collect::<Vec<_>>());
    text += &inspection.cloud_init.iter().map(seed).collect::<String>();
    let lists = inspection.checksum_lists.iter();
    let lists =
        lists.map(|it| vec![it.path.clone(), it.algorithm.name().to_owned(), plural(it.files, "file")]);
    text += &section("checksum lists", &table(&lists.collect::<Vec<_>>()));
    text + &section("findings", &findings::lines(&inspection.findings, inspection.more_findings))
}

fn pairs(pairs: &[(&str, String)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| format!("{key:<12}{}\n", visible(value))).collect()
}

fn file(path: &Path, inspection: &Inspection) -> String {
    let space = inspection.space;
    let (md5, sha256) = inspection.sums.as_ref().map_or_else(Default::default, |sums| {
        // of a device only the image is summed up
        let of = if sums.bytes < space.size {
            format!(" of the first {} bytes", sums.bytes)
        } else {
            String::new()
        };
        (format!("{}{of}", sums.md5), format!("{}{of}", sums.sha256))
    });
    pairs(&[
        ("file", path.display().to_string()),
        ("size", size(space.size)),
        ("used", format!("{}, then {} of padding or tables", size(space.last_used), size(space.behind))),
        ("md5", md5),
        ("sha256", sha256),
    ])
}

fn volume(volume: &VolumeFacts) -> String {
    let joliet =
        volume.joliet.as_ref().map(|joliet| format!("Joliet level {} {:?}", joliet.level, joliet.label));
    let names: Vec<String> =
        volume.rock_ridge.then(|| "Rock Ridge".to_owned()).into_iter().chain(joliet).collect();
    let names = if names.is_empty() { "ISO 9660 alone".to_owned() } else { names.join(", ") };
    let files = format!("{} in {}", plural(volume.files, "file"), plural(volume.directories, "directory"));
    let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
    "\n".to_owned()
        + &pairs(&[
            ("volume", format!("{:?}", volume.about.label)),
            ("names", names),
            ("contents", files),
            ("created", or_none(&volume.about.created)),
            ("modified", or_none(&volume.about.modified)),
            ("publisher", volume.about.publisher.clone()),
            ("preparer", volume.about.preparer.clone()),
            ("application", volume.about.application.clone()),
        ])
}

fn entry(entry: &EntryFacts) -> Vec<String> {
    vec![
        entry.firmware.to_owned(),
        entry.medium.to_owned(),
        visible(&entry.via),
        entry.loader.as_deref().map_or_else(|| "unknown loader".to_owned(), visible),
        format!("{} at byte {}", size(entry.length), entry.offset),
    ]
}

/// Of all entries together: CD and disk mostly start the same ones.
fn programs(entries: &[EntryFacts]) -> Vec<Vec<String>> {
    let mut found: Vec<&EfiFacts> = Vec::new();
    for program in entries.iter().flat_map(|entry| &entry.efi) {
        if !found.contains(&program) {
            found.push(program);
        }
    }
    let row = |it: &&EfiFacts| {
        let signed = if it.signed { "signed" } else { "not signed" };
        vec![
            visible(&it.path),
            it.machine.unwrap_or("no program").to_owned(),
            signed.to_owned(),
            size(it.size),
        ]
    };
    found.iter().map(row).collect()
}

fn partition(partition: &PartitionFacts) -> Vec<String> {
    vec![
        format!("{} {}", partition.scheme, partition.number),
        visible(&partition.kind),
        format!("{} at byte {}", size(partition.length), partition.offset),
        if partition.active { "active".to_owned() } else { String::new() },
        visible(&partition.name),
    ]
}

fn menu(menu: &MenuFacts) -> Vec<String> {
    let default = if menu.default { ", the default" } else { "" };
    let mut lines = vec![format!("{:?} of {}{default}", menu.title, visible(&menu.file))];
    lines.push(format!("  kernel        {}", visible(&menu.kernel)));
    lines.extend(menu.initrd.iter().map(|initrd| format!("  initrd        {}", visible(initrd))));
    if !menu.command_line.is_empty() {
        lines.push(format!("  command line  {}", visible(&menu.command_line)));
    }
    lines
}

fn seed(seed: &SeedFacts) -> String {
    let heading = format!("cloud-init: {} in {}", seed.source, visible(&seed.directory));
    let files = table(&seed.files.iter().map(seed_file).collect::<Vec<_>>());
    let contents = seed.files.iter().filter_map(revealed).collect::<String>();
    section(&heading, &files) + &contents
}

fn seed_file(file: &SeedFileFacts) -> Vec<String> {
    vec![
        file.role.clone(),
        file.kind.unwrap_or_default().to_owned(),
        size(file.size),
        file.sha256.as_ref().map_or_else(String::new, |sum| format!("sha256 {sum}...")),
        file.mode.clone().unwrap_or_default(),
        visible(&file.path),
    ]
}

/// Line by line, so that what is binary does not steer the terminal.
fn revealed(file: &SeedFileFacts) -> Option<String> {
    let (text, how) = match file.contents.as_ref()? {
        Contents::Contents(text) => (text, ""),
        Contents::ContentsBase64(text) => (text, " in base64"),
    };
    let lines = text
        .lines()
        .map(|line| format!("    {}\n", line.split('\t').map(visible).collect::<Vec<_>>().join("\t")));
    Some(format!("\n  {}{how}\n{}", visible(&file.path), lines.collect::<String>()))
}
