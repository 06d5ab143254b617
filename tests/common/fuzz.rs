//! Inputs damaged by chance, the same again for the same seed: what fuzz tests share.
//!
//! ```text
//! let end = Instant::now() + for_seconds();
//! let mut rng = Rng::from_environment();
//! while Instant::now() < end {
//!     println!("AIRSHIP_FUZZ_SEED={}", rng.begin()); // shown if the test fails
//!     let input = mutate(SEEDS[rng.below(SEEDS.len())], &mut rng);
//!     ...
//! }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest input that mutations make, in bytes; grammars need no more, and time is short.
const LONGEST: usize = 64 << 10;

/// Words on which readers of YAML, of kustomizations and of networks have stumbled before.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "---\n", "...\n", "- ", ": ", "? ", "{", "}", "[", "]", ", ", "#", " #", "|\n", "|2-\n", ">+\n", "|9\n", "\"", "'",
    "\\", "\\x00", "\\ud800", "\t", "\r\n", "\r", "\u{feff}", "\u{85}", "\u{2028}", "\0", "\n", "\n\n", "  ", "&a ",
    "*a", "*a\n", "<<: *a\n", "<<: ", "!!binary ", "!!str ", "!!int ", "!", "!<x> ", "%YAML 1.1\n---\n", "@", "`", "~",
    "null", "true", "no", "0644", "0o17", "0x7fffffffffffffff", "1e999", "-.inf", ".nan", "1_000", "-0",
    "18446744073709551616", "12:30:45", "=", "2020-01-01", "../", "/", "..", ".", "//", "/dev/zero",
    "https://registry.example/x", "$(A)", "$$", "$patch: delete\n", "$patch: replace\n", "$patch: merge\n",
    "$retainKeys: [a]\n", "$setElementOrder/a: [b]\n", "$deleteFromPrimitiveList/a: [b]\n", "metadata:\n", "name: a\n",
    "namespace: b\n", "kind: List\n", "kind: Component\n", "items:\n", "resources:\n- .\n", "bases: [..]\n",
    "components: [.]\n", "patches:\n- patch: |-\n", "target: {name: '('}\n", "op: move\n", "path: /-\n",
    "path: /~2/a~1b/-1\n", "literals: [a=b, =, a]\n", "behavior: merge\n", "[name=a]", "*", "a.*", "([a-z]+)+$",
    "fieldPath: a.[b=c].0\n", "0.0.0.0/0", "::/0", "fe80::1%eth0", "255.255.255.255", "01:23:45:67:89:ab", "4095",
    "65536", "version: 2\n",
];

/// Numbers by chance, from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Begins at `$AIRSHIP_FUZZ_SEED`, else somewhere.
    pub fn from_environment() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        Self(setting("AIRSHIP_FUZZ_SEED").unwrap_or_else(now))
    }

    /// Begins at `$AIRSHIP_FUZZ_SEED`, else where it always does: for what another program judges, so
    /// that a difference between the two comes to light when one of them is changed and not by chance.
    #[allow(dead_code, reason = "not every test has a judge")]
    pub fn steady() -> Self {
        Self(setting("AIRSHIP_FUZZ_SEED").unwrap_or(1))
    }

    /// The seed that makes all that follows happen again.
    pub fn begin(&self) -> u64 {
        self.0
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// Whether a chance of one in `n` came up.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// How long a fuzz test runs: `$AIRSHIP_FUZZ_SECONDS`, 2 without it.
pub fn for_seconds() -> Duration {
    Duration::from_secs(setting("AIRSHIP_FUZZ_SECONDS").unwrap_or(2))
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

/// The seed with one to eight changes, more often few: to bytes, to words, and to whole lines, which in
/// YAML is where the structure is.
pub fn mutate(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let most = 1 + rng.below(8);
    for _ in 0..=rng.below(most) {
        match rng.below(10) {
            0 => flip(&mut bytes, rng),
            1 => cut(&mut bytes, rng),
            2 | 3 => word(&mut bytes, rng),
            4 => repeat(&mut bytes, rng),
            5 => indent(&mut bytes, rng),
            6 => value(&mut bytes, rng),
            _ => lines(&mut bytes, rng),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    if !bytes.is_empty() {
        let at = rng.below(bytes.len());
        bytes[at] = if rng.one_in(2) { rng.number() as u8 } else { bytes[at] ^ (1 << rng.below(8)) };
    }
}

fn cut(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let from = rng.below(bytes.len() + 1);
    let to = (from + rng.below(20)).min(bytes.len());
    if rng.one_in(8) { bytes.truncate(from) } else { drop(bytes.drain(from..to)) }
}

fn word(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.below(bytes.len() + 1);
    bytes.splice(at..at, WORDS[rng.below(WORDS.len())].bytes());
}

/// A piece many times over: depth, length and numbers of things.
fn repeat(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let from = rng.below(bytes.len() + 1);
    let to = (from + 1 + rng.below(16)).min(bytes.len());
    let most = if rng.one_in(8) { 13 } else { 5 };
    let times = 1 << rng.below(most);
    let piece = bytes[from..to].repeat(times);
    bytes.splice(to..to, piece);
}

/// What stands at `: ` in one line gives way to a word.
fn value(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let places: Vec<_> =
        bytes.windows(2).enumerate().filter(|(_, two)| two == b": ").map(|(at, _)| at + 2).collect();
    if !places.is_empty() {
        let from = places[rng.below(places.len())];
        let length = bytes[from..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - from);
        bytes.splice(from..from + length, WORDS[rng.below(WORDS.len())].trim_end().bytes());
    }
}

fn indent(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let starts = line_starts(bytes);
    let at = starts[rng.below(starts.len())];
    match bytes[at..].starts_with(b"  ") && rng.one_in(2) {
        true => drop(bytes.drain(at..at + 2)),
        false => drop(bytes.splice(at..at, *b"  ")),
    }
}

/// Some lines are removed, doubled, or moved elsewhere.
fn lines(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let starts = line_starts(bytes);
    let (first, count) = (rng.below(starts.len()), 1 + rng.below(4));
    let end = starts.get(first + count).copied().unwrap_or(bytes.len());
    let (kind, piece) = (rng.below(3), bytes[starts[first]..end].to_vec());
    if kind != 0 {
        bytes.drain(starts[first]..end);
    }
    if kind != 1 {
        let starts = line_starts(bytes);
        let at = starts[rng.below(starts.len())];
        bytes.splice(at..at, piece);
    }
}

fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}
