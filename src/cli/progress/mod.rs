//! Standard error and its one owner: log events, progress, timings and the last error, as bars,
//! lines or JSON.

mod bars;
mod json;
mod model;
mod plain;
mod screen;
mod stages;
mod units;

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airshipctl::error::{Error, Result};
use airshipctl::image::progress::{Event, Outcome, Progress, Stage};
use clap::ValueEnum;

use self::bars::{Pace, Size};
use self::model::{Change, Model};
use self::screen::Screen;
use self::stages::Stages;

/// Between two drawings of the bars. What is over sooner has none, so nothing flickers.
const PAUSE: Duration = Duration::from_millis(100);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    // bars on a terminal, plain lines elsewhere; no docs here, which clap would make into a long list
    Auto,
    // a line for each layer's begin and end
    Plain,
    // standard error is JSON Lines, log and error too
    Json,
    // nothing but the log
    None,
}

/// Whether a table of the stages ends it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timings {
    Off,
    On,
}

/// What a log event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Builder,
    Warning,
    Info,
    Debug,
}

/// The owner of standard error. Clones are the same.
#[derive(Clone)]
pub struct Console(Arc<Shared>);

struct Shared {
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    view: View,
    model: Model,
    /// Stages that have bars and are under way.
    active: usize,
    /// For `--debug`.
    stages: Option<Stages>,
}

enum View {
    None,
    Plain,
    Json,
    Bars { screen: Screen, pace: Pace },
}

impl Console {
    pub fn new(form: Form, timings: Timings) -> Self {
        let start = Instant::now();
        let stages = (timings == Timings::On).then(|| Stages::new(start));
        let state = State { view: View::of(form), model: Model::default(), active: 0, stages };
        let console = Self(Arc::new(Shared { start, state: Mutex::new(state), changed: Condvar::new() }));
        let mut state = console.0.lock();
        if matches!(state.view, View::Json) {
            state.record(json::start(), Duration::ZERO);
        }
        drop(state);
        console
    }

    pub fn log(&self, level: Level, message: &str) {
        let mut state = self.0.lock();
        if let View::Json = state.view {
            let (name, source) = match level {
                Level::Builder => ("debug", "builder"),
                Level::Warning => ("warning", "airshipctl"),
                Level::Info => ("info", "airshipctl"),
                Level::Debug => ("debug", "airshipctl"),
            };
            return state.record(json::log(name, source, message), self.0.start.elapsed());
        }
        let prefix = match level {
            Level::Builder => "builder| ",
            Level::Warning => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
        };
        state.say(&format!("{prefix}{message}\n"), Instant::now());
    }

    /// Whatever is said last: timings, and what went wrong. Nothing is drawn any more.
    pub fn finish(&self, result: &Result<u8>) {
        let (mut state, now) = (self.0.lock(), Instant::now());
        state.active = 0;
        self.0.changed.notify_all();
        let stages = state.stages.take().filter(|stages| !stages.is_empty());
        let time = self.0.start.elapsed();
        if let View::Json = state.view {
            let timings = stages.map(|stages| json::timings(&stages, now));
            let error = result.as_ref().err().map(json::error);
            let code = result.as_ref().map_or_else(|error| error.kind().exit_code(), |&code| code);
            let last = [timings, error, Some(json::end(code))];
            return last.into_iter().flatten().for_each(|record| state.record(record, time));
        }
        let timings = stages.map_or_else(String::new, |stages| stages.table(now));
        let error = result.as_ref().err().map_or_else(String::new, message);
        state.say(&format!("{timings}{error}"), now);
    }
}

fn message(error: &Error) -> String {
    match error.hint_text() {
        Some(hint) => format!("error: {error}\nhint: {hint}\n"),
        None => format!("error: {error}\n"),
    }
}

