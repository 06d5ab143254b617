//! Log events on the terminal's standard error.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// How much to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Debug,
}

struct Terminal(Level);

/// Sends the log events of this process to standard error.
pub fn to_terminal(level: Level) {
    // fails only when it was done before, and this process does it once
    let _ = tracing::subscriber::set_global_default(Terminal(level));
}

impl Subscriber for Terminal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most = match self.0 {
            Level::Info => tracing::Level::INFO,
            Level::Debug => tracing::Level::DEBUG,
        };
        metadata.target().starts_with("airshipctl") && *metadata.level() <= most
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let prefix = match (*event.metadata().level(), event.metadata().target()) {
            (_, "airshipctl::builder") => "builder| ",
            (tracing::Level::WARN | tracing::Level::ERROR, _) => "warning: ",
            (tracing::Level::DEBUG, _) => "debug: ",
            _ => "",
        };
        // a terminal that went away is no reason to stop
        let _ = writeln!(std::io::stderr().lock(), "{prefix}{}", message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // writing to a string cannot fail
            let _ = write!(self.0, "{value:?}");
        }
    }
}
