//! Secrets that show themselves in any text, be it a script, a configuration file or a log.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::look::{self, KeyLook};

/// Shortest line of an encoded block.
const ENCODED_LINE: usize = 40;

/// Calls `found` with each secret in the text.
pub(super) fn scan(text: &str, found: &mut dyn FnMut(&str)) {
    for (block, line) in blocks(text) {
        match block {
            Block::Private if !line.starts_with("-----") => found(line),
            Block::None if !look::is_public(line) => scan_line(line, found),
            _ => {}
        }
    }
}

/// Calls `found` with each line that is secret by its looks: in a list of tokens, or in a file that
/// others may not read. Settings are not, unless [`scan`] finds them.
pub(super) fn opaque_lines(text: &str, found: &mut dyn FnMut(&str)) {
    let is_setting = |line: &str| {
        let name = assignment(line).map(|(name, _)| name);
        name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphabetic() || b"._-".contains(&b)))
    };
    let open = blocks(text).filter(|(block, _)| matches!(block, Block::None));
    open.map(|(_, line)| line).filter(|line| look::is_opaque(line) && !is_setting(line)).for_each(found);
}

/// The lines, each with what kind of block it is in.
fn blocks(text: &str) -> impl Iterator<Item = (Block, &str)> {
    text.lines().map(str::trim).scan(Block::None, |block, line| {
        let before = *block;
        *block = block.after(line);
        // the last line of a block belongs to it
        let own = if matches!(*block, Block::None) { before } else { *block };
        Some((own, line))
    })
}

/// Where in a text a line stands, by the lines of RFC 7468 around it.
#[derive(Clone, Copy)]
enum Block {
    None,
    Private,
    Public,
}

impl Block {
    fn after(self, line: &str) -> Self {
        match line.find("-----BEGIN ") {
            Some(at) if line[at..].contains("PRIVATE KEY") => Self::Private,
            Some(_) => Self::Public,
            None if line.contains("-----END ") => Self::None,
            None => self,
        }
    }
}

fn scan_line(line: &str, found: &mut dyn FnMut(&str)) {
    let mut is_announced = false;
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let bare = unquoted(word);
        if is_announced || is_hash(bare) || look::is_random(bare) {
            found(bare);
        }
        is_announced = announces(word, words.peek().copied());
        if let Some((name, value)) = assignment(bare) {
            let value = unquoted(value);
            match look::key(name) {
                KeyLook::Secret => found(value),
                _ if is_hash(value) || look::is_random(value) => found(value),
                _ => {}
            }
        }
        password_of_url(bare).into_iter().for_each(&mut *found);
    }
    if line.contains("chpasswd") {
        let logins = line.split_whitespace().filter_map(|word| unquoted(word).split_once(':'));
        logins.for_each(|(_, password)| found(unquoted(password)));
    }
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\'', ',', ';', '`', '(', ')', '{', '}', '[', ']'])
}

/// `--token X`, `password: X`, `PASSWORD = X`, `Authorization: Bearer X`.
fn announces(word: &str, next: Option<&str>) -> bool {
    let is_name = word.starts_with('-') || word.ends_with(':') || next == Some("=") || word == "Bearer";
    let name = unquoted(word).trim_start_matches('-').trim_end_matches([':', '"', '\'']);
    match next {
        // what it announces comes after these
        Some("Bearer" | "Basic") => false,
        _ => {
            (is_name && look::key(name) == KeyLook::Secret)
                || (word == "=" && next.is_some_and(look::is_random))
        }
    }
}

/// `NAME=value`, `--name=value`, `name:value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let at = word.find(['=', ':'])?;
    let name = word[..at].trim_start_matches('-').trim_matches(['"', '\'']);
    Some((name, &word[at + 1..])).filter(|(name, value)| !name.is_empty() && !value.is_empty())
}

/// crypt(5): `$id$...`.
fn is_hash(word: &str) -> bool {
    let mut parts = word.strip_prefix('$').into_iter().flat_map(|rest| rest.split('$'));
    let id = parts.next().is_some_and(|id| {
        (1..=10).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    id && parts.last().is_some_and(|hash| hash.len() >= 13)
}

/// `scheme://user:password@host`.
fn password_of_url(word: &str) -> Option<&str> {
    let authority = word.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

/// What the base64 blocks in a text say: the file contents in MIME and in cloud-config.
pub(super) fn encoded_blocks(text: &str) -> Vec<Vec<u8>> {
    let is_encoded = |line: &str| line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let (mut found, mut packed) = (Vec::new(), String::new());
    let open = blocks(text).map(|(block, line)| if matches!(block, Block::None) { line } else { "" });
    for line in open.chain([""]) {
        let goes_on = !packed.is_empty() && !line.is_empty();
        if is_encoded(line) && (goes_on || line.len() >= ENCODED_LINE) {
            packed.push_str(line);
        } else if !packed.is_empty() {
            let block = std::mem::take(&mut packed);
            found.extend(STANDARD.decode(&block).or_else(|_| STANDARD_NO_PAD.decode(&block)).ok());
        }
    }
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    found.retain(|decoded| std::str::from_utf8(decoded).is_ok_and(|text| text.chars().all(is_text)));
    found
}
