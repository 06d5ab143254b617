//! What a scalar is: tags, and the words that Kubernetes tools take for null, boolean or number.

use serde_yaml::granit_parser::{ScalarStyle, Tag};

use super::{Dialect, ScalarKind};

/// Follows YAML 1.2's core schema plus the booleans of YAML 1.1 (`yes`, `off`), which kubectl and
/// kustomize still take for booleans. Fails for tags that no Kubernetes document has.
pub(super) fn resolve(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    dialect: Dialect,
) -> Result<ScalarKind, String> {
    let plain = || match style {
        ScalarStyle::Plain => plain_kind(text),
        _ => ScalarKind::String,
    };
    let Some(tag) = tag else { return Ok(plain()) };
    if dialect != Dialect::Kubernetes {
        // yaml/constructor.py, SafeConstructor, and cloudinit/safeyaml.py
        match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
            Some("binary") if dialect == Dialect::NetworkConfig => {
                return Err("is binary by its tag, which nothing in a network configuration is".into());
            }
            Some("binary" | "python/unicode") => return Ok(ScalarKind::String),
            Some("timestamp") => return Ok(plain()),
            _ => {}
        }
    }
    match tag.core_suffix() {
        Some("str") => Ok(ScalarKind::String),
        Some("null") => Ok(ScalarKind::Null),
        Some("bool") if boolean(text).is_some() => Ok(ScalarKind::Bool),
        Some("int" | "float") if is_number(text) => Ok(ScalarKind::Number),
        Some(name) => Err(format!("the value does not fit its tag `!!{name}`")),
        // the non-specific tag `!` makes a string (YAML 1.2.2, 6.9.1)
        None if tag.handle() == "!" && tag.suffix().is_empty() => Ok(ScalarKind::String),
        None if tag.handle().is_empty() && tag.suffix() == "!" => Ok(ScalarKind::String),
        None => Err("carries a tag that is not supported".into()),
    }
}

/// Accepts the tag that says what is to be seen anyway.
pub(super) fn check_collection_tag(tag: Option<&Tag>, expected: &str) -> Result<(), String> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(expected) => Err("carries a tag that is not supported".into()),
        _ => Ok(()),
    }
}

/// The core schema's words (YAML 1.2.2, 10.3.2); anything else is a string.
pub(super) fn plain_kind(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        _ if boolean(text).is_some() => ScalarKind::Bool,
        _ if is_number(text) => ScalarKind::Number,
        _ => ScalarKind::String,
    }
}

/// The boolean that a word stands for in YAML 1.1, except for the single letters.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Integers in bases 2, 8, 10 and 16, floats, and the underscores of YAML 1.1. `0644` is one too:
/// whether it means 644 or 420 is why nothing here gives the value.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let digits =
        |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c == '_' || c.is_digit(radix));
    match unsigned.as_bytes() {
        [b'0', b'x', ..] => digits(&unsigned[2..], 16),
        [b'0', b'o', ..] => digits(&unsigned[2..], 8),
        [b'0', b'b', ..] => digits(&unsigned[2..], 2),
        // f64's own grammar also has words such as `infinity`, hence the look at the first byte
        [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => unsigned.replace('_', "").parse::<f64>().is_ok(),
        _ => false,
    }
}
