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

    /// Begins at `$AIRSHIP_JUDGE_SEED`, else where it always does: for what another program judges, so
    /// that a difference between the two comes to light when one of them is changed and not by chance.
    #[allow(dead_code, reason = "not every test has a judge")]
    pub fn steady() -> Self {
        Self(setting("AIRSHIP_JUDGE_SEED").unwrap_or(1))
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

/// What entries of Rock Ridge begin with, and what leads readers of sectors astray.
#[rustfmt::skip]
const ENTRIES: &[&[u8]] = &[
    b"SP\x07\x01\xbe\xef\x00", b"CE\x1c\x01", b"CE\x1c\x01\x17\0\0\0\0\0\0\x17\0\0\0\0\0\0\0\0\x1c\0\0\0\0\0\0\x1c",
    b"NM\x06\x01\x00/", b"NM\x05\x01\x01", b"NM\x05\x01\x04", b"NM\xff\x01", b"PX\x2c\x01", b"PX\x24\x01", b"SL\x05\x01\x01",
    b"SL\x07\x01\x00\x08\x00", b"SL\x09\x01\x00\x01\x02..", b"CL\x0c\x01", b"PL\x0c\x01", b"RE\x04\x01", b"ZF\x10\x01pz",
    b"SF\x15\x01", b"TF\x1a\x01\x8e", b"ER\x12\x01", b"ST\x04\x01", b"CD001", b"%/E", b"\x00", b"\xff", b"\x00\x00\x00\x00",
];

/// An image with one to eight changes, more often few, that know sectors of 2048 bytes and numbers that are there
/// in both byte orders. The length stays, unless it is cut off.
#[allow(dead_code, reason = "not every test has images")]
pub fn mutate_sectors(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let most = 1 + rng.below(8);
    for _ in 0..=rng.below(most) {
        let Some(at) = used(&bytes, rng) else { return bytes };
        match rng.below(12) {
            0 | 1 => {
                bytes[at] = if rng.one_in(2) { rng.number() as u8 } else { bytes[at] ^ (1 << rng.below(8)) }
            }
            2..=6 => both_orders(&mut bytes, rng),
            7 | 8 => overwrite(&mut bytes, at, ENTRIES[rng.below(ENTRIES.len())]),
            9 => {
                let piece = bytes[at..(at + 1 + rng.below(64)).min(bytes.len())].to_vec();
                let to = used(&bytes, rng).unwrap_or(at);
                overwrite(&mut bytes, to, &piece);
            }
            10 => sector(&mut bytes, rng),
            _ if rng.one_in(8) => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(if rng.one_in(2) { 1 } else { 255 }),
        }
    }
    bytes
}

/// A number that is there in both byte orders becomes another one, in both or in one of them.
fn both_orders(bytes: &mut [u8], rng: &mut Rng) {
    let Some(at) = used(bytes, rng).and_then(|from| pair(bytes, from)) else { return };
    let sectors = (bytes.len() / 2048) as u32;
    let old = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let new = match rng.below(8) {
        0 => 0,
        1 => u32::MAX,
        2 => 1 << rng.below(32),
        3 => old.wrapping_add(1),
        4 => old.wrapping_sub(1),
        5 => old.wrapping_mul(2048),
        _ => rng.below(sectors as usize + 2) as u32,
    };
    bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
    if !rng.one_in(8) {
        bytes[at + 4..at + 8].copy_from_slice(&new.to_be_bytes());
    }
}

/// A place by chance, at which something is: most of an image is empty, and changes there do nothing.
fn used(bytes: &[u8], rng: &mut Rng) -> Option<usize> {
    let sectors = bytes.len() / 2048;
    for _ in 0..1000 {
        let sector = if sectors > 0 { rng.below(sectors) * 2048 } else { 0 };
        let here = &bytes[sector..bytes.len().min(sector + 2048)];
        // descriptors have more of what is no structure than of what is
        let last = here.iter().take(200).rposition(|byte| *byte != 0);
        if let Some(last) = last {
            let end = here.iter().rposition(|byte| *byte != 0).unwrap_or(last);
            let end = if rng.one_in(2) { last } else { end };
            return Some(sector + rng.below(end + 1));
        }
    }
    None
}

/// The next number that is there in both byte orders.
fn pair(bytes: &[u8], from: usize) -> Option<usize> {
    let is_pair =
        |eight: &[u8]| eight.iter().any(|byte| *byte != 0) && (0..4).all(|at| eight[at] == eight[7 - at]);
    bytes[from..].windows(8).take(2048).position(is_pair).map(|at| from + at)
}

/// A sector becomes the same as another, or empty.
fn sector(bytes: &mut [u8], rng: &mut Rng) {
    let sectors = bytes.len() / 2048;
    if sectors > 0 {
        let (from, to) = (rng.below(sectors) * 2048, rng.below(sectors) * 2048);
        match rng.one_in(4) {
            true => bytes[to..to + 2048].fill(0),
            false => bytes.copy_within(from..from + 2048, to),
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, piece: &[u8]) {
    let length = piece.len().min(bytes.len() - at);
    bytes[at..at + length].copy_from_slice(&piece[..length]);
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
