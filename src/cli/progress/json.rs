//! Progress as JSON Lines. README.md has every record; a key that is gone or means something else
//! needs another version.

use std::time::{Duration, Instant};

use airshipctl::error::Error;
use airshipctl::image::progress::{Event, Origin, Outcome};
use serde_json::{Value, json};

use super::model::{Change, Model};
use super::stages::{Stages, name};

const VERSION: u32 = 1;

/// Between two records about one layer.
const PAUSE: Duration = Duration::from_millis(100);

/// The line of a record, with its time in seconds since the program began.
pub fn line(mut record: Value, time: Duration) -> String {
    record["time"] = (time.as_millis() as f64 / 1000.0).into();
    format!("{record}\n")
}

pub fn start() -> Value {
    let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    json!({"type": "start", "version": VERSION, "program": program})
}

pub fn log(level: &str, source: &str, message: &str) -> Value {
    json!({"type": "log", "level": level, "source": source, "message": message})
}

pub fn error(error: &Error) -> Value {
    let (message, code) = (error.to_string(), error.kind().exit_code());
    json!({"type": "error", "message": message, "hint": error.hint_text(), "code": code})
}

pub fn end(code: u8) -> Value {
    json!({"type": "end", "code": code})
}

/// The record of an event; `change` is what it means for a row of the model.
pub fn record(
    event: &Event<'_>,
    model: &mut Model,
    change: Option<(usize, Change)>,
    now: Instant,
) -> Option<Value> {
    match *event {
        Event::Begin(stage) => Some(json!({"type": "stage", "stage": name(stage), "state": "begin"})),
        Event::End(stage, outcome) => {
            Some(json!({"type": "stage", "stage": name(stage), "state": ended(outcome)}))
        }
        Event::Image { reference, image } => {
            let layer =
                |layer: &airshipctl::image::layer::Layer| json!({"digest": layer.digest, "size": layer.size});
            Some(json!({
                "type": "image",
                "reference": reference.to_string(),
                "digest": image.manifest_digest,
                "platform": image.platform().to_string(),
                "size": model.size(),
                "layers": image.layers.iter().map(layer).collect::<Vec<_>>(),
            }))
        }
        Event::Layer(arrival) => {
            let (at, change) = change?;
            let state = worth_telling(model, at, change, now)?;
            let (digest, size) = (&arrival.layer.digest, arrival.layer.size);
            let bytes = model.rows.get(at)?.have();
            Some(json!({"type": "download", "digest": digest, "state": state, "bytes": bytes, "size": size}))
        }
        Event::Unpack { number, layer, bytes } => {
            let (at, change) = change?;
            let state = worth_telling(model, at, change, now)?;
            let (digest, size) = (&layer.digest, layer.size);
            Some(json!({
                "type": "unpack", "layer": number, "digest": digest, "state": state, "bytes": bytes, "size": size,
            }))
        }
        Event::Rootfs { path, mapping, origin } => Some(json!({
            "type": "rootfs",
            "path": path.to_string_lossy(),
            "mapping": mapping.to_string(),
            "origin": match origin { Origin::Made => "made", Origin::Reused => "reused" },
        })),
    }
}

/// The state of a layer in its record; `None` for an advance too soon after the last one.
fn worth_telling(model: &mut Model, at: usize, change: Change, now: Instant) -> Option<&'static str> {
    let [download, unpack] = &mut model.rows.get_mut(at)?.told;
    let (told, state) = match change {
        Change::Begun => (download, "begin"),
        Change::Advanced => (download, "advance"),
        Change::Verified => (download, "verified"),
        Change::Present => (download, "present"),
        Change::UnpackBegun => (unpack, "begin"),
        Change::UnpackAdvanced => (unpack, "advance"),
        Change::Unpacked => (unpack, "done"),
    };
    let is_due = state != "advance" || told.is_none_or(|told| now.duration_since(told) >= PAUSE);
    is_due.then(|| {
        *told = Some(now);
        state
    })
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
    }
}

/// How long the stages took, in seconds.
pub fn timings(stages: &Stages, now: Instant) -> Value {
    let seconds = |time: Duration| time.as_millis() as f64 / 1000.0;
    let row = |(stage, time, outcome): (_, _, Option<_>)| {
        let state = outcome.map_or("begin", ended);
        json!({"stage": name(stage), "seconds": seconds(time), "state": state})
    };
    json!({
        "type": "timings",
        "stages": stages.times(now).into_iter().map(row).collect::<Vec<_>>(),
        "overlap": seconds(stages.overlap()),
        "total": seconds(stages.total(now)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{arrival, layer};
    use super::*;
    use airshipctl::error::ErrorKind;
    use airshipctl::image::arrival::State;

    #[test]
    fn records_are_one_line_each_with_type_and_time() {
        let said = line(log("info", "builder", "a\n\u{1b}[2J"), Duration::from_micros(1_234_567));
        assert_eq!(
            said,
            "{\"type\":\"log\",\"level\":\"info\",\"source\":\"builder\",\"message\":\"a\\n\\u001b[2J\",\"time\":1.234}\n"
        );
        let error = error(&Error::new(ErrorKind::Image, "no").hint("do"));
        assert_eq!(error, json!({"type": "error", "message": "no", "hint": "do", "code": 4}));
    }

    #[test]
    fn advances_are_told_ten_times_a_second_at_most_and_ends_always() {
        let layer = layer("aa", 10_000);
        let mut model = Model::of(std::slice::from_ref(&layer));
        let start = Instant::now();
        let mut states = Vec::new();
        let mut tell = |ms: u64, bytes, state| {
            let now = start + Duration::from_millis(ms);
            let arrival = arrival(&layer, bytes, state);
            let change = model.arrived(arrival, now);
            let record = record(&Event::Layer(arrival), &mut model, change, now);
            states.extend(
                record.map(|record| (record["state"].as_str().unwrap().to_owned(), record["bytes"].clone())),
            );
        };
        for ms in 0..300 {
            tell(ms, ms * 10, State::Growing);
        }
        tell(300, 10_000, State::Checked);
        let told: Vec<_> =
            states.iter().map(|(state, bytes)| (state.as_str(), bytes.as_u64().unwrap())).collect();
        assert_eq!(told, [("begin", 0), ("advance", 1000), ("advance", 2000), ("verified", 10_000)]);
    }
}
