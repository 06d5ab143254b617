//! The order of keys: numbers within them by value, so that `a9` comes before `a10`.

use std::cmp::Ordering;

use super::Entry;

/// The entries in the order in which go-yaml writes them (`sorter.go`).
pub(super) fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    merge_sort(entries.iter().collect())
}

/// The order is not quite a total one (`a1` and `a01` in longer words), and the standard library may
/// panic then.
fn merge_sort(mut entries: Vec<&Entry>) -> Vec<&Entry> {
    if entries.len() < 2 {
        return entries;
    }
    let right = merge_sort(entries.split_off(entries.len() / 2));
    let left = merge_sort(entries);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let mut right = right.into_iter().peekable();
    for entry in left {
        while let Some(before) = right.next_if(|other| natural(&other.key, &entry.key) == Ordering::Less) {
            merged.push(before);
        }
        merged.push(entry);
    }
    merged.extend(right);
    merged
}

/// By the first character that differs: letters behind everything else, digits by the number they are
/// part of.
fn natural(a: &str, b: &str) -> Ordering {
    let same: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return rest_a.len().cmp(&rest_b.len());
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let continued = (x == '0' || y == '0') && in_number(&a[..same]);
    let number = |rest: &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit);
        digits.fold((i64::from(continued), 0), |(value, length), digit| {
            (value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), length + 1)
        })
    };
    number(rest_a).cmp(&number(rest_b)).then(x.cmp(&y))
}

/// Whether a number ends here that is not 0 so far.
fn in_number(before: &str) -> bool {
    before.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
}
