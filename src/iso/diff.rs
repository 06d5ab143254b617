//! What tells two images apart, by name. Of cloud-init data only which file differs, never what is in it.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::examine::Examined;
use super::image::Image;
use super::inspect::{
    EntryFacts, MenuFacts, PartitionFacts, Reveal, SeedFacts, SeedFileFacts, Space, VolumeFacts,
};

/// What something is, by its name.
type Items = Vec<(String, Map<String, Value>)>;

/// Bytes that are compared at once.
const PIECE: usize = 256 << 10;
/// Stands for a value that differs and is not shown.
const HIDDEN: &str = "(differs, not shown)";

/// One of the two.
pub struct Side<'i> {
    pub image: &'i Image,
    pub examined: &'i Examined,
}

/// As JSON the document that `iso diff --help` describes.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// 1; keys are only added to it.
    pub version: u32,
    /// Whether all bytes are equal.
    pub same: bool,
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub area: Area,
    /// Which file, boot entry or menu entry; `None` for the image or the volume as a whole.
    pub name: Option<String>,
    /// What of it: `size`, `mode`, `contents`, ...; `None` if only one of the two has it.
    pub what: Option<String>,
    /// What it is in the first image, `None` if it is not there.
    pub a: Option<Value>,
    /// In the second.
    pub b: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Image,
    Volume,
    Boot,
    Partition,
    Menu,
    CloudInit,
    File,
}

/// Compares them. Where bytes differ and nothing that is understood does, the first of these bytes is told.
pub fn diff(a: &Side<'_>, b: &Side<'_>) -> io::Result<Diff> {
    let first = first_difference(a.image, b.image)?;
    let mut found = Differences::default();
    if first.is_some() {
        found.image(a, b);
        found.volume(a, b);
        found.boot(a, b);
        found.menu(a, b);
        found.cloud_init(a, b)?;
        found.files(a, b)?;
    }
    if let Some(offset) = first {
        found.push(Area::Image, None, "first differing byte", Some(offset.into()), Some(offset.into()));
    }
    Ok(Diff { version: 1, same: first.is_none(), differences: found.0 })
}

