//! Lines that are redrawn in place at the bottom of a terminal, below what scrolls by.

use super::bars::Size;

/// What of the lines is on the terminal now. The cursor is always at the begin of the line below
/// them and never hidden, so that even after SIGKILL the terminal is good.
#[derive(Default)]
pub struct Screen {
    /// Widths of the lines drawn, in characters.
    drawn: Vec<usize>,
}

impl Screen {
    /// What to write for these lines to take the place of the last ones, with `above` scrolled in
    /// over them.
    pub fn draw(&mut self, above: &str, lines: &[String], size: Size) -> String {
        let mut out = self.erase(size);
        out += above;
        for line in lines {
            out += line;
            out.push('\n');
        }
        self.drawn = lines.iter().map(|line| line.chars().count()).collect();
        out
    }

    /// What to write for the lines to be gone.
    pub fn erase(&mut self, size: Size) -> String {
        // a terminal that was made narrower has wrapped what was drawn on it
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(size.columns.max(1)).max(1)).sum();
        self.drawn.clear();
        match rows {
            0 => String::new(),
            // up to the first of them, and clear from there
            _ => format!("\r\x1b[{rows}A\x1b[J"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 10 };

    /// As much of a terminal as is needed: lines, and where the cursor is.
    fn show(written: &str) -> Vec<String> {
        let (mut lines, mut row) = (vec![String::new()], 0);
        let mut rest = written;
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\x1b[J") {
                lines.truncate(row);
                lines.push(String::new());
                rest = after;
                continue;
            }
            if let Some((count, after)) = rest.strip_prefix("\x1b[").and_then(|text| text.split_once('A')) {
                row -= count.parse::<usize>().unwrap();
                rest = after;
                continue;
            }
            match character {
                '\r' => {}
                '\n' => {
                    row += 1;
                    lines.push(String::new());
                }
                other => lines[row].push(other),
            }
            rest = &rest[character.len_utf8()..];
        }
        lines
    }

    #[test]
    fn lines_are_replaced_and_what_is_said_stays_above_them() {
        let mut screen = Screen::default();
        let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let mut out = "before\n".to_owned();
        out += &screen.draw("", &lines(&["one 1", "two 1"]), SIZE);
        assert_eq!(show(&out), ["before", "one 1", "two 1", ""]);
        out += &screen.draw("said\n", &lines(&["one 2", "two 2", "three"]), SIZE);
        assert_eq!(show(&out), ["before", "said", "one 2", "two 2", "three", ""]);
        out += &screen.draw("", &lines(&["one 3"]), SIZE);
        assert_eq!(show(&out), ["before", "said", "one 3", ""]);
        out += &screen.erase(SIZE);
        assert_eq!(show(&out), ["before", "said", ""]);
        assert_eq!(screen.erase(SIZE), "");
    }

    #[test]
    fn lines_that_a_narrower_terminal_has_wrapped_are_erased_whole() {
        let mut screen = Screen::default();
        screen.draw("", &["x".repeat(19), String::new()], SIZE);
        assert_eq!(screen.erase(Size { columns: 10, rows: 10 }), "\r\x1b[3A\x1b[J");
    }
}
