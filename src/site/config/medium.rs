//! What `builder` says about the medium, in keys that only the reference builder reads.
//!
//! Its own checks are in `scripts/builder/build_iso/values.py`. What they refuse is told here too, with its place,
//! before anything is pulled. Where YAML has several readings of a value, the builder alone decides.

use crate::error::Fault;
use crate::site::yaml::{Fields, Node};

/// Why a value is refused, and where: that of the key, or one in its list.
type Refusal<'a> = (&'a Node, &'static str);
type Check = fn(&Node) -> Option<Refusal<'_>>;

const CHECKS: [(&str, Check); 4] = [
    ("kernelArgs", kernel_arguments),
    ("console", consoles),
    ("label", label),
    ("sourceDateEpoch", source_date_epoch),
];

/// By these cloud-init would take the whole medium for a seed, beside the one that is on it.
const SEEDS: [&str; 2] = ["cidata", "config-2"];
/// The field has 32 bytes (ECMA-119, 8.4.7).
const LONGEST_LABEL: usize = 32;
/// `COMMAND_LINE_SIZE` of x86 and arm64; the image's own arguments count too, and are not known here.
const COMMAND_LINE: usize = 2048;

/// What it refuses, at most one fault for each key. No message shows a value: kernel arguments may be secret.
pub(super) fn refused(builder: &Fields<'_>) -> Vec<Fault> {
    let fault = |(key, check): (&str, Check)| {
        let (node, why) = check(builder.get(key)?)?;
        let message = format!("`{}`: the reference builder refuses it; expected {why}", builder.path(key));
        Some(builder.fault(node, message).coded("medium-option"))
    };
    CHECKS.into_iter().filter_map(fault).collect()
}

/// A list of words, or a string of words with white space between them.
fn words(node: &Node) -> Result<Vec<(&Node, &str)>, Refusal<'_>> {
    if let Some(text) = node.string() {
        return Ok(text.split_whitespace().map(|word| (node, word)).collect());
    }
    let items = node.items().ok_or((node, "a string, or a list of strings"))?;
    let word = |item| Node::string(item).filter(|word| !word.is_empty()).map(|word| (item, word));
    items
        .iter()
        .map(|item| word(item).ok_or((item, "a string; what is read as anything else in quotes")))
        .collect()
}

/// The first of the words that is none of these.
fn first<'a>(node: &'a Node, is_good: fn(&str) -> bool, why: &'static str) -> Option<Refusal<'a>> {
    match words(node) {
        Ok(words) => words.into_iter().find(|(_, word)| !is_good(word)).map(|(node, _)| (node, why)),
        Err(refusal) => Some(refusal),
    }
}

/// GRUB has a backslash before quotes and backslashes when it hands them to the kernel.
fn kernel_arguments(node: &Node) -> Option<Refusal<'_>> {
    let is_good = |word: &str| word.chars().all(|c| c.is_ascii_graphic() && !['\'', '"', '\\'].contains(&c));
    let why = "ASCII without white space, quotes and backslashes, which GRUB cannot pass on";
    first(node, is_good, why).or_else(|| {
        let length: usize = words(node).ok()?.iter().map(|(_, word)| word.len() + 1).sum();
        (length > COMMAND_LINE).then_some((node, "fewer than 2048 bytes, which is all that the kernel takes"))
    })
}

fn consoles(node: &Node) -> Option<Refusal<'_>> {
    first(node, is_console, "names of consoles, as tty0 or ttyS0,115200n8")
}

/// As in the kernel's `console=` (admin-guide/serial-console.rst): letters, number, and options of a serial line.
fn is_console(word: &str) -> bool {
    let (name, options) = word.split_once(',').map_or((word, None), |(name, options)| (name, Some(options)));
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_name = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_alphabetic());
    is_name && options.is_none_or(is_serial_line)
}

/// Speed, parity, bits and flow control, of which all but the speed may be missing.
fn is_serial_line(options: &str) -> bool {
    let rest = options.trim_start_matches(|c: char| c.is_ascii_digit());
    let tail = strip(strip(strip(rest, "noe"), "5678"), "r");
    rest.len() < options.len() && tail.is_empty()
}

fn strip<'a>(text: &'a str, letters: &str) -> &'a str {
    text.strip_prefix(|c| letters.contains(c)).unwrap_or(text)
}

fn label(node: &Node) -> Option<Refusal<'_>> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match node.string().filter(|text| (1..=LONGEST_LABEL).contains(&text.len()) && text.chars().all(is_good))
    {
        None => Some((node, "a text of 1 to 32 letters, digits, dots, dashes and underscores")),
        Some(text) => {
            let is_seed = SEEDS.iter().any(|seed| text.eq_ignore_ascii_case(seed));
            is_seed.then_some((node, "another one: by this, cloud-init takes the whole medium for a seed"))
        }
    }
}

/// In 32 bits; what is octal, or a number with underscores, in YAML 1.1 is left to the builder.
fn source_date_epoch(node: &Node) -> Option<Refusal<'_>> {
    let text = node.text().unwrap_or_default();
    let is_other = node.string().is_none() && (text.starts_with(['0', '+']) || text.contains('_'));
    let is_decimal = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_good =
        is_other || (is_decimal && text.parse::<u64>().is_ok_and(|seconds| seconds <= u32::MAX.into()));
    (!is_good).then_some((node, "seconds since 1970, below 4294967296"))
}
