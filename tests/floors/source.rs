//! Source text as the rules see it: words, signs and the paths they make.

use std::fmt;

/// A place that breaks a rule.
pub struct Finding {
    pub place: String,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A word or a sign of the source, without comments and contents of literals.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A source file below `src/`.
pub struct Source {
    pub path: String,
    pub tokens: Vec<Token>,
    /// The line where the tests begin; the rules about style end here.
    pub tests: usize,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let lines = text.lines().count();
        let is_tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let marks = |at: &usize| starts(&tokens[*at..], &["#", "[", "cfg", "(", "test", ")", "]", "mod"]);
        let line = match (is_tests, (0..tokens.len()).find(marks)) {
            (true, _) => 0,
            (_, Some(at)) => tokens[at].line,
            _ => lines + 1,
        };
        Self { path: path.into(), tokens, tests: line }
    }

    pub fn is_in(&self, prefixes: &[&str]) -> bool {
        let below =
            |prefix: &&str| self.path.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with(['/', '.']));
        prefixes.iter().any(below)
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { place: format!("src/{}:{line}", self.path), what: what.into() }
    }

    /// The tokens before the tests.
    pub fn code(&self) -> &[Token] {
        let end = self.tokens.iter().position(|token| token.line >= self.tests);
        &self.tokens[..end.unwrap_or(self.tokens.len())]
    }

    /// `site/volume/mod.rs` is the module `site::volume`; `lib.rs` and `main.rs` are roots.
    fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|name| !matches!(*name, "lib" | "main")).map(str::to_owned).collect()
    }

    /// Every path that the source names, those of this crate from its root, with `crate` in front.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let (mut module, mut inline, mut depth) = (self.module(), Vec::new(), 0_usize);
        let mut paths = Vec::new();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            at += 1;
            match token.text.as_str() {
                "{" => {
                    depth += 1;
                    if at > 2 && self.tokens[at - 3].text == "mod" {
                        module.push(self.tokens[at - 2].text.clone());
                        inline.push(depth);
                    }
                }
                "}" => {
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        module.pop();
                    }
                    depth = depth.saturating_sub(1);
                }
                word if is_word(word) && !self.continues(at - 1) => {
                    let mut found = Vec::new();
                    at = tree(&self.tokens, at - 1, &[], &mut found);
                    found.retain(|path| *path != ["self"]); // the receiver of a method
                    paths.extend(found.into_iter().map(|path| (token.line, absolute(path, &module))));
                }
                _ => {}
            }
        }
        paths
    }

    /// Whether the word is no start of a path: the middle of one, a field, a visibility.
    fn continues(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
        match before(1) {
            "::" => is_word(before(2)) || before(2) == ">",
            "." => true,
            "(" => before(2) == "pub" && matches!(self.tokens[at].text.as_str(), "crate" | "super" | "self"),
            _ => false,
        }
    }
}

/// Reads the path or use tree at `at`, puts `prefix` before it and returns where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = if tokens[at].text == "," {
                        at + 1
                    } else {
                        tree(tokens, at, &path, found).max(at + 1)
                    };
                }
                return at + 1;
            }
            "self" if !path.is_empty() => {}
            word if is_word(word) || word == "*" => path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    if path.len() > prefix.len() || !prefix.is_empty() {
        found.push(path);
    }
    at
}

/// Resolves `self`, `super` and the crate's own name; other paths stay as they are.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut from = match path[0].as_str() {
        "crate" | "airshipctl" => return [vec!["crate".into()], path[1..].to_vec()].concat(),
        "self" | "super" => module.to_vec(),
        _ => return path,
    };
    let steps = path.iter().take_while(|part| matches!(part.as_str(), "self" | "super")).count();
    let ups = path[..steps].iter().filter(|part| *part == "super").count();
    from.truncate(from.len().saturating_sub(ups));
    [vec!["crate".into()], from, path[steps..].to_vec()].concat()
}

pub fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn starts(tokens: &[Token], with: &[&str]) -> bool {
    tokens.len() >= with.len() && tokens.iter().zip(with).all(|(token, text)| token.text == *text)
}

/// Splits source into words and signs; comments vanish, literals become `""`.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let (end, kind) = lexeme(&chars, at);
        let text = match kind {
            Kind::Blank => None,
            Kind::Literal => Some("\"\"".to_owned()),
            Kind::Code => Some(chars[at..end].iter().collect()),
        };
        tokens.extend(text.map(|text| Token { text, line }));
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

enum Kind {
    Blank,
    Literal,
    Code,
}

/// Where the lexeme that begins at `at` ends, and what it is.
fn lexeme(chars: &[char], at: usize) -> (usize, Kind) {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or('\0');
    let until = |mut end: usize, more: fn(char) -> bool| {
        while end < chars.len() && more(chars[end]) {
            end += 1;
        }
        end
    };
    match (next(0), next(1)) {
        (c, _) if c.is_whitespace() => (at + 1, Kind::Blank),
        ('/', '/') => (until(at, |c| c != '\n'), Kind::Blank),
        ('/', '*') => (block_comment(chars, at), Kind::Blank),
        ('"', _) => (quoted(chars, at + 1, '"'), Kind::Literal),
        // a character, not a lifetime: closed after one character or one escape
        ('\'', '\\') => (quoted(chars, at + 1, '\''), Kind::Literal),
        ('\'', _) if next(2) == '\'' => (at + 3, Kind::Literal),
        (':', ':') => (at + 2, Kind::Code),
        (c, _) if c.is_alphanumeric() || c == '_' => {
            let end = until(at, |c| c.is_alphanumeric() || c == '_');
            let word: String = chars[at..end].iter().collect();
            match (word.as_str(), chars.get(end).copied().unwrap_or('\0')) {
                ("r" | "br" | "cr", '"' | '#') => {
                    raw(chars, end).map_or((end, Kind::Code), |end| (end, Kind::Literal))
                }
                ("b" | "c", '"') => (quoted(chars, end + 1, '"'), Kind::Literal),
                _ => (end, Kind::Code),
            }
        }
        _ => (at + 1, Kind::Code),
    }
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of a raw string whose signs begin at `at`; `None` for a raw identifier.
fn raw(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = at + hashes + 1;
    chars.get(at + hashes).filter(|c| **c == '"')?;
    let ends = (body..chars.len()).find(|end| chars[*end..].starts_with(&closing));
    Some(ends.map_or(chars.len(), |end| end + closing.len()))
}
