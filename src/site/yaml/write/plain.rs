//! Which quotes a string needs, and the form of numbers.

use crate::site::yaml::ScalarKind;
use crate::site::yaml::scalar::plain_kind;

/// The styles in which a text can be written without becoming another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub plain: bool,
    pub single_quoted: bool,
    /// As a block scalar.
    pub block: bool,
}

impl Shape {
    /// Follows `yaml_emitter_analyze_scalar`, for block context.
    pub fn of(text: &str) -> Self {
        let special = text.chars().any(|c| c != '\n' && !is_printable(c)) || text.contains(" \n");
        let edges = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
        Self {
            plain: !special && !edges && !text.contains('\n') && !has_indicators(text),
            single_quoted: !special && !text.contains("\n "),
            block: !special && !text.ends_with(' ') && !text.is_empty(),
        }
    }
}

/// Whether the text has characters that mean something where they stand.
fn has_indicators(text: &str) -> bool {
    let blank_follows = |at: usize| text[at..].chars().nth(1).is_none_or(|c| c == ' ');
    let first = match text.chars().next() {
        Some(c) if "#,[]{}&*!|>'\"%@`".contains(c) => true,
        Some('?' | ':' | '-') => blank_follows(0),
        _ => false,
    };
    first
        || text.starts_with("---")
        || text.starts_with("...")
        || text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #")
}

/// What the emitter writes as it is: no control characters, no byte order mark, nothing outside the
/// basic plane, and none of the line breaks of YAML 1.1.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{fffd}') && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Whether a plain text is no string: for us, for go-yaml, which reads what kustomize writes, or for
/// YAML 1.1 (yaml.org/type).
pub(super) fn is_something_else(text: &str) -> bool {
    plain_kind(text) != ScalarKind::String
        || matches!(text, "y" | "Y" | "n" | "N" | "=" | "<<")
        || (text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && is_numeric(text))
}

/// Numbers, times and dates of YAML 1.1.
fn is_numeric(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let of = |digits: &str, allowed: &str| !digits.is_empty() && digits.chars().all(|c| allowed.contains(c));
    let based = |prefix: &str, digits: &str| lower.strip_prefix(prefix).is_some_and(|rest| of(rest, digits));
    lower == ".inf"
        || based("0x", "0123456789abcdef_")
        || based("0o", "01234567_")
        || based("0b", "01_")
        || is_decimal(&lower)
        || is_sexagesimal(unsigned)
        || is_date(text)
}

/// `[0-9_]*(.[0-9_]*)?(e[-+]?[0-9]+)?` with a digit before the exponent.
fn is_decimal(lower: &str) -> bool {
    let (mantissa, exponent) = lower.split_once('e').map_or((lower, "0"), |(m, e)| (m, e));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent).replace('_', "");
    mantissa.chars().all(|c| c.is_ascii_digit() || "_.".contains(c))
        && mantissa.contains(|c: char| c.is_ascii_digit())
        && mantissa.matches('.').count() <= 1
        && !exponent.is_empty()
        && exponent.bytes().all(|b| b.is_ascii_digit())
}

/// `190:20:30.15`.
fn is_sexagesimal(unsigned: &str) -> bool {
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let sixty = |part: &str| matches!(part.as_bytes(), [b'0'..=b'5', b'0'..=b'9'] | [b'0'..=b'9']);
    parts.next().is_some_and(|first| first.starts_with(|c: char| c.is_ascii_digit()) && digits(first))
        && whole.contains(':')
        && parts.all(sixty)
        && digits(fraction)
}

/// `2020-01-01`, also followed by a time: whatever begins so is quoted.
fn is_date(text: &str) -> bool {
    let number = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut parts = text.splitn(3, '-');
    let (year, month, rest) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let behind = &rest[end..];
    number(year, 4..=4)
        && number(month, 1..=2)
        && (1..=2).contains(&end)
        && (behind.is_empty() || is_time(behind))
}

/// What may follow a date: `t21:59:43.10-05:00`.
fn is_time(text: &str) -> bool {
    text.starts_with(['t', 'T', ' ', '\t'])
        && text[1..].contains(':')
        && text[1..].chars().all(|c| c.is_ascii_digit() || ":. \tZ+-".contains(c))
}

/// A number as it comes out of JSON: whole ones without a point, others in the shortest form.
pub(super) fn number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => float(value),
        _ => number.to_string(),
    }
}

/// First the JSON encoder's form, which has whole numbers below 1e21 without exponent; then that of
/// `strconv.FormatFloat(value, 'g', -1, 64)` where it is no integer of 64 bits.
fn float(value: f64) -> String {
    let whole = format!("{value}");
    if value == 0.0 {
        // `-0` is an integer, which has no sign then
        return "0".into();
    }
    if value.abs() < 1e21 && (whole.parse::<i64>().is_ok() || whole.parse::<u64>().is_ok()) {
        return whole;
    }
    let scientific = format!("{value:e}");
    // Rust always writes an exponent with `e`
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match (-4..6).contains(&exponent) {
        true => whole,
        false => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}
