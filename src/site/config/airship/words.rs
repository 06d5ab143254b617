//! How messages call things.

/// Longer lists only hide what was meant.
const MOST: usize = 10;

/// Names in quotes, control characters escaped: `"a", "b" and "c"`.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        all.truncate(MOST);
        all.push(format!("{more} more"));
    }
    joined(&all)
}

/// What there is instead of something unknown.
pub(super) fn there_are<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let listed = quoted(names.iter().copied());
    match names.len() {
        0 => "there are none".into(),
        1 => format!("there is {listed}"),
        _ => format!("there are {listed}"),
    }
}

/// `a, b and c`.
pub(super) fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_end_with_how_many_more() {
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        let listed = quoted(names.iter().map(String::as_str));
        assert!(listed.starts_with("\"0\", \"1\", ") && listed.ends_with("\"9\" and 2 more"), "{listed}");
        assert_eq!(there_are(std::iter::empty()), "there are none");
        assert_eq!(there_are(["a\n"].into_iter()), "there is \"a\\n\"");
    }
}
