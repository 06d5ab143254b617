//! Secrets taken out of a stream as it comes.

use super::SecretValues;

/// What stands where a secret stood.
const HIDDEN: &[u8] = b"***";

/// Filters one stream. What may be the beginning of a secret is held back until more has come, a
/// complete line never.
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
        let line = self.held.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // whatever begins before this has its end in what came
        let decided = self.held.bytes.len().saturating_sub(patterns.longest - 1);
        self.pass(line.max(decided))
    }

    /// The end of the stream: the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.pass(self.held.bytes.len())
    }

    /// Passes the first `cut` bytes on, without the secrets in them.
    fn pass(&mut self, cut: usize) -> Vec<u8> {
        let spans = self.spans();
        let Held { bytes, covered, is_hiding } = &mut self.held;
        let (mut shown, mut at) = (Vec::with_capacity(cut), 0);
        for &(start, end) in spans.iter().take_while(|(start, _)| *start < cut) {
            if start > at {
                shown.extend_from_slice(&bytes[at..start]);
                *is_hiding = false;
            }
            if !*is_hiding {
                shown.extend_from_slice(HIDDEN);
            }
            *is_hiding = true;
            at = end.min(cut);
            *covered = end.saturating_sub(cut);
        }
        if at < cut {
            shown.extend_from_slice(&bytes[at..cut]);
            (*is_hiding, *covered) = (false, 0);
        }
        bytes.drain(..cut);
        shown
    }

    /// Where the secrets are, in order, without overlaps.
    fn spans(&self) -> Vec<(usize, usize)> {
        let Some(patterns) = self.secrets.0.as_deref() else { return Vec::new() };
        let found = patterns.search.find_overlapping_iter(&self.held.bytes);
        let mut found: Vec<_> = found.map(|found| (found.start(), found.end())).collect();
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
