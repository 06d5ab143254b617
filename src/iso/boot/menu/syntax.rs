//! The language of `grub.cfg`: words, quotes, variables, blocks (GRUB manual, "Shell-like scripting").

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Blocks within each other.
const DEEPEST: usize = 16;

/// Part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(Word),
    End,
    Open,
    Close,
}

/// One command, with its block if it has one: that of `menuentry` and the like.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub words: Vec<Word>,
    pub block: Option<Vec<Command>>,
}

pub(super) type Variables = BTreeMap<String, String>;

impl Word {
    /// With the values of its variables, up to so many bytes and the part which goes beyond. One that is
    /// not set stays visible, as `$name`: what it will be is known only when the loader runs.
    pub fn expand(&self, variables: &Variables, most: usize) -> String {
        let mut expanded = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => expanded.push_str(text),
                Part::Variable(name) => match variables.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.extend(["$", name]),
                },
            }
            if expanded.len() > most {
                break;
            }
        }
        expanded
    }

    /// Text joins what was there, so that a quoted empty word stays one.
    fn text(&mut self, next: char) {
        match self.0.last_mut() {
            Some(Part::Text(text)) => text.push(next),
            _ => self.0.push(Part::Text(next.into())),
        }
    }
}

/// All commands of a file; `None` if a quote or a block has no end, which GRUB refuses as a whole.
pub(super) fn parse(text: &str) -> Option<Vec<Command>> {
    let mut tokens = Lexer { chars: text.chars().peekable() }.tokens()?.into_iter();
    let commands = block(&mut tokens, 0)?;
    Some(commands)
}

/// Up to its closing brace, or the end of the file for the outermost.
fn block(tokens: &mut impl Iterator<Item = Token>, depth: usize) -> Option<Vec<Command>> {
    let (mut commands, mut command) = (Vec::new(), Command::default());
    let mut end = |command: &mut Command| {
        let command = std::mem::take(command);
        if !command.words.is_empty() {
            commands.push(command);
        }
    };
    loop {
        match tokens.next() {
            Some(Token::Word(word)) => command.words.push(word),
            Some(Token::End) => end(&mut command),
            Some(Token::Open) if depth < DEEPEST => {
                command.block = Some(block(tokens, depth + 1)?);
                end(&mut command);
            }
            Some(Token::Close) if depth > 0 => break,
            None if depth == 0 => break,
            Some(Token::Open | Token::Close) | None => return None,
        }
    }
    end(&mut command);
    Some(commands)
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Lexer<'_> {
    /// `None` at the first quote without an end; blocks are counted later.
    fn tokens(mut self) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        while let Some(next) = self.chars.peek().copied() {
            match next {
                ' ' | '\t' | '\r' => drop(self.chars.next()),
                '#' => while self.chars.next_if(|next| *next != '\n').is_some() {},
                '\n' | ';' | '&' | '|' => self.single(Token::End, &mut tokens),
                '{' => self.single(Token::Open, &mut tokens),
                '}' => self.single(Token::Close, &mut tokens),
                // of a line that goes on in the next nothing may be left
                _ => tokens.extend(Some(self.word()?).filter(|word| !word.0.is_empty()).map(Token::Word)),
            }
        }
        Some(tokens)
    }

    /// `&&` and `||` are not followed either: what is behind them is a command like others.
    fn single(&mut self, token: Token, tokens: &mut Vec<Token>) {
        self.chars.next();
        tokens.push(token);
    }

    /// Up to a blank or what separates commands; quotes may be within.
    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(next) = self.chars.next_if(|next| !" \t\r\n;&|{}".contains(*next)) {
            match next {
                '\'' => self.single_quoted(&mut word)?,
                '"' => self.double_quoted(&mut word)?,
                '$' => self.variable(&mut word),
                '\\' => match self.chars.next()? {
                    '\n' => {}
                    escaped => word.text(escaped),
                },
                other => word.text(other),
            }
        }
        Some(word)
    }

    /// Everything up to the next quote as it is, line ends included.
    fn single_quoted(&mut self, word: &mut Word) -> Option<()> {
        word.0.push(Part::Text(String::new()));
        loop {
            match self.chars.next()? {
                '\'' => return Some(()),
                other => word.text(other),
            }
        }
    }

    /// Variables count within; a backslash only before what has a meaning there.
    fn double_quoted(&mut self, word: &mut Word) -> Option<()> {
        word.0.push(Part::Text(String::new()));
        loop {
            match self.chars.next()? {
                '"' => return Some(()),
                '$' => self.variable(word),
                '\\' => match self.chars.next()? {
                    '\n' => {}
                    escaped @ ('$' | '"' | '\\') => word.text(escaped),
                    other => {
                        word.text('\\');
                        word.text(other);
                    }
                },
                other => word.text(other),
            }
        }
    }

    /// `$name` or `${name}`; a dollar sign with anything else is itself.
    fn variable(&mut self, word: &mut Word) {
        let braces = self.chars.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(next) =
            self.chars.next_if(|next| next.is_ascii_alphanumeric() || "_?#@*".contains(*next))
        {
            name.push(next);
        }
        if braces {
            self.chars.next_if_eq(&'}');
        }
        match name.is_empty() {
            true => word.text('$'),
            false => word.0.push(Part::Variable(name)),
        }
    }
}
