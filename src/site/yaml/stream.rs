//! From bytes to documents: encodings, limits, and going on after a broken document.

use serde_yaml::granit_parser::{Event, Parser, ScanError, StrInput};

use super::compose::{Composer, Trouble};
use super::{Dialect, Mark, Node, Origin};
use crate::error::Fault;

/// Largest input, in bytes. The largest rendered document models known are a few megabytes; a tree takes
/// about six times as much memory as its text, so that this keeps it below a gigabyte.
pub const MAX_BYTES: usize = 128 << 20;
/// Deepest nesting; deeper trees would overflow the stack when they are walked or dropped.
pub const MAX_DEPTH: usize = 128;
/// Most nodes of everything read with one [`Budget`]: those of 128 MiB of ordinary documents, not of as
/// much of `- a`.
pub const MAX_NODES: usize = 8_000_000;
/// Most nodes that aliases may add to those that were written.
pub const MAX_COPIED_NODES: usize = 2_000_000;
/// Most bytes of text that aliases may add.
pub(super) const MAX_COPIED_TEXT: usize = 64 << 20;
/// A stream that is garbage throughout shall not fill the terminal.
const MAX_FAULTS: usize = 20;

/// What may still be read; shared by all files of one input, so that many small ones cannot do
/// what one large one cannot.
#[derive(Debug)]
pub struct Budget {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    /// What anchors and aliases duplicate: the memory that a YAML bomb takes.
    pub(super) copied_nodes: usize,
    pub(super) copied_text: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            nodes: MAX_NODES,
            bytes: MAX_BYTES,
            copied_nodes: MAX_COPIED_NODES,
            copied_text: MAX_COPIED_TEXT,
        }
    }
}

impl Budget {
    /// Takes what copies cost: values, and bytes of text. `None` if that is more than there is.
    pub fn pay(&mut self, nodes: usize, text: usize) -> Option<()> {
        self.copied_nodes = self.copied_nodes.checked_sub(nodes)?;
        self.copied_text = self.copied_text.checked_sub(text)?;
        Some(())
    }
}

/// The documents of one file, numbered from 1 as they stand in the file; empty ones are left out
/// but counted.
pub type Numbered = Vec<(usize, Node)>;

/// Parses a stream of documents. Whatever is wrong is added to `faults`; the documents that could
/// be read are returned, so that their faults can be reported too.
pub fn parse(origin: &Origin, bytes: &[u8], budget: &mut Budget, faults: &mut Vec<Fault>) -> Numbered {
    parse_as(Dialect::Kubernetes, origin, bytes, budget, faults)
}

/// As [`parse`], as `dialect` has it. For cloud-init, empty documents are returned too, and faults
/// that do not keep it from reading the text have the code `duplicate-key`.
pub fn parse_as(
    dialect: Dialect,
    origin: &Origin,
    bytes: &[u8],
    budget: &mut Budget,
    faults: &mut Vec<Fault>,
) -> Numbered {
    let text = match decode(bytes, budget) {
        Ok(text) => text,
        Err((mark, message)) => {
            let mark = Mark { source: origin.number(), ..mark };
            faults.push(origin.fault(mark, message));
            return Vec::new();
        }
    };
    let mut stream = Stream {
        origin,
        dialect,
        offset: bytes.len() - text.len(),
        parser: Parser::new_from_str_with_options(text, options()),
        number: 0,
    };
    stream.documents(budget, faults)
}

/// The parser's own limits end a document before its events become ours.
fn options() -> serde_yaml::granit_parser::Options {
    serde_yaml::granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    }
}

/// The text without its byte order mark (YAML 1.2.2, 5.2), or what is wrong with the encoding.
fn decode<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<&'a str, (Mark, String)> {
    let start = Mark::new(1, 1);
    budget.bytes = budget.bytes.checked_sub(bytes.len()).ok_or_else(|| (Mark::default(), too_large()))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((start, "is UTF-16; save it as UTF-8".into()));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (mark_after(&bytes[..error.valid_up_to()]), "is not UTF-8".to_owned()))?;
    match text.find('\0') {
        Some(at) => Err((mark_after(&bytes[..at]), "holds a NUL byte; is it a YAML file?".into())),
        None => Ok(text),
    }
}

/// The place of what follows these bytes.
fn mark_after(good: &[u8]) -> Mark {
    let good = String::from_utf8_lossy(good);
    let line = good.matches('\n').count() + 1;
    let column = good.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    Mark::new(line, column)
}

/// The fault of an input that exceeds [`MAX_BYTES`].
pub fn too_large() -> String {
    format!("is larger than {} MiB", MAX_BYTES >> 20)
}

struct Stream<'a> {
    origin: &'a Origin,
    dialect: Dialect,
    /// Length of the byte order mark, which spans of nodes have to count.
    offset: usize,
    parser: Parser<'a, StrInput<'a>>,
    /// Documents begun so far, empty ones included.
    number: usize,
}

impl Stream<'_> {
    /// All documents; after a broken one the parser goes on at the next `---`.
    fn documents(&mut self, budget: &mut Budget, faults: &mut Vec<Fault>) -> Numbered {
        let mut documents = Vec::new();
        let limit = faults.len() + MAX_FAULTS;
        loop {
            match self.next_document(budget, faults) {
                Ok(Some(root)) if root.is_null() && self.dialect == Dialect::Kubernetes => {}
                Ok(Some(root)) => documents.push((self.number, root)),
                Ok(None) => return documents,
                Err(trouble) => {
                    let fatal = trouble.fatal || faults.len() >= limit;
                    let mark = Mark { source: self.origin.number(), ..trouble.mark };
                    faults.push(self.here().fault(mark, trouble.message));
                    if fatal || !matches!(self.parser.proceed_next_document(), Ok(true)) {
                        return documents;
                    }
                }
            }
        }
    }

    /// The origin of the document that is being read.
    fn here(&self) -> Origin {
        match self.origin.is_stream() {
            true => self.origin.document(self.number.max(1)),
            false => self.origin.clone(),
        }
    }

    /// The next document's tree; `None` at the end of the stream.
    fn next_document(
        &mut self,
        budget: &mut Budget,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<Node>, Trouble> {
        loop {
            match self.parser.next_event() {
                None | Some(Ok((Event::StreamEnd, _))) => return Ok(None),
                Some(Ok((Event::DocumentStart(..), _))) => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.number += 1;
                    return Err(scan_trouble(&error));
                }
            }
        }
        self.number += 1;
        let mut composer = Composer::new(self.here(), self.dialect, self.offset, budget, faults);
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Err(Trouble::new(Mark::default(), "ends within a document")),
                Some(Err(error)) => return Err(scan_trouble(&error)),
                Some(Ok(next)) => next,
            };
            if matches!(event, Event::DocumentEnd) {
                return Ok(Some(composer.root()));
            }
            composer.event(event, span)?;
        }
    }
}

/// The parser's messages are fixed texts and quote one character of the input at most.
fn scan_trouble(error: &ScanError) -> Trouble {
    let mark = Mark::new(error.marker().line(), error.marker().col() + 1);
    let message = match error.kind() {
        serde_yaml::granit_parser::ErrorKind::RecursionLimitExceeded => {
            format!("is nested deeper than {MAX_DEPTH} levels")
        }
        serde_yaml::granit_parser::ErrorKind::UnexpectedCharacter { .. } => "unexpected character".into(),
        kind => kind.to_string(),
    };
    Trouble::new(mark, format!("not YAML: {message}"))
}
