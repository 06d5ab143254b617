//! Writing trees, as `kustomize build` and `kubectl kustomize` write them.
//!
//! They go through JSON, so that keys are sorted and numbers brought to one form, and then through
//! libyaml's emitter; where lines are broken and how a scalar is quoted follows that emitter
//! (`yaml_emitter_analyze_scalar` and what is called after it). Two things are done better: `=` and
//! `<<` are quoted, which YAML 1.1 takes for other things than strings, and the line breaks that only
//! YAML 1.1 knows (U+0085, U+2028, U+2029) are escaped.

mod order;
mod plain;

use serde_json::Value as Json;

use super::json::to_json;
use super::{Entry, Node, ScalarKind, Value};

/// Lines are broken at the first space behind this column, where that changes nothing.
const WIDTH: usize = 80;
/// Longer keys are written with `? `, in bytes.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Writes one document, without `---` before it; it ends with a line break. What is read from it is
/// the same in YAML 1.1 and 1.2.
pub fn write(node: &Node) -> String {
    let mut writer = Writer::default();
    match &node.value {
        Value::Mapping(entries) if !entries.is_empty() => writer.mapping(entries, 0),
        Value::Sequence(items) if !items.is_empty() => writer.sequence(items, 0),
        _ => writer.leaf(node, 0),
    }
    if writer.column > 0 {
        writer.out.push('\n');
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Characters in the line so far; lines are broken by it.
    column: usize,
}

/// Whether a scalar may go on in further lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// A key that `:` has to follow.
    One,
    /// Further lines start in this column.
    Indented(usize),
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    /// Starts a line. A block scalar with kept line breaks has started it already.
    fn line(&mut self, indent: usize) {
        if self.column > 0 {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    /// The entries of a mapping that is not empty; the first stands where the writer is.
    fn mapping(&mut self, entries: &[Entry], indent: usize) {
        for (number, entry) in order::sorted(entries).into_iter().enumerate() {
            if number > 0 {
                self.line(indent);
            }
            if is_simple_key(&entry.key) {
                self.string(&entry.key, Lines::One);
                self.put_char(':');
                self.value_of_key(&entry.value, indent);
            } else {
                self.put("? ");
                self.string(&entry.key, Lines::Indented(indent + 2));
                self.line(indent);
                self.put_char(':');
                self.value_in_line(&entry.value, indent);
            }
        }
    }

    /// Behind a key: collections start in the next line, lists without further indentation.
    fn value_of_key(&mut self, node: &Node, indent: usize) {
        match &node.value {
            Value::Mapping(entries) if !entries.is_empty() => {
                self.line(indent + 2);
                self.mapping(entries, indent + 2);
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.line(indent);
                self.sequence(items, indent);
            }
            _ => self.value_in_line(node, indent),
        }
    }

    /// Behind `-` and the like: everything starts in the same line.
    fn value_in_line(&mut self, node: &Node, indent: usize) {
        self.put_char(' ');
        match &node.value {
            Value::Mapping(entries) if !entries.is_empty() => self.mapping(entries, indent + 2),
            Value::Sequence(items) if !items.is_empty() => self.sequence(items, indent + 2),
            _ => self.leaf(node, indent + 2),
        }
    }

    fn sequence(&mut self, items: &[Node], indent: usize) {
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.line(indent);
            }
            self.put_char('-');
            self.value_in_line(item, indent);
        }
    }

    /// A scalar or an empty collection.
    fn leaf(&mut self, node: &Node, indent: usize) {
        match &node.value {
            Value::Mapping(_) => self.put("{}"),
            Value::Sequence(_) => self.put("[]"),
            Value::Scalar(scalar) => match to_json(node) {
                // infinities, which JSON lacks, stay as they are; kustomize refuses them
                Json::String(_) if scalar.kind == ScalarKind::Number => self.put(&scalar.text),
                Json::String(text) => self.string(&text, Lines::Indented(indent)),
                Json::Number(number) => self.put(&plain::number(&number)),
                other => self.put(&other.to_string()),
            },
        }
    }

    fn string(&mut self, text: &str, lines: Lines) {
        let shape = plain::Shape::of(text);
        match lines {
            Lines::Indented(indent) if text.contains('\n') && shape.block => self.literal(text, indent),
            _ if text.contains('\n') || plain::is_something_else(text) => self.double_quoted(text, lines),
            _ if shape.plain => self.plain(text, lines),
            _ if shape.single_quoted => self.single_quoted(text, lines),
            _ => self.double_quoted(text, lines),
        }
    }

    /// A space at which the line is broken, if it shall be.
    fn breaks_at(&mut self, lines: Lines, after_space: bool) -> bool {
        match lines {
            Lines::Indented(indent) if self.column > WIDTH && !after_space => {
                self.line(indent);
                true
            }
            _ => false,
        }
    }

    fn plain(&mut self, text: &str, lines: Lines) {
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_single_space = c == ' ' && chars.peek() != Some(&' ');
            if !(is_single_space && self.breaks_at(lines, after_space)) {
                self.put_char(c);
            }
            after_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, lines: Lines) {
        self.put_char('\'');
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            // a line break at either end would be one within the quotes
            let may_break = c == ' ' && at > 0 && chars.peek().is_some_and(|(_, next)| *next != ' ');
            if !(may_break && self.breaks_at(lines, after_space)) {
                if c == '\'' {
                    self.put_char('\'');
                }
                self.put_char(c);
            }
            after_space = c == ' ';
        }
        self.put_char('\'');
    }

    fn double_quoted(&mut self, text: &str, lines: Lines) {
        self.put_char('"');
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        // the emitter looks for a byte order mark at the start of the text with every character
        let escapes_all = text.starts_with('\u{feff}');
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' && !escapes_all {
                let breaks = at > 0 && next.is_some() && self.breaks_at(lines, after_space);
                match breaks {
                    // spaces at the start of a line would be skipped
                    true if next == Some(' ') => self.put_char('\\'),
                    true => {}
                    false => self.put_char(' '),
                }
            } else if escapes_all || !plain::is_printable(c) || matches!(c, '"' | '\\' | '\n') {
                self.put(&escape(c));
            } else {
                self.put_char(c);
            }
            after_space = c == ' ' && !escapes_all;
        }
        self.put_char('"');
    }

    /// A block scalar with `|`.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put_char('|');
        if text.starts_with([' ', '\n']) {
            // what is indented further than the block has to say so
            self.put_char('2');
        }
        match text.strip_suffix('\n') {
            None => self.put_char('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.put_char('+'),
            Some(_) => {}
        }
        self.out.push('\n');
        self.column = 0;
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.line(indent);
            }
            self.out.push_str(line);
            // only whether it is 0 matters here
            self.column = usize::from(!line.ends_with('\n'));
        }
    }
}

fn is_simple_key(key: &str) -> bool {
    key.len() <= LONGEST_SIMPLE_KEY && !key.contains('\n')
}

/// As the emitter names characters that cannot stand for themselves (YAML 1.1, 5.6).
fn escape(c: char) -> String {
    match c {
        '\0' => "\\0".into(),
        '\u{7}' => "\\a".into(),
        '\u{8}' => "\\b".into(),
        '\t' => "\\t".into(),
        '\n' => "\\n".into(),
        '\u{b}' => "\\v".into(),
        '\u{c}' => "\\f".into(),
        '\r' => "\\r".into(),
        '\u{1b}' => "\\e".into(),
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\u{85}' => "\\N".into(),
        '\u{a0}' => "\\_".into(),
        '\u{2028}' => "\\L".into(),
        '\u{2029}' => "\\P".into(),
        c if u32::from(c) <= 0xff => format!("\\x{:02X}", u32::from(c)),
        c if u32::from(c) <= 0xffff => format!("\\u{:04X}", u32::from(c)),
        c => format!("\\U{:08X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests;
