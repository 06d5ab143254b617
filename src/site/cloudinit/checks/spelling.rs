//! Which known key was meant.

/// Longer keys are no misspelt names of ours, and comparing takes time.
const LONGEST: usize = 40;
/// More slips than this, and it is another word.
const MOST_SLIPS: usize = 2;

/// ``; did you mean `x`?`` for the nearest known key, or nothing.
pub(super) fn suggestion<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(key, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The known key that takes the fewest slips to become this one; `-` and `_` are the same here.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if key.len() > LONGEST {
        return None;
    }
    let spelt = |key: &str| key.to_lowercase().replace(['-', ' '], "_");
    let ours = spelt(key);
    // of a short word, two slips leave nothing
    let most = MOST_SLIPS.min(key.len() / 3);
    let slips = known.map(|known| (distance(&ours, &spelt(known)), known));
    slips.filter(|(slips, _)| *slips <= most).min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

/// Letters inserted, left out or exchanged (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_if_it_is_near() {
        let known = ["write_files", "runcmd", "users", "user", "ssh_authorized_keys", "apt"];
        for (key, expected) in [
            ("write_file", Some("write_files")),
            ("write-files", Some("write_files")),
            ("Write_Files", Some("write_files")),
            ("ssh_authorized_key", Some("ssh_authorized_keys")),
            ("runcmds", Some("runcmd")),
            ("usres", None),
            ("usrs", Some("users")),
            ("ap", None),
            ("frobnicate", None),
            ("", None),
            (&"x".repeat(1000), None),
        ] {
            assert_eq!(nearest(key, known.into_iter()), expected, "{key}");
        }
    }
}
