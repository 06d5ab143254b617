//! What went wrong, for whom, and with which exit code the process ends.
//!
//! An [`Error`] is opaque: a kind, a chain of gerunds (`pulling x: fetching manifest: 401`), the
//! faults found (each with its place), and at most one hint. It crosses the helper protocol as JSON.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What class of thing failed; each has one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// A defect of this program, or an I/O error that nothing more precise describes.
    Internal,
    /// The command line, the configuration or the volume.
    Usage,
    /// The site's documents.
    Documents,
    /// The builder image was not had, or did not verify.
    Image,
    /// This host cannot run containers for this user.
    Host,
    /// The builder could not be started, failed or took too long.
    Builder,
    /// The builder left no output, or a wrong one.
    Output,
    /// Ended by the signal of this number.
    Interrupted(i32),
}

impl ErrorKind {
    /// The table of exit codes; README and `--help` quote it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Documents => 3,
            Self::Image => 4,
            Self::Host => 5,
            Self::Builder => 6,
            Self::Output => 7,
            Self::Interrupted(signal) => 128_u8.wrapping_add(signal as u8),
        }
    }
}

/// Where in the input a fault is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Path of the file as the user gave it; `-` for standard input.
    pub file: String,
    /// Number of the document in a multi-document stream, from 1.
    pub document: Option<usize>,
    /// Line in the file, from 1; 0 where only the file is known.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        match self.document {
            Some(number) => write!(f, " (document {number})"),
            None => Ok(()),
        }
    }
}

/// One thing that is wrong with an input; several are reported together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub at: Option<Position>,
    pub message: String,
    /// A short name for this kind of fault, the same in every release, for programs and for people who
    /// look it up.
    #[serde(default)]
    pub code: Option<Cow<'static, str>>,
}

impl Fault {
    pub fn new(at: impl Into<Option<Position>>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into(), code: None }
    }

    /// The same fault under a code.
    pub fn coded(self, code: &'static str) -> Self {
        Self { code: Some(Cow::Borrowed(code)), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.message)?;
        self.code.iter().try_for_each(|code| write!(f, " [{code}]"))
    }
}

/// An error with its kind, its chain of causes and, where the user can act, a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    chain: Vec<String>,
    faults: Vec<Fault>,
    hint: Option<String>,
    #[serde(default)]
    check: Option<String>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            chain: vec![message.into()],
            faults: Vec::new(),
            hint: None,
            check: None,
        }))
    }

    /// Wraps a foreign error with all its sources below the operation that met it.
    pub fn caused(
        kind: ErrorKind,
        doing: impl Into<String>,
        cause: &(dyn std::error::Error + 'static),
    ) -> Self {
        let mut error = Self::new(kind, doing);
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            // many crates repeat their source in their own message
            if error.0.chain.last().is_none_or(|last| !last.contains(&text)) {
                error.0.chain.push(text);
            }
            next = cause.source();
        }
        error
    }

    /// Several faults of one input, reported at once. `faults` is not empty.
    pub fn faults(kind: ErrorKind, doing: impl Into<String>, faults: Vec<Fault>) -> Self {
        let mut error = Self::new(kind, doing);
        error.0.faults = faults;
        error
    }

    /// Puts the operation that was under way in front.
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.0.chain.insert(0, doing.into());
        self
    }

    /// Puts a cause that came by another way at the end of the chain.
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        let cause = cause.into();
        if !self.0.chain.contains(&cause) {
            self.0.chain.push(cause);
        }
        self
    }

    /// Adds the way out; the innermost hint, nearest to the cause, stays.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// Adds a way out beside the one there is.
    pub fn further_hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.0.hint = Some(self.0.hint.map_or_else(|| hint.clone(), |first| format!("{first}; {hint}")));
        self
    }

    /// Says by which name `airshipctl doctor` lists what failed; the innermost, nearest to the cause,
    /// stays.
    pub fn of_check(mut self, name: impl Into<String>) -> Self {
        self.0.check.get_or_insert(name.into());
        self
    }

    pub fn check(&self) -> Option<&str> {
        self.0.check.as_deref()
    }

    /// The same error under another kind, for a caller that knows whose fault it is.
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub fn fault_list(&self) -> &[Fault] {
        &self.0.faults
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.chain.join(": "))?;
        match self.0.faults.as_slice() {
            [] => Ok(()),
            [only] => write!(f, ": {only}"),
            many => many.iter().try_for_each(|fault| write!(f, "\n  {fault}")),
        }
    }
}

impl std::error::Error for Error {}

/// Turns foreign errors into ours, naming the operation.
pub trait Doing<T> {
    fn doing(self, kind: ErrorKind, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::error::Error + 'static> Doing<T> for std::result::Result<T, E> {
    fn doing(self, kind: ErrorKind, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::caused(kind, doing(), &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_reads_from_the_operation_to_its_cause() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::caused(ErrorKind::Image, "writing blob", &io).context("pulling x");
        assert_eq!(error.to_string(), "pulling x: writing blob: disk on fire");
        assert_eq!(error.kind().exit_code(), 4);
    }

    #[test]
    fn several_faults_take_a_line_each() {
        let at = Position { file: "a.yaml".into(), document: Some(2), line: 3, column: 4 };
        let error = Error::faults(
            ErrorKind::Usage,
            "reading configuration",
            vec![Fault::new(at, "wrong"), Fault::new(None, "missing")],
        );
        assert_eq!(error.to_string(), "reading configuration\n  a.yaml:3:4 (document 2): wrong\n  missing");
    }

    #[test]
    fn the_innermost_hint_stays() {
        let error = Error::new(ErrorKind::Host, "x").hint("inner").hint("outer");
        assert_eq!(error.hint_text(), Some("inner"));
    }

    #[test]
    fn signals_end_with_128_plus_their_number() {
        assert_eq!(ErrorKind::Interrupted(15).exit_code(), 143);
        assert_eq!(ErrorKind::Interrupted(1).exit_code(), 129);
    }
}
