//! Label selectors, in the grammar of Kubernetes (apimachinery, pkg/labels, `Parse`).

use std::fmt;

/// Requirements that labels have to meet, all of them; without any, everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// What one label has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// The operators of the grammar. Kubernetes treats `=` and `==` alike.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    Equals(String),
    /// As in Kubernetes, also true where the label is absent.
    NotEquals(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Parses for example `a=b,c!=d,e in (f,g),!h`. The message says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0 };
        let mut requirements = Vec::new();
        if parser.peek().is_none() {
            return Ok(Self { requirements });
        }
        loop {
            requirements.push(parser.requirement()?);
            match parser.take() {
                None => return Ok(Self { requirements }),
                Some(Token::Comma) => {}
                Some(other) => return Err(format!("expected `,` or the end, found `{other}`")),
            }
        }
    }

    /// A selector for a label that has one of several values.
    pub fn one_of(key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Self { requirements: vec![Requirement { key: key.to_owned(), test: Test::In(values) }] }
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels, given as a function from key to value, meet all requirements.
    pub fn matches<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.test.holds(value_of(&requirement.key)))
    }
}

impl Test {
    /// Whether the label's value, `None` where the label is absent, passes.
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        let among = |values: &[String]| value.is_some_and(|value| values.iter().any(|v| v == value));
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Equals(wanted) => value == Some(wanted),
            Self::NotEquals(wanted) => value != Some(wanted),
            Self::In(wanted) => among(wanted),
            Self::NotIn(wanted) => !among(wanted),
            Self::Greater(bound) => number().is_some_and(|number| number > *bound),
            Self::Less(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// In the same grammar, so that it can be parsed again.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.requirements.iter().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            match test {
                Test::Exists => write!(f, "{key}"),
                Test::Absent => write!(f, "!{key}"),
                Test::Equals(value) => write!(f, "{key}={value}"),
                Test::NotEquals(value) => write!(f, "{key}!={value}"),
                Test::In(values) => write!(f, "{key} in ({})", values.join(",")),
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
                Test::Greater(bound) => write!(f, "{key}>{bound}"),
                Test::Less(bound) => write!(f, "{key}<{bound}"),
            }?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
    Comma,
    Not,
    Equal,
    NotEqual,
    Greater,
    Less,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word(word) => word,
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
        })
    }
}

/// Splits the text. `in` and `notin` stay words: both may also be keys and values.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            c if c.is_ascii_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '>' => Token::Greater,
            '<' => Token::Less,
            '=' => {
                chars.next_if_eq(&'=');
                Token::Equal
            }
            '!' => match chars.next_if_eq(&'=') {
                Some(_) => Token::NotEqual,
                None => Token::Not,
            },
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|&c| is_word(c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
            c => return Err(format!("unexpected character {c:?}")),
        });
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._/".contains(c)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    /// One requirement, up to a comma or the end.
    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == Some(&Token::Not) {
            self.next += 1;
            return Ok(Requirement { key: self.key()?, test: Test::Absent });
        }
        let key = self.key()?;
        let test = self.test()?;
        Ok(Requirement { key, test })
    }

    /// What follows a key; nothing means that the label has to exist.
    fn test(&mut self) -> Result<Test, String> {
        let operator = match self.peek() {
            None | Some(Token::Comma) => return Ok(Test::Exists),
            Some(operator) => operator.clone(),
        };
        self.next += 1;
        match operator {
            Token::Equal => self.value().map(Test::Equals),
            Token::NotEqual => self.value().map(Test::NotEquals),
            Token::Greater => self.number().map(Test::Greater),
            Token::Less => self.number().map(Test::Less),
            Token::Word(word) if word == "in" => self.values().map(Test::In),
            Token::Word(word) if word == "notin" => self.values().map(Test::NotIn),
            other => Err(format!("expected one of = == != in notin > <, found `{other}`")),
        }
    }

    fn key(&mut self) -> Result<String, String> {
        match self.take() {
            Some(Token::Word(word)) => check_key(&word).map(|()| word),
            Some(other) => Err(format!("expected a label's key, found `{other}`")),
            None => Err("expected a label's key at the end".into()),
        }
    }

    /// A value may be empty, as in `a=,b`.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.next += 1;
                check_name("value", &word).map(|()| word)
            }
            _ => Ok(String::new()),
        }
    }

    /// A list in parentheses; `()` holds one empty value, as in Kubernetes.
    fn values(&mut self) -> Result<Vec<String>, String> {
        if self.take() != Some(Token::Open) {
            return Err("expected `(` after in or notin".into());
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                _ => return Err("expected `,` or `)` in a list of values".into()),
            }
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        self.value()?.parse().map_err(|_| "expected an integer after > or <".into())
    }
}

/// A qualified name: an optional DNS subdomain and `/`, then a name of at most 63 characters.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    match prefix {
        Some(prefix) if prefix.is_empty() || prefix.len() > 253 || !prefix.chars().all(is_dns) => {
            Err(format!("`{key}` is no label's key: bad prefix"))
        }
        _ if name.is_empty() => Err(format!("`{key}` is no label's key: the name is empty")),
        _ => check_name("key", name),
    }
}

/// The form that names and values of labels share: at most 63 characters, alphanumeric at both ends.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let sound = edge(name.chars().next()) && edge(name.chars().next_back()) && !name.contains('/');
    match sound && name.len() <= 63 {
        true => Ok(()),
        false => Err(format!("`{name}` is no label's {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(key: &str) -> Option<&'static str> {
        match key {
            "a" => Some("1"),
            "b" => Some("two"),
            "x.org/c" => Some("true"),
            "empty" => Some(""),
            "in" => Some("notin"),
            _ => None,
        }
    }

    #[test]
    fn selectors_decide_as_kubernetes_does() {
        for (text, expected) in [
            ("", true),
            (" ", true),
            ("a=1", true),
            ("a==1", true),
            ("a = 1 , b = two", true),
            ("a=2", false),
            ("z=", false),
            ("empty=", true),
            ("a!=2", true),
            ("z!=2", true),
            ("a!=1", false),
            ("x.org/c in (true, True)", true),
            ("x.org/c in (True)", false),
            ("a in (2,1)", true),
            ("empty in ()", true),
            ("empty in (,x)", true),
            ("z in (1)", false),
            ("a notin (1)", false),
            ("a notin (2,3)", true),
            ("z notin (1)", true),
            ("a", true),
            ("z", false),
            ("!z", true),
            ("!a", false),
            ("! z,a", true),
            ("a>0", true),
            ("a>1", false),
            ("a<2", true),
            ("b>0", false),
            ("in=notin", true),
            ("in in (notin)", true),
            ("a,b,!z,x.org/c=true", true),
        ] {
            let selector = LabelSelector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.matches(labels), expected, "{text}");
            let again = LabelSelector::parse(&selector.to_string()).unwrap();
            assert_eq!(again, selector, "{text} is shown as {selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_a_reason() {
        for text in [
            ",",
            "a,",
            ",a",
            "a=1,,b",
            "=1",
            "a=1 b",
            "a in 1",
            "a in (1",
            "a in (1 2)",
            "a in",
            "!a=1",
            "!",
            "a>x",
            "a~b",
            "/a",
            "x/",
            "a/b/c",
            "-a",
            "a=-",
            "A.org_/c",
            "é",
            "(a)",
        ] {
            let error = LabelSelector::parse(text).expect_err(text);
            assert!(!error.is_empty());
        }
        assert!(LabelSelector::parse(&"a".repeat(64)).is_err());
    }
}