/// Where the first byte is that is not the same in both; the end of the shorter one if there is none before.
fn first_difference(a: &Image, b: &Image) -> io::Result<Option<u64>> {
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    let shorter = a.size.min(b.size);
    while at < shorter {
        let length = usize::try_from(shorter - at).unwrap_or(PIECE).min(PIECE);
        let (left, right) = (&mut left[..length], &mut right[..length]);
        let count = a.read_at(left, at)?.min(b.read_at(right, at)?);
        if count == 0 {
            return Ok(Some(at)); // one of them became shorter
        }
        if let Some(place) = (0..count).find(|place| left[*place] != right[*place]) {
            return Ok(Some(at + place as u64));
        }
        at += count as u64;
    }
    Ok((a.size != b.size).then_some(shorter))
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn push(&mut self, area: Area, name: Option<&str>, what: &str, a: Option<Value>, b: Option<Value>) {
        let name = name.map(str::to_owned);
        self.0.push(Difference { area, name, what: Some(what.to_owned()), a, b });
    }

    /// Something that only one of the two has, which is described by a value.
    fn alone(&mut self, area: Area, name: &str, a: Option<Value>, b: Option<Value>) {
        self.0.push(Difference { area, name: Some(name.to_owned()), what: None, a, b });
    }

    /// Each key in which two objects differ.
    fn keys(&mut self, area: Area, name: Option<&str>, a: &Map<String, Value>, b: &Map<String, Value>) {
        for (key, left) in a {
            let right = b.get(key).unwrap_or(&Value::Null);
            if left != right {
                self.push(area, name, key, Some(left.clone()), Some(right.clone()));
            }
        }
    }

    /// Two lists whose items have names that are unique in each.
    fn named(&mut self, area: Area, a: &Items, b: &Items) {
        let (left, right) = (by_name(a), by_name(b));
        for (name, item) in a {
            match right.get(name.as_str()) {
                Some(other) => self.keys(area, Some(name), item, other),
                None => self.alone(area, name, Some(Value::Object(item.clone())), None),
            }
        }
        for (name, item) in b.iter().filter(|(name, _)| !left.contains_key(name.as_str())) {
            self.alone(area, name, None, Some(Value::Object(item.clone())));
        }
    }

    fn image(&mut self, a: &Side<'_>, b: &Side<'_>) {
        let space = |side: &Side<'_>| object(&Space::of(side.image, side.examined));
        self.keys(Area::Image, None, &space(a), &space(b));
    }

    fn volume(&mut self, a: &Side<'_>, b: &Side<'_>) {
        let facts =
            |side: &Side<'_>| side.examined.volume.as_ref().map(|volume| object(&VolumeFacts::new(volume)));
        match (facts(a), facts(b)) {
            (Some(a), Some(b)) => self.keys(Area::Volume, None, &a, &b),
            (None, None) => {}
            (a, b) => self.alone(Area::Volume, "ISO 9660", a.map(Value::Object), b.map(Value::Object)),
        }
    }

    fn boot(&mut self, a: &Side<'_>, b: &Side<'_>) {
        let entries = |side: &Side<'_>| {
            let facts = side.examined.boot.entries.iter().map(EntryFacts::new);
            unique(
                facts.map(|it| (format!("{} {} {}", it.firmware, it.medium, it.via), object(&it))).collect(),
            )
        };
        self.named(Area::Boot, &entries(a), &entries(b));
        let partitions = |side: &Side<'_>| {
            let facts = side.examined.boot.partitions.iter().map(PartitionFacts::new);
            unique(facts.map(|it| (format!("{} {}", it.scheme, it.number), object(&it))).collect())
        };
        self.named(Area::Partition, &partitions(a), &partitions(b));
    }

    fn menu(&mut self, a: &Side<'_>, b: &Side<'_>) {
        let entries = |side: &Side<'_>, reveal| {
            let facts = side.examined.boot.menu.iter().map(|entry| MenuFacts::new(entry, reveal));
            unique(facts.map(|it| (format!("{} {:?}", it.file, it.title), object(&it))).collect())
        };
        self.named(Area::Menu, &entries(a, Reveal::Nothing), &entries(b, Reveal::Nothing));
        self.hidden(&entries(a, Reveal::Secrets), &entries(b, Reveal::Secrets));
    }

    /// Command lines that differ in what is not shown: that they do may be told.
    fn hidden(&mut self, a: &Items, b: &Items) {
        const KEY: &str = "commandLine";
        let told = self.0.iter().filter(|it| it.area == Area::Menu && it.what.as_deref() == Some(KEY));
        let told: BTreeSet<String> = told.filter_map(|it| it.name.clone()).collect();
        let right = by_name(b);
        for (name, item) in a.iter().filter(|(name, _)| !told.contains(name)) {
            if right.get(name.as_str()).is_some_and(|other| other.get(KEY) != item.get(KEY)) {
                self.push(Area::Menu, Some(name), KEY, Some(HIDDEN.into()), Some(HIDDEN.into()));
            }
        }
    }

    fn cloud_init(&mut self, a: &Side<'_>, b: &Side<'_>) -> io::Result<()> {
        let files = |side: &Side<'_>| -> io::Result<Items> {
            let facts =
                side.examined.seeds.iter().map(|seed| SeedFacts::new(side.image, seed, Reveal::Nothing));
            let facts = facts.collect::<io::Result<Vec<_>>>()?;
            let named = |seed: &SeedFacts, file: &SeedFileFacts| {
                (format!("{} {}", seed.source, file.path), object(file))
            };
            Ok(facts.iter().flat_map(|seed| seed.files.iter().map(|file| named(seed, file))).collect())
        };
        self.named(Area::CloudInit, &unique(files(a)?), &unique(files(b)?));
        Ok(())
    }
}

fn by_name(items: &Items) -> BTreeMap<&str, &Map<String, Value>> {
    items.iter().map(|(name, item)| (name.as_str(), item)).collect()
}

/// A second item of the same name gets a number.
fn unique(items: Items) -> Items {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let numbered = |(name, item): (String, Map<String, Value>)| {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        (if *count == 1 { name } else { format!("{name} #{count}") }, item)
    };
    items.into_iter().map(numbered).collect()
}

fn object(facts: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(facts) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
