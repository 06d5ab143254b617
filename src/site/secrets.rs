//! The values that must not be seen: which of a site's bytes are secret, and a filter that takes them
//! out of a stream.
//!
//! A value is one that came from a Secret, or decodes from one, and opens something: passwords and
//! their hashes, keys, tokens, private halves of certificates; of at least [`LEAST`] bytes, since shorter
//! ones are words of every log. What is public (names, paths, certificates, public keys) stays readable.
//!
//! The set lives in this process alone: it is never written, and no other process is told of it.

mod filter;
mod forms;
mod gather;
mod look;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::error::{Doing, ErrorKind, Result};
use crate::site::document::DocumentSet;

pub use filter::Filter;

/// Bytes of the shortest value that is filtered.
pub const LEAST: usize = 8;
/// Bytes of the longest pattern; longer values are several. What a filter holds back is shorter.
const LONGEST: usize = 512;
/// Bytes of all patterns. The search takes some fifty times as much while it is made.
const MOST: usize = 1 << 20;

/// Secret values in all their forms. Found once; clones share them.
#[derive(Clone, Default)]
pub struct SecretValues(Option<Arc<Patterns>>);

/// What is looked for: no pattern has a line break, so that none crosses from line to line.
struct Patterns {
    search: AhoCorasick,
    longest: usize,
    count: usize,
}

/// A count and nothing else.
impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret patterns", self.len())
    }
}

/// Whether what stands under a key of this name is secret, going by the name alone.
pub fn is_secret_key(name: &str) -> bool {
    look::key(name) == look::KeyLook::Secret
}

impl SecretValues {
    /// The values in `files`, which is what the builder gets, and in all of the site's Secrets.
    ///
    /// Errors: [`ErrorKind::Internal`] where no search can be made for them.
    pub fn gather(documents: &DocumentSet, files: &[&[u8]]) -> Result<Self> {
        let first = gather::of_files(files);
        let others = gather::of_secrets(documents);
        let others = others.difference(&first).cloned().collect();
        Self::of([first, others])
    }

    /// Should they be too many, the last ones are left out.
    fn of(patterns: [BTreeSet<Vec<u8>>; 2]) -> Result<Self> {
        let mut room = MOST;
        let fits = |pattern: &Vec<u8>| {
            room = room.saturating_sub(pattern.len());
            room > 0
        };
        let all: usize = patterns.iter().map(BTreeSet::len).sum();
        let patterns: Vec<Vec<u8>> = patterns.into_iter().flatten().take_while(fits).collect();
        if patterns.len() < all {
            tracing::warn!("the documents hold more secrets than are filtered from the builder's output");
        }
        let Some(longest) = patterns.iter().map(Vec::len).max() else { return Ok(Self::default()) };
        // overlapping ones are all found, and hidden from the first byte to the last
        let mut search = AhoCorasick::builder();
        search.match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA));
        let search = search.build(&patterns);
        let search = search.doing(ErrorKind::Internal, || "preparing to filter secrets".into())?;
        Ok(Self(Some(Arc::new(Patterns { search, longest, count: patterns.len() }))))
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |patterns| patterns.count)
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A filter for one stream.
    pub fn filter(&self) -> Filter {
        Filter::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
