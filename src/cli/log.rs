//! Log events, on their way to standard error.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::progress::{self, Console};

/// How much to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Debug,
}

struct Terminal(Level, Console);

/// Sends the log events of this process to the owner of standard error.
pub fn to_console(level: Level, console: Console) {
    // fails only when it was done before, and this process does it once
    let _ = tracing::subscriber::set_global_default(Terminal(level, console));
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
        let level = match (*event.metadata().level(), event.metadata().target()) {
            (_, "airshipctl::builder") => progress::Level::Builder,
            (tracing::Level::WARN | tracing::Level::ERROR, _) => progress::Level::Warning,
            (tracing::Level::DEBUG, _) => progress::Level::Debug,
            _ => progress::Level::Info,
        };
        self.1.log(level, &message.0);
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
