//! Finds the secret values of a site: a walk through its Secrets and what is written within them.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::look::{self, KeyLook};
use super::{forms, text};
use crate::site::document::{Document, DocumentSet};
use crate::site::yaml::{self, Budget, Node, Origin, Value};

/// How often a value may hold an encoded one: user-data with a file that is base64 of another.
const DEPTH: usize = 4;

/// The patterns of the values in these files.
pub(super) fn of_files(files: &[&[u8]]) -> BTreeSet<Vec<u8>> {
    let mut found = Found::default();
    files.iter().for_each(|file| found.value(KeyLook::Open, file, DEPTH));
    found.patterns
}

/// The patterns of the values in all Secrets.
pub(super) fn of_secrets(documents: &DocumentSet) -> BTreeSet<Vec<u8>> {
    let mut found = Found::default();
    let secrets = documents.documents().iter().filter(|document| document.kind() == "Secret");
    secrets.for_each(|secret| found.document(secret));
    found.patterns
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    patterns: BTreeSet<Vec<u8>>,
    /// For all values together; what is beyond it is looked through as plain text.
    budget: Budget,
}

impl Found {
    fn document(&mut self, secret: &Document) {
        let section = |name: &str| secret.node().get(name).map_or(&[][..], Node::entries);
        for entry in section("stringData") {
            if let Some(text) = entry.value.text() {
                self.value(look::key(&entry.key), text.as_bytes(), DEPTH);
            }
        }
        for entry in section("data") {
            if let Some(bytes) = entry.value.text().and_then(decode) {
                self.value(look::key(&entry.key), &bytes, DEPTH);
            }
        }
    }

    /// A whole value of a Secret, or a whole file within one.
    fn value(&mut self, key: KeyLook, bytes: &[u8], depth: usize) {
        match std::str::from_utf8(bytes) {
            Ok(value) if value.trim().contains('\n') => self.text(key, value, depth),
            Ok(value) => self.line(key, value.trim(), depth),
            // such as a keytab; it is printed only encoded
            Err(_) => forms::encoded(bytes, &mut self.patterns),
        }
    }

    /// A value of one line.
    fn line(&mut self, key: KeyLook, value: &str, depth: usize) {
        match key {
            KeyLook::Secret => self.secret(value),
            KeyLook::Open if look::is_opaque(value) => self.secret(value),
            KeyLook::Open if value.starts_with(['{', '[']) => self.structured(value, depth),
            _ => text::scan(value, &mut |found| self.secret(found)),
        }
    }

    /// A value of several lines: something structured, or just lines.
    fn text(&mut self, key: KeyLook, value: &str, depth: usize) {
        let is_marked = key == KeyLook::Secret && !value.trim_start().starts_with(['#', '{', '-', '[']);
        if is_marked && !look::is_public(value) {
            self.secret(value);
        }
        self.structured(value, depth);
    }

    /// Cloud-config, network data, a kubeconfig: by its keys; and what shows itself in any text.
    fn structured(&mut self, value: &str, depth: usize) {
        text::scan(value, &mut |found| self.secret(found));
        if depth == 0 {
            return;
        }
        for decoded in text::encoded_blocks(value) {
            self.value(KeyLook::Open, &decoded, depth - 1);
        }
        let (origin, mut ignored) = (Origin::new("", Some(1)), Vec::new());
        for (_, root) in yaml::parse(&origin, value.as_bytes(), &mut self.budget, &mut ignored) {
            match &root.value {
                Value::Mapping(_) | Value::Sequence(_) => self.node(KeyLook::Open, &root, depth),
                Value::Scalar(_) => text::opaque_lines(value, &mut |found| self.secret(found)),
            }
        }
    }

    /// Everything below a key.
    fn node(&mut self, key: KeyLook, node: &Node, depth: usize) {
        match &node.value {
            Value::Scalar(scalar) if key == KeyLook::Secret => self.secret(&scalar.text),
            Value::Scalar(scalar) => text::scan(&scalar.text, &mut |found| self.secret(found)),
            Value::Sequence(items) => {
                // the words of a command: what a password is stands in the word before it
                let words: Option<Vec<&str>> = items.iter().map(Node::text).collect();
                if let Some(words) = words {
                    text::scan(&words.join(" "), &mut |found| self.secret(found));
                }
                items.iter().for_each(|item| self.node(key, item, depth));
            }
            Value::Mapping(_) => self.mapping(key, node, depth),
        }
    }

    fn mapping(&mut self, above: KeyLook, node: &Node, depth: usize) {
        let is_file = node.get("path").is_some();
        for entry in node.entries() {
            let own = match look::key(&entry.key) {
                KeyLook::Open => above,
                own => own,
            };
            match entry.key.as_str() {
                "content" if is_file => self.file(own, node, &entry.value, depth),
                "chpasswd" => self.logins(&entry.value),
                _ => {}
            }
            self.node(own, &entry.value, depth);
        }
    }

    /// An item of `write_files`.
    fn file(&mut self, key: KeyLook, item: &Node, content: &Node, depth: usize) {
        let Some(content) = content.text().filter(|_| depth > 0) else { return };
        let encoding = item.get("encoding").and_then(Node::text).unwrap_or_default();
        let decoded = if encoding.contains('b') { decode(content) } else { None };
        let bytes = decoded.as_deref().unwrap_or(content.as_bytes());
        self.value(key, bytes, depth - 1);
        let is_private = item.get("permissions").and_then(Node::text).is_some_and(|mode| mode.ends_with('0'));
        if let Some(text) = std::str::from_utf8(bytes).ok().filter(|_| is_private) {
            text::opaque_lines(text, &mut |found| self.secret(found));
        }
    }

    /// `chpasswd`: lines `user:password`, in one text or a list.
    fn logins(&mut self, node: &Node) {
        let Some(list) = node.get("list") else { return };
        let lines = list.items().unwrap_or(std::slice::from_ref(list)).iter().filter_map(Node::text);
        for (_, password) in lines.flat_map(str::lines).filter_map(|line| line.split_once(':')) {
            self.secret(password.trim());
        }
    }

    /// A value that is secret, unless it shows that anybody may know it. Of several lines, each is one.
    fn secret(&mut self, value: &str) {
        if look::is_public(value.trim()) {
            return;
        }
        value.lines().for_each(|line| forms::of_line(line.trim(), &mut self.patterns));
    }
}

/// Base64 with whatever line breaks.
fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).ok()
}
