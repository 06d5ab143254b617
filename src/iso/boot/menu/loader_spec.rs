//! `/loader/entries`, as systemd-boot reads them (UAPI group, Boot Loader Specification).

use std::io;

use super::{Files, Item, MOST_ENTRIES, Menu, Place, normal};
use crate::iso::finding::Findings;

const DIRECTORY: &str = "/loader/entries";
const CONFIGURATION: &str = "/loader/loader.conf";

struct Entry {
    /// Without `.conf`; what `default` names.
    id: String,
    sort: (String, std::cmp::Reverse<String>),
    /// What is started.
    item: Item,
}

/// One menu, if there are entries.
pub(super) fn read(
    place: &Place<'_>,
    files: &mut Files<'_>,
    findings: &mut Findings,
) -> io::Result<Vec<(String, Menu)>> {
    let mut entries = Vec::new();
    for path in place.below(DIRECTORY).iter().filter(|path| path.ends_with(".conf")).take(MOST_ENTRIES) {
        if let Some((name, text)) = files.text(place, path, findings)? {
            entries.extend(entry(path, name, &text));
        }
    }
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let configuration =
        files.text(place, CONFIGURATION, findings)?.map_or_else(String::new, |(_, text)| text);
    let value = |key| values(&configuration, key).last().map(str::to_owned);
    // newer versions come first
    entries.sort_by(|a, b| a.sort.cmp(&b.sort).then_with(|| b.id.cmp(&a.id)));
    let pattern = value("default").unwrap_or_else(|| "*".into());
    let default = entries.iter().position(|entry| matches(&pattern, &entry.id)).unwrap_or(0);
    entries[default].item.default = true;
    let waits = value("timeout").is_some_and(|timeout| timeout == "menu-force");
    let entries = entries.into_iter().map(|entry| entry.item).collect();
    Ok(vec![(format!("{}{CONFIGURATION}", place.prefix), Menu { entries, waits })])
}

/// All values of a key.
fn values<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(char::is_whitespace));
    pairs.filter(move |(name, _)| *name == key).map(|(_, value)| value.trim())
}

/// `None` for what starts no Linux by name: an EFI program.
fn entry(path: &str, file: String, text: &str) -> Option<Entry> {
    let all = |key| values(text, key).collect::<Vec<_>>();
    let last = |key| all(key).last().copied().unwrap_or_default().to_owned();
    let kernel = all("linux").last().map(|path| normal(path))?;
    let id = path.rsplit('/').next()?.strip_suffix(".conf")?.to_owned();
    let item = Item {
        file,
        title: last("title"),
        kernel,
        initrd: all("initrd").into_iter().map(normal).collect(),
        command_line: all("options").join(" "),
        default: false,
    };
    Some(Entry { id, sort: (last("sort-key"), std::cmp::Reverse(last("version"))), item })
}

/// `*` at the end stands for anything, as in nearly every configuration.
fn matches(pattern: &str, id: &str) -> bool {
    let pattern = pattern.strip_suffix(".conf").unwrap_or(pattern);
    match pattern.split_once('*') {
        Some((start, end)) => {
            id.starts_with(start) && id.ends_with(end) && id.len() >= start.len() + end.len()
        }
        None => pattern == id,
    }
}
