//! What PyYAML, which follows YAML 1.1, takes a value for.

use crate::site::yaml::{Node, Style, Value};

/// The types that cloud-init's modules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Whole,
    /// Minutes and seconds: `22:30` is 1350.
    Sexagesimal,
    Float,
    Date,
    Text,
    List,
    Map,
}

impl Kind {
    /// The type that cloud-init finds.
    pub fn of(node: &Node) -> Self {
        match &node.value {
            Value::Sequence(_) => Self::List,
            Value::Mapping(_) => Self::Map,
            Value::Scalar(scalar) if scalar.style == Style::Plain => Self::of_plain(&scalar.text),
            Value::Scalar(_) => Self::Text,
        }
    }

    /// The implicit resolvers of yaml/resolver.py.
    fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Self::Bool(true),
            "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Self::Bool(false),
            _ if whole(text).is_some() => Self::Whole,
            _ if is_sexagesimal(text) => Self::Sexagesimal,
            _ if is_float(text) => Self::Float,
            _ if is_date(text) => Self::Date,
            _ => Self::Text,
        }
    }

    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Whole | Self::Float => "a number",
            Self::Sexagesimal => "a number in base 60",
            Self::Date => "a date",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Map => "a mapping",
        }
    }

    /// Whether quotes would make a string of it.
    pub fn is_scalar(self) -> bool {
        !matches!(self, Self::List | Self::Map)
    }
}

/// The value of an integer in base 2, 8, 10 or 16; a leading zero means 8.
pub(super) fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0'] => (10, digits),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', ..] => (8, &digits[1..]),
        [b'1'..=b'9', ..] => (10, digits),
        _ => return None,
    };
    let known = digits.chars().all(|c| c == '_' || c.is_digit(radix)) && !digits.is_empty();
    let digits = if known { digits.replace('_', "") } else { return None };
    // more digits than any number here can have are a number all the same
    Some(i128::from_str_radix(&digits, radix).map_or(i128::MAX, |value| sign * value))
}

/// `[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+`, and the same with a zero or a fraction.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.strip_prefix(['-', '+']).unwrap_or(text).split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let [minutes @ .., last] = rest.as_slice() else { return false };
    let (last, is_float) = match last.split_once('.') {
        Some((last, fraction)) if all_digits(fraction) => (last, true),
        Some(_) => return false,
        None => (*last, false),
    };
    let leads = first.starts_with(|c: char| c.is_ascii_digit() && (is_float || c != '0'));
    let is_minute = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    leads && all_digits(first) && is_minute(last) && minutes.iter().all(|part| is_minute(part))
}

/// A float has a point, and its exponent a sign; `1e3` is a string.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let Some((before, after)) = unsigned.split_once('.') else { return false };
    let (fraction, exponent) = match after.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (after, None),
    };
    let signed = |exponent: &str| {
        exponent
            .strip_prefix(['-', '+'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let leads = match before {
        "" => fraction.starts_with(|c: char| c.is_ascii_digit()) && !text.starts_with(['-', '+']),
        _ => before.starts_with(|c: char| c.is_ascii_digit()),
    };
    leads && all_digits(before) && all_digits(fraction) && exponent.is_none_or(signed)
}

/// Digits and the underscores between them, if there are any at all.
fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// A day, or a time on it.
fn is_date(text: &str) -> bool {
    let Some(day) = text.get(..10).filter(|day| day.is_ascii()) else { return false };
    let shape = |pattern: &str| {
        day.len() == pattern.len()
            && day.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    };
    let rest = text[10..].trim_start_matches([' ', '\t']);
    let is_time = rest.strip_prefix(['T', 't']).unwrap_or(rest).starts_with(|c: char| c.is_ascii_digit())
        && rest.matches(':').count() >= 2
        && rest.bytes().all(|byte| byte.is_ascii_digit() || b":.+-TtZ \t".contains(&byte));
    shape("0000-00-00") && (text.len() == 10 || is_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_what_pyyaml_takes_them_for() {
        for (text, expected) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("yes", Kind::Bool(true)),
            ("Off", Kind::Bool(false)),
            ("y", Kind::Text),
            ("0644", Kind::Whole),
            ("0o644", Kind::Text),
            ("0888", Kind::Text),
            ("-0b1", Kind::Whole),
            ("0x_1", Kind::Whole),
            ("1_000", Kind::Whole),
            ("99999999999999999999999999999999999999999999999999", Kind::Whole),
            ("12:30", Kind::Sexagesimal),
            ("190:20:30.15", Kind::Sexagesimal),
            ("12:99", Kind::Text),
            ("00:11", Kind::Text),
            ("52:54:00:bf", Kind::Text),
            ("1e3", Kind::Text),
            ("1.5e3", Kind::Text),
            ("1.5e+3", Kind::Float),
            (".5", Kind::Float),
            ("1.", Kind::Float),
            ("+.inf", Kind::Float),
            (".nan", Kind::Float),
            ("1.2.3", Kind::Text),
            (".", Kind::Text),
            ("2022-01-01", Kind::Date),
            ("2022-01-01 10:11:12", Kind::Date),
            ("2022-01-01T10:11:12Z", Kind::Date),
            ("2022-01-01x", Kind::Text),
            ("2022-1-1", Kind::Text),
            ("-", Kind::Text),
            ("é2022-01-01", Kind::Text),
        ] {
            assert_eq!(Kind::of_plain(text), expected, "{text:?}");
        }
        assert_eq!((whole("0644"), whole("-0x10"), whole("644")), (Some(420), Some(-16), Some(644)));
    }
}
