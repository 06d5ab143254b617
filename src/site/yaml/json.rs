//! Trees as JSON values and back: what scalars mean once Kubernetes tools have read them.

use serde_json::{Map, Number, Value as Json};

use super::scalar::boolean;
use super::{Entry, Mark, Node, Scalar, ScalarKind, Style, Value};

/// The tree as JSON, keys in the order of the file. `yes` and `off` without quotes are strings, as
/// kustomize 5 and kubectl take them; so is a number that no f64 holds, and `.inf`, which JSON lacks.
pub fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => scalar_to_json(scalar),
        Value::Sequence(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Mapping(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

/// A tree that says what a JSON value says, every node as if written at `mark`.
pub fn from_json(json: &Json, mark: Mark) -> Node {
    match json {
        Json::Null => Node::scalar(ScalarKind::Null, "null", mark),
        Json::Bool(value) => Node::scalar(ScalarKind::Bool, value.to_string(), mark),
        Json::Number(number) => Node::scalar(ScalarKind::Number, number.to_string(), mark),
        Json::String(text) => Node::of_text(text.as_str(), mark),
        Json::Array(items) => Node::sequence(items.iter().map(|item| from_json(item, mark)).collect(), mark),
        Json::Object(map) => {
            let entry = |(key, value): (&String, &Json)| Entry {
                key: key.clone(),
                key_mark: mark,
                value: from_json(value, mark),
            };
            Node { value: Value::Mapping(map.iter().map(entry).collect()), mark, span: 0..0 }
        }
    }
}

/// The same for a single value.
pub fn scalar_to_json(scalar: &Scalar) -> Json {
    let text = || Json::String(scalar.text.clone());
    match scalar.kind {
        ScalarKind::Null => Json::Null,
        ScalarKind::Bool => match scalar.text.as_str() {
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            _ => text(),
        },
        ScalarKind::Number => number(&scalar.text).map_or_else(text, Json::Number),
        ScalarKind::String if scalar.style == Style::Plain => {
            timestamp(&scalar.text).map_or_else(text, Json::String)
        }
        ScalarKind::String => text(),
    }
}

/// Makes a tree say what readers of YAML 1.1 make of it: `yes`, `y` and `off` are booleans, times are text.
/// So are kustomizations and JSON patches read, unlike resources (`sigs.k8s.io/yaml`).
pub fn read_as_yaml_1_1(node: &mut Node) {
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(read_as_yaml_1_1),
        Value::Mapping(entries) => entries.iter_mut().for_each(|entry| read_as_yaml_1_1(&mut entry.value)),
        Value::Scalar(scalar) if scalar.style == Style::Plain => {
            let word = match scalar.text.as_str() {
                "y" | "Y" => Some(true),
                "n" | "N" => Some(false),
                word => boolean(word),
            };
            match (word, scalar.kind) {
                (Some(value), ScalarKind::Bool | ScalarKind::String) => {
                    (scalar.kind, scalar.text) = (ScalarKind::Bool, value.to_string());
                }
                (None, ScalarKind::String) => scalar.style = Style::Quoted,
                _ => {}
            }
        }
        Value::Scalar(_) => {}
    }
}

/// The value of a number as written in YAML: `0644` and `0o644` are 420, `1_000` is 1000, `0x1F` is 31,
/// `08` is 8, `1.0` is 1. `None` for what is infinite, no number, or beyond an f64.
pub fn number(text: &str) -> Option<Number> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    match integer(digits) {
        Some(0) => Some(Number::from(0)),
        Some(value) if !negative => Some(Number::from(value)),
        Some(value) if value <= 1 << 63 => Some(Number::from(0_i64.wrapping_sub_unsigned(value))),
        _ => float(&plain),
    }
}

/// An integer without sign in the base that its prefix says (Go's `strconv.ParseInt` with base 0).
fn integer(digits: &str) -> Option<u64> {
    let (radix, rest) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // a second sign is no digit, though `from_str_radix` would take it
    let sound = rest.starts_with(|c: char| c.is_ascii_hexdigit());
    sound.then(|| u64::from_str_radix(rest, radix).ok()).flatten()
}

/// A float; a whole one is an integer, as Go's JSON writes it and the next reader takes it.
fn float(plain: &str) -> Option<Number> {
    const WHOLE: f64 = 9_223_372_036_854_775_808.0;
    let value: f64 = plain.parse().ok()?;
    match value.fract() == 0.0 && value.abs() < WHOLE {
        // cannot lose anything: whole, and within an i64
        true => Some(Number::from(value as i64)),
        false => Number::from_f64(value),
    }
}

