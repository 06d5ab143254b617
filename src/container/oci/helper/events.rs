//! Log events of a helper, sent up the status pipe.
//!
//! libcontainer's returned errors drop their causes; its ERROR events have them, so those travel as
//! [`Level::Cause`]. Its forked children inherit the subscriber.

use std::fmt::{self, Write};
use std::fs::File;
use std::os::fd::AsFd;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::container::oci::protocol::{Level, Up, send};
use crate::error::{Doing, ErrorKind, Result};

struct Forward(File);

/// Makes `up` the destination of all log events of this process.
pub fn forward(up: &File) -> Result<()> {
    let own = up.as_fd().try_clone_to_owned().doing(ErrorKind::Internal, || "copying a pipe".into())?;
    tracing::subscriber::set_global_default(Forward(File::from(own)))
        .doing(ErrorKind::Internal, || "setting up the log".into())
}

fn level(metadata: &Metadata<'_>) -> Option<Level> {
    let ours = metadata.target().starts_with("airshipctl");
    match *metadata.level() {
        tracing::Level::ERROR if !ours => Some(Level::Cause),
        tracing::Level::ERROR | tracing::Level::WARN if ours => Some(Level::Warn),
        tracing::Level::INFO if ours => Some(Level::Info),
        tracing::Level::DEBUG if ours => Some(Level::Debug),
        _ => None,
    }
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level(metadata).is_some()
    }

    fn event(&self, event: &Event<'_>) {
        let Some(level) = level(event.metadata()) else { return };
        let mut text = Text::default();
        event.record(&mut text);
        // nowhere to report a failure to report
        let _ = send(&self.0, &Up::Log { level, message: text.0 });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// `message (name=value, …)`.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // writing to a string cannot fail
        let _ = match field.name() {
            "message" if self.0.is_empty() => write!(self.0, "{value:?}"),
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{fields}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