impl Progress for Console {
    fn note(&self, event: Event<'_>) {
        let (mut state, now) = (self.0.lock(), Instant::now());
        let change = state.learn(&event, now);
        match (&state.view, event) {
            (View::Json, _) => {
                if let Some(record) = json::record(&event, &mut state.model, change, now) {
                    state.record(record, now.duration_since(self.0.start));
                }
            }
            (View::Plain, Event::Rootfs { path, origin, .. }) => {
                state.say(&format!("{}\n", plain::rootfs(&path.to_string_lossy(), origin)), now);
            }
            (View::Plain, _) => {
                let line = change.and_then(|(at, change)| plain::line(&mut state.model, at, change, now));
                line.into_iter().for_each(|line| state.say(&format!("{line}\n"), now));
            }
            (View::Bars { .. }, Event::Begin(Stage::Download | Stage::Unpack)) if state.active == 1 => {
                draw_from_now_on(&self.0);
            }
            (View::Bars { .. }, Event::End(..)) if state.active == 0 => {
                state.say("", now);
                self.0.changed.notify_all();
            }
            _ => {}
        }
    }
}

impl Shared {
    /// A panic elsewhere is no reason to say nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws the bars until no stage has any, by a thread of its own: events only change the model,
/// and a transfer that stalls is seen to stall.
fn draw_from_now_on(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let drawing = move || {
        let mut state = shared.lock();
        loop {
            let waited = shared.changed.wait_timeout(state, PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.active == 0 {
                return;
            }
            state.say("", Instant::now());
        }
    };
    // without a thread there are no bars, and that is all
    let _ = std::thread::Builder::new().name("progress".into()).spawn(drawing);
}

impl State {
    /// Takes note of an event, and finds what it means for a row.
    fn learn(&mut self, event: &Event<'_>, now: Instant) -> Option<(usize, Change)> {
        match *event {
            Event::Begin(stage) => {
                self.stages.iter_mut().for_each(|stages| stages.begin(stage, now));
                self.active += usize::from(has_bars(stage));
            }
            Event::End(stage, outcome) => self.ended(stage, outcome, now),
            Event::Image { image, .. } => self.model = Model::of(&image.layers),
            Event::Layer(arrival) => return self.model.arrived(arrival, now),
            Event::Unpack { layer, bytes, .. } => return self.model.unpacking(layer, bytes),
            Event::Rootfs { .. } => {}
        }
        None
    }

    fn ended(&mut self, stage: Stage, outcome: Outcome, now: Instant) {
        self.stages.iter_mut().for_each(|stages| stages.end(stage, outcome, now));
        self.active = self.active.saturating_sub(usize::from(has_bars(stage)));
    }

    /// Writes text for people, above the bars if there are some.
    fn say(&mut self, text: &str, now: Instant) {
        let text = &harmless(text);
        let View::Bars { screen, pace } = &mut self.view else { return write(text) };
        let size = terminal_size().unwrap_or(Size { columns: 80, rows: 24 });
        let lines = match self.active {
            0 => Vec::new(),
            _ => {
                pace.look(&self.model, now);
                bars::lines(&self.model, pace, size)
            }
        };
        write(&screen.draw(text, &lines, size));
    }

    fn record(&mut self, record: serde_json::Value, time: Duration) {
        write(&json::line(record, time));
    }
}

/// Images, registries and builders have their words quoted; none of them may command the terminal
/// or turn the direction of writing (CVE-2021-42574).
fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => clean.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(character.escape_unicode()),
            _ if character.is_control() => clean.extend(character.escape_default()),
            _ => clean.push(character),
        }
    }
    clean
}

fn has_bars(stage: Stage) -> bool {
    matches!(stage, Stage::Download | Stage::Unpack)
}

impl View {
    fn of(form: Form) -> Self {
        match form {
            Form::Auto if can_have_bars() => Self::Bars { screen: Screen::default(), pace: Pace::default() },
            Form::Auto | Form::Plain => Self::Plain,
            Form::Json => Self::Json,
            Form::None => Self::None,
        }
    }
}

/// Bars need a cursor that can be moved, and a width. They have no colours, which `NO_COLOR` might
/// forbid.
fn can_have_bars() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb && terminal_size().is_some()
}

/// Asked each time, since it may have changed.
fn terminal_size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some(Size { columns, rows })
}

/// In one piece, so that what other processes write does not come between. A terminal that went
/// away is no reason to stop.
fn write(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_do_not_command_the_terminal() {
        assert_eq!(harmless("plain ü\n\ttext"), "plain ü\n\ttext");
        assert_eq!(harmless("\x1b[2J\r\u{7}"), "\\u{1b}[2J\\r\\u{7}");
        assert_eq!(harmless("\u{9b}31m\u{202e}"), "\\u{9b}31m\\u{202e}");
    }
}