/// What a plain `2001-01-01` or `2001-1-1 2:03:04Z` becomes: YAML 1.1 has times, JSON has none, and
/// kustomize writes them as RFC 3339 (`gopkg.in/yaml.v3`, `allowedTimestampFormats`).
fn timestamp(text: &str) -> Option<String> {
    if !text.get(..5).is_some_and(|start| start.ends_with('-')) {
        return None;
    }
    let (date, rest) = text.split_at(text.find(['T', 't', ' ']).unwrap_or(text.len()));
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4, 4)?;
    let (month, day) = (digits(parts.next()?, 1, 2)?, digits(parts.next()?, 1, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let time = match rest.chars().next() {
        None => "00:00:00Z".to_owned(),
        Some(separator) => time_of_day(&rest[1..], separator != ' ')?,
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{time}"))
}

/// `15:4:5.9`, with a zone exactly if it stands behind a `T`.
fn time_of_day(text: &str, zoned: bool) -> Option<String> {
    let (clock, zone) = match zoned {
        true => text.split_at(text.find(['Z', '+', '-'])?),
        false => (text, "Z"),
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 1, 2)?, digits(parts.next()?, 1, 2)?);
    let seconds = parts.next()?;
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let second = digits(second, 1, 2)?;
    let known = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !known {
        return None;
    }
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        fraction => format!(".{fraction}"),
    };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}{}", zone_name(zone)?))
}

/// `Z` or an offset such as `+02:00`; an offset of nothing is `Z`.
fn zone_name(zone: &str) -> Option<&str> {
    let offset = |text: &str| -> Option<(u32, u32)> {
        let (hours, minutes) = text.split_once(':')?;
        Some((digits(hours, 2, 2)?, digits(minutes, 2, 2)?))
    };
    match zone {
        "Z" => Some("Z"),
        _ => match offset(zone.get(1..)?)? {
            (0, 0) => Some("Z"),
            (0..=23, 0..=59) => Some(zone),
            _ => None,
        },
    }
}

/// A number of so many digits.
fn digits(text: &str, least: usize, most: usize) -> Option<u32> {
    let sound = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::yaml::{Budget, Origin, parse};

    fn json(text: &str) -> String {
        let mut faults = Vec::new();
        let nodes = parse(&Origin::new("a", None), text.as_bytes(), &mut Budget::default(), &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        to_json(&nodes[0].1).to_string()
    }

    #[test]
    fn scalars_mean_what_kustomize_takes_them_for() {
        // the right column is what kustomize 5.5 wrote
        for (yaml, expected) in [
            ("yes", "\"yes\""),
            ("on", "\"on\""),
            ("True", "true"),
            ("FALSE", "false"),
            ("0644", "420"),
            ("0o644", "420"),
            ("-0644", "-420"),
            ("-0o17", "-15"),
            ("1_000", "1000"),
            ("0_7", "7"),
            ("0x1F", "31"),
            ("-0x10", "-16"),
            ("0b11", "3"),
            ("0b_11", "3"),
            ("08", "8"),
            ("00", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("+5", "5"),
            ("1.10", "1.1"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("12e03", "12000"),
            ("1_0.5", "10.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1e-7", "1e-7"),
            ("12345678901234567890", "12345678901234567890"),
            ("123456789012345678901", "1.2345678901234568e+20"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "-9.223372036854776e+18"),
            ("0xFFFFFFFFFFFFFFFF", "18446744073709551615"),
            ("018446744073709551615", "1.8446744073709552e+19"),
            ("1e400", "\"1e400\""),
            ("0o8", "\"0o8\""),
            ("1:30", "\"1:30\""),
            ("~", "null"),
            ("\"0644\"", "\"0644\""),
            ("2001-01-01", "\"2001-01-01T00:00:00Z\""),
            ("\"2001-01-01\"", "\"2001-01-01\""),
            ("2001-13-01", "\"2001-13-01\""),
        ] {
            assert_eq!(json(&format!("[{yaml}]")), format!("[{expected}]"), "{yaml}");
        }
    }

    #[test]
    fn plain_times_are_written_in_full() {
        for (yaml, expected) in [
            ("2001-1-2", "2001-01-02T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2023-02-29", "2023-02-29"),
            ("2001-01-01T2:3:4Z", "2001-01-01T02:03:04Z"),
            ("2001-01-01t02:03:04.500+02:00", "2001-01-01T02:03:04.5+02:00"),
            ("2001-01-01T02:03:04+00:00", "2001-01-01T02:03:04Z"),
            ("2001-01-01 02:03:04", "2001-01-01T02:03:04Z"),
            ("2001-01-01 02:03:04Z", "2001-01-01 02:03:04Z"),
            ("2001-01-01T02:03:04", "2001-01-01T02:03:04"),
            ("2001-01-01T24:03:04Z", "2001-01-01T24:03:04Z"),
            ("2001-01-01é", "2001-01-01é"),
        ] {
            assert_eq!(json(&format!("[{yaml}]")), format!("[\"{expected}\"]"), "{yaml}");
        }
    }

    #[test]
    fn what_came_from_json_becomes_the_same_json() {
        let text = r#"{"b":[1,-2.5,true,null,"x"],"a":{}}"#;
        let value: Json = serde_json::from_str(text).unwrap();
        assert_eq!(to_json(&from_json(&value, Mark::new(1, 1))).to_string(), text);
    }
}
