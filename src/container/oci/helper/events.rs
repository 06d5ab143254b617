//! Log events of a helper, sent up the status pipe.
//!
//! libcontainer's returned errors drop their causes; its ERROR events have them, so those travel as
//! [`Level::Cause`]. Its forked children inherit the subscriber.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;

use nix::errno::Errno;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::container::oci::protocol::{Level, Up, send};
use crate::error::{Doing, Error, ErrorKind, Result};

struct Forward(File);

/// Makes `up` the destination of all log events of this process.
pub fn forward(up: &File) -> Result<()> {
    let own = up.as_fd().try_clone_to_owned().doing(ErrorKind::Internal, || "copying a pipe".into())?;
    tracing::subscriber::set_global_default(Forward(File::from(own)))
        .doing(ErrorKind::Internal, || "setting up the log".into())
}

/// The error for an operation of libcontainer, whose own chain of "failed to …" is only the last of
/// the causes: what was said first, where it failed, lies deepest and names things.
pub fn explained_by_events(up: &File, doing: &str, error: &dyn std::error::Error) -> Error {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    chain.dedup();
    let message = readable(&chain.join(": "));
    // nowhere to report a failure to report
    let _ = send(up, &Up::Log { level: Level::Cause, message });
    Error::new(ErrorKind::Builder, doing)
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
        let message = if level == Level::Cause { readable(&text.whole()) } else { text.whole() };
        let _ = send(&self.0, &Up::Log { level, message });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// `message: error (name=value, …)`.
#[derive(Default)]
struct Text {
    message: String,
    error: String,
    fields: Vec<String>,
}

impl Text {
    fn whole(self) -> String {
        let fields =
            if self.fields.is_empty() { String::new() } else { format!(" ({})", self.fields.join(", ")) };
        format!("{}{fields}{}", self.message, self.error)
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            // as libcontainer calls them; the kernel's answer is all that counts in their Debug form
            "err" | "e" | "error" | "ret" => {
                let text = format!("{value:?}");
                let said = || text.rsplit('"').nth(1).unwrap_or(&text);
                self.error =
                    format!(": {}", errnos(&text).last().map_or_else(said, |(_, errno)| errno.desc()));
            }
            name => self.fields.push(format!("{name}={value:?}")),
        }
    }
}

/// Without Rust's names of things: errors in the kernel's words, and mounts by where they go.
fn readable(text: &str) -> String {
    let mut text = match text.strip_prefix("failed to ") {
        Some(rest) => format!("cannot {rest}"),
        None => text.to_owned(),
    };
    while let Some(start) = text.find("Mount { destination: ") {
        let Some(end) = text[start..].find(" }").map(|end| start + end + 2) else { break };
        let mount = &text[start..end];
        let destination = mount.split('"').nth(1).unwrap_or("something").to_owned();
        text.replace_range(start..end, &destination);
    }
    for (name, errno) in errnos(&text) {
        for form in [format!("{name}: {}", errno.desc()), format!("Nix({name})"), name] {
            text = text.replace(&form, errno.desc());
        }
    }
    text
}

/// The kernel's errors that a text names by their symbols, such as `ENOENT`.
fn errnos(text: &str) -> Vec<(String, Errno)> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.starts_with('E'));
    let known = |word: &str| (1..134).map(Errno::from_raw).find(|errno| format!("{errno:?}") == word);
    words.filter_map(|word| Some((word.to_owned(), known(word)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_answers_are_in_its_words() {
        for (text, wanted) in [
            ("failed to chdir: ENOENT", "cannot chdir: No such file or directory"),
            ("x: ENOENT: No such file or directory", "x: No such file or directory"),
            ("mounting: Nix(EPERM)", "mounting: Operation not permitted"),
            ("EVERYTHING is well", "EVERYTHING is well"),
            (
                "failed to mount Mount { destination: \"/config\", typ: Some(\"bind\"), options: None }: EINVAL",
                "cannot mount /config: Invalid argument",
            ),
        ] {
            assert_eq!(readable(text), wanted);
        }
    }
}
