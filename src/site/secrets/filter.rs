//! Secrets taken out of a stream as it comes.

use super::SecretValues;

/// What stands where a secret stood.
const HIDDEN: &[u8] = b"***";
/// An encoder's lines are longer, but for the last of a block.
const WRAPPED: usize = 32;

/// Filters one stream. What may be the beginning of a secret is held back until more has come: of a
/// complete line nothing, unless it ends as the lines do into which encoders wrap base64.
#[derive(Debug)]
pub struct Filter {
    secrets: SecretValues,
    held: Held,
}

/// The end of what came, not passed on yet.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// How many of the first of them belong to a secret.
    covered: usize,
    /// Whether the last that was passed on stands for a secret, which goes on in `bytes`.
    is_hiding: bool,
    /// How many characters of base64 were passed on last, on the line that goes on in `bytes`.
    run: usize,
}

/// A count: they may be half a secret.
impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl Filter {
    pub(super) fn new(secrets: SecretValues) -> Self {
        Self { secrets, held: Held::default() }
    }

    /// Takes what came, and returns what can be shown of it.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(patterns) = self.secrets.0.as_deref() else { return bytes.to_vec() };
        self.held.bytes.extend_from_slice(bytes);
        // twice, for the line breaks and the indentation in what is wrapped
        let decided = self.held.bytes.len().saturating_sub(2 * patterns.longest + WRAPPED);
        self.pass(self.held.whole_lines().max(decided))
    }

    /// The end of the stream: the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.pass(self.held.bytes.len())
    }

    /// Passes the first `cut` bytes on, without the secrets in them.
    fn pass(&mut self, cut: usize) -> Vec<u8> {
        if cut == 0 {
            return Vec::new();
        }
        let spans = self.spans();
        let held = &mut self.held;
        let (mut shown, mut at) = (Vec::with_capacity(cut), 0);
        held.covered = 0;
        for &(start, end) in spans.iter().take_while(|(start, _)| *start < cut) {
            if start > at {
                shown.extend_from_slice(&held.bytes[at..start]);
                held.is_hiding = false;
            }
            if !held.is_hiding {
                shown.extend_from_slice(HIDDEN);
            }
            held.is_hiding = true;
            at = end.min(cut);
            held.covered = end - at;
        }
        if at < cut {
            shown.extend_from_slice(&held.bytes[at..cut]);
            held.is_hiding = false;
        }
        held.run = held.run_before(0, cut);
        held.bytes.drain(..cut);
        shown
    }

    /// Where the secrets are, in order, without overlaps.
    fn spans(&self) -> Vec<(usize, usize)> {
        let Some(patterns) = self.secrets.0.as_deref() else { return Vec::new() };
        let found = patterns.search.find_overlapping_iter(&self.held.bytes);
        let mut found: Vec<_> = found.map(|found| (found.start(), found.end())).collect();
        if let Some((joined, places)) = self.held.joined() {
            let across = patterns.search.find_overlapping_iter(&joined);
            found.extend(across.map(|across| (places[across.start()], places[across.end() - 1] + 1)));
        }
        if self.held.covered > 0 {
            found.push((0, self.held.covered));
        }
        found.sort_unstable();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (start, end) in found {
            match spans.last_mut() {
                // those that touch are one: how many secrets there were is nobody's business
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => spans.push((start, end)),
            }
        }
        spans
    }
}

impl Held {
    /// The end of the last complete line that no other continues.
    fn whole_lines(&self) -> usize {
        let (mut start, mut whole) = (0, 0);
        for (at, _) in self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            if !self.is_wrapped(start, at) {
                whole = at + 1;
            }
            start = at + 1;
        }
        whole
    }

    /// Whether the line between these places may go on in the next one.
    fn is_wrapped(&self, start: usize, end: usize) -> bool {
        let end = end - usize::from(end > start && self.bytes[end - 1] == b'\r');
        self.run_before(start, end) >= WRAPPED
    }

    /// How many characters of base64 end at `end`, on a line that begins at `start`.
    fn run_before(&self, start: usize, end: usize) -> usize {
        let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        let run = self.bytes[start..end].iter().rev().take_while(is_base64).count();
        let before = if start == 0 && run == end { self.run } else { 0 };
        before + run
    }

    /// The text with wrapped lines joined, and where each of its bytes stands; `None` where none is
    /// wrapped.
    fn joined(&self) -> Option<(Vec<u8>, Vec<usize>)> {
        let (mut joined, mut places) = (Vec::new(), Vec::new());
        let (mut start, mut is_any) = (0, false);
        let mut at = 0;
        while at < self.bytes.len() {
            let end = self.bytes[at..].iter().position(|byte| *byte == b'\n').map(|length| at + length);
            let stop = end.map_or(self.bytes.len(), |end| end + 1);
            let is_wrapped = end.is_some_and(|end| self.is_wrapped(start, end));
            // of a wrapped line without its end, and the next one without its indentation
            let upto = if is_wrapped { self.text_end(at, stop) } else { stop };
            joined.extend_from_slice(&self.bytes[at..upto]);
            places.extend(at..upto);
            is_any |= is_wrapped;
            (start, at) = (stop, stop);
            while is_wrapped && self.bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                at += 1;
            }
        }
        is_any.then_some((joined, places))
    }

    /// Where the line that stops at `stop` has its last character.
    fn text_end(&self, start: usize, stop: usize) -> usize {
        let end = self.bytes[start..stop].iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        end.map_or(start, |last| start + last + 1)
    }
}
