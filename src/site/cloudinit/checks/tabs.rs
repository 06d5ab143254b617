//! Tabs, which YAML 1.2 allows between words and PyYAML does not (yaml/scanner.py, "found character
//! '\t' that cannot start any token"): one anywhere but in quotes, blocks and comments, and cloud-init
//! reads nothing of the text.

use std::ops::Range;

use crate::site::yaml::{Mark, Node, Style, Value};

/// The place of the first tab that PyYAML refuses; `root` was parsed from `text`.
pub(super) fn refused(root: &Node, text: &str) -> Option<Mark> {
    if !text.contains('\t') {
        return None;
    }
    let mut exempt = Vec::new();
    collect(root, &mut exempt);
    exempt.sort_unstable_by_key(|span| span.start);
    let (mut begin, mut spans) = (0, exempt.as_slice());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(at) = in_line(line, begin, &mut spans) {
            return Some(Mark::new(index + 1, line[..at].chars().count() + 1));
        }
        begin += line.len();
    }
    None
}

/// What was written in quotes or as a block, in bytes.
fn collect(node: &Node, exempt: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Scalar(scalar) if scalar.style != Style::Plain => {
            exempt.push(node.span.start as usize..node.span.end as usize);
        }
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, exempt)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| collect(&entry.value, exempt)),
    }
}

/// The first such tab of a line that begins at byte `begin`; spans that are behind are dropped.
fn in_line(line: &str, begin: usize, spans: &mut &[Range<usize>]) -> Option<usize> {
    let (mut before, mut quotes) = (b' ', 0);
    for (at, byte) in line.bytes().enumerate() {
        while let [first, rest @ ..] = *spans
            && first.end <= begin + at
        {
            *spans = rest;
        }
        if spans.first().is_some_and(|span| span.contains(&(begin + at))) {
            before = byte;
            continue;
        }
        match byte {
            b'#' if before.is_ascii_whitespace() => return None,
            // keys may be in quotes too, and have no spans
            b'"' | b'\'' => quotes += 1,
            b'\t' if quotes % 2 == 0 => return Some(at),
            _ => {}
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::yaml::{Budget, Dialect, Origin, parse_as};

    #[test]
    fn tabs_are_refused_where_they_are_part_of_nothing() {
        for (text, expected) in [
            ("a: b\n", None),
            ("a: \tb\n", Some((1, 4))),
            ("a: b\t# c\n", Some((1, 5))),
            ("a: b #\tc\n", None),
            ("#\tc\na: b\n", None),
            ("a: 'b\tc'\n", None),
            ("a: \"b\n  \tc\"\n", None),
            ("\"a\tb\": c\n", None),
            ("a: |\n  b\tc\n  \td\n\n  # \te\nf: g\n", None),
            ("a: |\n  b\tc\nf: g\th\n", Some((3, 5))),
            ("a: >-\n  b\tc\n", None),
            ("a:\n- |\n  b\tc\n- é\t\n", Some((4, 4))),
            ("a: [b,\tc]\n", Some((1, 7))),
        ] {
            let origin = Origin::new("x", None);
            let mut faults = Vec::new();
            let found =
                parse_as(Dialect::CloudInit, &origin, text.as_bytes(), &mut Budget::default(), &mut faults);
            let mark = refused(&found[0].1, text).map(|mark| (mark.line, mark.column));
            assert_eq!(mark, expected, "{text:?}");
        }
    }
}
