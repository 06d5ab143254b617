//! The forms in which a secret may be printed.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::{LEAST, LONGEST};

/// The patterns for one value, which has no line break.
pub(super) fn of_line(value: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    add(value.as_bytes(), patterns);
    // as JSON and double-quoted YAML have it, and as single-quoted YAML
    let quoted = serde_json::Value::from(value).to_string();
    add(quoted.trim_matches('"').as_bytes(), patterns);
    add(value.replace('\'', "''").as_bytes(), patterns);
    encoded(value.as_bytes(), patterns);
}

/// The base64 of bytes wherever they stand in what was encoded: only characters that depend on nothing
/// beside them, for each of the three ways in which groups of three bytes can begin.
pub(super) fn encoded(value: &[u8], patterns: &mut BTreeSet<Vec<u8>>) {
    for before in 0..3 {
        let padded = [&[0; 3][..before], value].concat();
        let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            add(&text.as_bytes()[first..last], patterns);
        }
    }
}

/// A pattern, or several for a long value.
fn add(value: &[u8], patterns: &mut BTreeSet<Vec<u8>>) {
    if value.len() < LEAST {
        return;
    }
    let mut rest = value;
    while rest.len() > LONGEST {
        let (part, more) = rest.split_at(LONGEST);
        patterns.insert(part.to_vec());
        rest = more;
    }
    // whole even where little is left: it may share bytes with the part before it
    patterns.insert(value[value.len() - rest.len().max(LEAST)..].to_vec());
}
