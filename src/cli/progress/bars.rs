//! What the bars look like: lines for a terminal of a given size.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::model::{Download, Model, Row};
use super::units;

/// The rate is that of the last seconds, so that it follows a network that changes.
const WINDOW: Duration = Duration::from_secs(5);
/// Longer bars tell no more.
const LONGEST: usize = 40;
/// Shorter bars tell nothing.
const SHORTEST: usize = 5;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// How fast the whole has come along lately.
#[derive(Default)]
pub struct Pace {
    samples: VecDeque<(Instant, u64)>,
    measures: Measure,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Measure {
    #[default]
    Download,
    Unpack,
}

impl Pace {
    /// Looks at the model; to be called before its lines are drawn.
    pub fn look(&mut self, model: &Model, now: Instant) {
        let (measures, done) = match model.have() < model.size() {
            true => (Measure::Download, model.have()),
            false => (Measure::Unpack, model.unpacked()),
        };
        let fell = self.samples.back().is_some_and(|(_, before)| done < *before);
        if measures != self.measures || fell {
            self.samples.clear();
        }
        self.measures = measures;
        self.samples.push_back((now, done));
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    fn rate(&self) -> Option<u64> {
        let ((first, from), (last, to)) = (self.samples.front()?, self.samples.back()?);
        units::rate(to - from, last.duration_since(*first))
    }

    /// Rate and time left, as far as they are known.
    fn text(&self, model: &Model) -> String {
        let Some(rate) = self.rate() else { return String::new() };
        let done = self.samples.back().map_or(0, |(_, done)| *done);
        let left = model.size().saturating_sub(done).div_ceil(rate);
        format!("  {}/s  ETA {}", units::size(rate), units::clock(left))
    }
}

/// One line for each layer, or for those under way where the terminal is too low for all, and one
/// for the whole. No line is as wide as the terminal, so none wraps.
pub fn lines(model: &Model, pace: &Pace, size: Size) -> Vec<String> {
    let width = size.columns.saturating_sub(1);
    // a row is left for the cursor, one for what was said before
    let room = size.rows.saturating_sub(3).max(1);
    let shown: Vec<&Row> = match model.rows.len() <= room {
        true => model.rows.iter().collect(),
        false => model.rows.iter().filter(|row| is_active(row)).take(room).collect(),
    };
    let hidden = shown.len() < model.rows.len();
    let mut lines: Vec<_> = shown.into_iter().map(|row| layer(row, width)).collect();
    lines.push(total(model, pace, hidden, width));
    lines
}

fn is_active(row: &Row) -> bool {
    let unpacking = row.unpacked.is_some() && !row.is_unpacked();
    matches!(row.download, Download::Growing { .. }) || unpacking
}

fn layer(row: &Row, width: usize) -> String {
    let state = match row.download {
        Download::Waiting => "waiting",
        Download::Growing { .. } => "",
        _ if row.is_unpacked() => "unpacked",
        _ if row.unpacked.is_some() => "unpacking",
        Download::Verified => "verified",
        Download::Present => "in the cache",
    };
    let done = (row.have(), row.unpacked.unwrap_or(0));
    line(row.short(), done, row.size, &format!("  {state}"), width)
}

fn total(model: &Model, pace: &Pace, hidden: bool, width: usize) -> String {
    let mut more = pace.text(model);
    if hidden {
        let had = model.rows.iter().filter(|row| row.is_had()).count();
        more += &format!("  {had} of {} layers", model.rows.len());
    }
    line("total", (model.have(), model.unpacked()), model.size(), &more, width)
}

/// What is unpacked is `#`, what is had `=`.
fn line(name: &str, (have, unpacked): (u64, u64), size: u64, more: &str, width: usize) -> String {
    let numbers = format!("{:>8} / {:>8}", units::size(have), units::size(size));
    // the widest of what may follow, so that bars do not jump
    let beside = 12 + 4 + numbers.len() + 24;
    let length = width.saturating_sub(beside).min(LONGEST);
    let text = match length {
        SHORTEST.. => format!("{name:<12} [{}] {numbers}{more}", bar(have, unpacked, size, length)),
        _ => format!("{name:<12} {numbers}{more}"),
    };
    text.trim_end().chars().take(width).collect()
}

fn bar(have: u64, unpacked: u64, size: u64, length: usize) -> String {
    let cells = |part: u64| match size {
        0 => 0,
        _ => (u128::from(part.min(size)) * length as u128 / u128::from(size)) as usize,
    };
    let dark = cells(unpacked);
    let half = cells(have).saturating_sub(dark);
    format!("{}{}{}", "#".repeat(dark), "=".repeat(half), " ".repeat(length - dark - half))
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{arrival, layer};
    use super::*;
    use airshipctl::image::arrival::State;

    const WIDE: Size = Size { columns: 100, rows: 24 };

    fn model(now: Instant) -> Model {
        let layers = [layer("aa", 1_000_000), layer("bb", 3_000_000), layer("cc", 0)];
        let mut model = Model::of(&layers);
        model.arrived(arrival(&layers[0], 1_000_000, State::Checked), now);
        model.unpacking(&layers[0], 500_000);
        model.arrived(arrival(&layers[1], 1_500_000, State::Growing), now);
        model
    }

    #[test]
    fn bars_show_what_is_had_and_what_is_unpacked() {
        let now = Instant::now();
        let lines = lines(&model(now), &Pace::default(), WIDE);
        assert_eq!(
            lines,
            [
                "aa0000000000 [####################====================]   1.0 MB /   1.0 MB  unpacking",
                "bb0000000000 [====================                    ]   1.5 MB /   3.0 MB",
                "cc0000000000 [                                        ]      0 B /      0 B  waiting",
                "total        [#####====================               ]   2.5 MB /   4.0 MB",
            ]
        );
    }

    #[test]
    fn the_whole_has_a_rate_and_a_time_left() {
        let start = Instant::now();
        let mut model = model(start);
        let mut pace = Pace::default();
        pace.look(&model, start);
        let layer = layer("bb", 3_000_000);
        model.arrived(arrival(&layer, 2_000_000, State::Growing), start);
        pace.look(&model, start + Duration::from_secs(1));
        let last = lines(&model, &pace, WIDE).pop().unwrap();
        assert!(last.ends_with("3.0 MB /   4.0 MB  500.0 kB/s  ETA 0:02"), "{last}");
        // a transfer that starts over has no negative rate
        model.arrived(arrival(&layer, 0, State::Growing), start);
        pace.look(&model, start + Duration::from_secs(2));
        assert!(!lines(&model, &pace, WIDE).pop().unwrap().contains("ETA"));
    }

    #[test]
    fn no_line_is_as_wide_as_the_terminal() {
        let model = model(Instant::now());
        for columns in 1..200 {
            for line in lines(&model, &Pace::default(), Size { columns, rows: 24 }) {
                assert!(line.chars().count() < columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_low_terminal_has_only_the_active_layers() {
        let layers: Vec<_> = (0..40).map(|number| layer(&format!("{number:02}"), 100)).collect();
        let mut model = Model::of(&layers);
        for number in [0, 1] {
            model.arrived(arrival(&layers[number], 100, State::Unchecked), Instant::now());
        }
        for number in [7, 9] {
            model.arrived(arrival(&layers[number], 50, State::Growing), Instant::now());
        }
        let lines = lines(&model, &Pace::default(), WIDE);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("07") && lines[1].starts_with("09"));
        assert!(lines[2].ends_with("2 of 40 layers"), "{}", lines[2]);
        for rows in 0..60 {
            let count = super::lines(&model, &Pace::default(), Size { columns: 80, rows }).len();
            assert!(count <= rows.max(4) - 2, "{rows}: {count}");
        }
    }
}
