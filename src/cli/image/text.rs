//! Results of `airshipctl image` for people and for line-wise tools.

use std::fmt::Display;

use airshipctl::image::inspect::Inspected;
use airshipctl::image::prune::Pruned;
use airshipctl::image::store::{Listed, Loaded, Removed};
use airshipctl::image::verify::Report;

/// The name with the digest of the manifest that was used; an index's digest gives way to it.
pub fn pulled(image: &Loaded) -> String {
    let name = image.reference.split('@').next().unwrap_or_default();
    format!("{name}@{}\n", image.digest)
}

pub fn loaded(images: &[Loaded]) -> String {
    images.iter().map(|image| format!("{}@{}\n", image.reference, image.digest)).collect()
}

/// Names that are not in the `own` cache have that of their cache behind them.
pub fn listed(images: &[Listed], own: &str) -> String {
    let line = |image: &Listed| {
        let (platform, size) = (or_dash(image.platform.as_ref()), or_dash(image.size));
        let cache = if image.cache == own { String::new() } else { format!(" {}", visible(&image.cache)) };
        format!("{} {} {platform} {size}{cache}\n", visible(&image.reference), image.digest)
    };
    images.iter().map(line).collect()
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

pub fn inspected(image: &Inspected) -> String {
    let config = &image.config;
    let mut text = format!(
        "reference   {}\ncache       {}\ndigest      {}\nplatform    {}\ncreated     {}\nsize        {}\nchain id    {}\n",
        image.reference,
        visible(&image.cache),
        image.digest,
        image.platform,
        or_dash(image.created.as_ref().map(|created| visible(created))),
        image.size,
        image.chain_id
    );
    for (key, value) in [
        ("entrypoint", words(&config.entrypoint)),
        ("cmd", words(&config.cmd)),
        ("user", visible(&config.user)),
        ("workdir", visible(&config.working_dir)),
    ] {
        text += &format!("{key:<12}{value}\n");
    }
    config.env.iter().for_each(|variable| text += &format!("env         {}\n", visible(variable)));
    for layer in &image.layers {
        let missing = if layer.present { "" } else { " missing" };
        text += &format!("layer       {} {} {}{missing}\n", layer.digest, layer.media_type, layer.size);
    }
    for rootfs in &image.rootfs {
        text += &format!("rootfs      {} {} {}\n", rootfs.mapping, rootfs.state, rootfs.path);
    }
    text
}

/// An image, or an index that was copied here, says what it likes; it shall not steer the terminal.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn words(words: &[String]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ")
}

pub fn removed(images: &[Removed]) -> String {
    let line = |image: &Removed| {
        let others = match image.also_named.as_slice() {
            [] => String::new(),
            names => format!("; also named {}", names.join(", ")),
        };
        format!(
            "{}@{}: {} bytes stay shared, {} are for prune{others}\n",
            image.reference, image.digest, image.shared, image.unused
        )
    };
    images.iter().map(line).collect()
}

pub fn pruned(pruned: &Pruned) -> String {
    let left = pruned.left.iter();
    let left: String =
        left.map(|it| format!("left {}: {}\n  remove it: {}\n", it.path, it.reason, it.command)).collect();
    format!(
        "{left}freed {} bytes: {} blobs, {} partials, {} rootfs\n",
        pruned.bytes, pruned.blobs, pruned.partials, pruned.rootfs
    )
}

pub fn verified(report: &Report) -> String {
    let mut text = String::new();
    for fault in &report.faults {
        let state = serde_json::to_value(fault.damage.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().to_owned();
        let names = fault.references.join(", ");
        let why = visible(&format!("{} (of {names} in {})", fault.damage.reason, fault.cache));
        text += &format!("{state} {}: {why}\n", fault.damage.digest);
    }
    for fault in &report.rootfs {
        text += &format!("invalid {}: {}\n", fault.path, fault.reason);
    }
    report.repaired.iter().for_each(|thing| text += &format!("repaired {thing}\n"));
    format!("{text}verified {} names, {} blobs, {} bytes\n", report.names, report.blobs, report.bytes)
}
