//! Progress as lines, for files and for terminals that can do no more.

use std::time::{Duration, Instant};

use airshipctl::image::progress::Origin;

use super::model::{Change, Download, Model, Row};
use super::units;

/// Between two lines about one layer.
const PAUSE: Duration = Duration::from_secs(10);

/// The line about a change, if it is worth one: a layer's begin and end, and every ten seconds how
/// far it is.
pub fn line(model: &mut Model, at: usize, change: Change, now: Instant) -> Option<String> {
    let count = model.rows.len();
    let row = model.rows.get_mut(at)?;
    let is_due = |told: &mut Option<Instant>| {
        let is_due = told.is_some_and(|told| now.duration_since(told) >= PAUSE);
        if is_due || told.is_none() {
            *told = Some(now);
        }
        is_due
    };
    let is_had = row.is_had();
    let [download, unpack] = &mut row.told;
    let size = units::size(row.size);
    let said = match change {
        Change::Begun => {
            *download = Some(now);
            begun(row, &size)
        }
        Change::Advanced if is_due(download) => advanced(row, &size, now),
        Change::Verified => format!("downloaded and verified ({size})"),
        Change::Present => format!("in the cache ({size})"),
        // while it is downloaded, the unpacker only follows
        Change::UnpackAdvanced if is_had && is_due(unpack) => {
            format!("unpacking, {} %", units::percent(row.unpacked.unwrap_or(0), row.size))
        }
        Change::Advanced | Change::UnpackBegun | Change::UnpackAdvanced | Change::Unpacked => return None,
    };
    Some(format!("layer {} of {count} {}: {said}", at + 1, row.short()))
}

fn begun(row: &Row, size: &str) -> String {
    match row.have() {
        0 => format!("downloading {size}"),
        have => format!("downloading {size}, {} of it are there", units::size(have)),
    }
}

fn advanced(row: &Row, size: &str, now: Instant) -> String {
    let rate = match row.download {
        Download::Growing { bytes, resumed, since } => {
            units::rate(bytes.saturating_sub(resumed), now.duration_since(since))
        }
        _ => None,
    };
    let rate = rate.map_or_else(String::new, |rate| format!(", {}/s", units::size(rate)));
    format!("{} % of {size}{rate}", units::percent(row.have(), row.size))
}

pub fn rootfs(path: &str, origin: Origin) -> String {
    match origin {
        Origin::Made => format!("unpacked into {path}"),
        Origin::Reused => format!("already unpacked in {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{arrival, layer};
    use super::*;
    use airshipctl::image::arrival::State;

    #[test]
    fn a_layer_has_a_line_at_its_begin_at_its_end_and_every_ten_seconds() {
        let layers = [layer("aa", 10_000_000), layer("bb", 5)];
        let mut model = Model::of(&layers);
        let start = Instant::now();
        let mut said = Vec::new();
        let mut tell = |seconds: u64, number: usize, bytes, state| {
            let now = start + Duration::from_secs(seconds);
            if let Some((at, change)) = model.arrived(arrival(&layers[number], bytes, state), now) {
                said.extend(line(&mut model, at, change, now));
            }
        };
        tell(0, 1, 5, State::Unchecked);
        tell(0, 0, 2_000_000, State::Growing);
        for second in 1..=25 {
            tell(second, 0, 2_000_000 + second * 100_000, State::Growing);
        }
        tell(26, 0, 10_000_000, State::Checked);
        assert_eq!(
            said,
            [
                "layer 2 of 2 bb0000000000: in the cache (5 B)",
                "layer 1 of 2 aa0000000000: downloading 10.0 MB, 2.0 MB of it are there",
                "layer 1 of 2 aa0000000000: 30 % of 10.0 MB, 100.0 kB/s",
                "layer 1 of 2 aa0000000000: 40 % of 10.0 MB, 100.0 kB/s",
                "layer 1 of 2 aa0000000000: downloaded and verified (10.0 MB)",
            ]
        );
    }
}
