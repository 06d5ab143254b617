//! How values of images are shown to people.

/// A label, a name or a title says what it likes; it shall not steer the terminal.
pub fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// With the unit that is easily read.
pub fn size(bytes: u64) -> String {
    let unit = if bytes == 1 { "byte" } else { "bytes" };
    match bytes {
        0..100_000 => format!("{bytes} {unit}"),
        100_000..1_000_000_000 => format!("{bytes} {unit} ({:.1} MB)", bytes as f64 / 1e6),
        _ => format!("{bytes} {unit} ({:.1} GB)", bytes as f64 / 1e9),
    }
}

pub fn plural(count: usize, word: &str) -> String {
    match (count, word.strip_suffix('y')) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ => format!("{count} {word}s"),
    }
}

/// A heading with lines below it, or nothing.
pub fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    lines.iter().fold(format!("\n{heading}\n"), |text, line| text + "  " + line + "\n")
}

/// Columns as wide as their widest cell.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |text| text.chars().count());
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| cell(row, column)).max().unwrap_or_default())
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_in_no_blanks() {
        let rows =
            [vec!["a".into(), "b".into()], vec!["ccc".into()], vec!["é".into(), "dd".into(), "e".into()]];
        assert_eq!(table(&rows), ["a    b", "ccc", "é    dd  e"]);
    }

    #[test]
    fn what_would_steer_the_terminal_is_escaped() {
        assert_eq!(visible("a\x1b[2Jé\n"), "a\\u{1b}[2Jé\\n");
        assert_eq!(visible("\u{9b}"), "\\u{9b}");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!((size(1), size(99_999)), ("1 byte".into(), "99999 bytes".into()));
        assert_eq!(size(140_640_256), "140640256 bytes (140.6 MB)");
        assert_eq!(
            (plural(1, "directory"), plural(2, "directory")),
            ("1 directory".into(), "2 directories".into())
        );
    }
}
