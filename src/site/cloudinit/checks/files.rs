//! The files of `write_files`: where they go, who may read them, and whether their content is what its
//! encoding says.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::certificate::{self, Readers};
use super::findings::{Findings, Region};
use super::types::{Kind, whole};
use crate::site::yaml::{Mark, Node};

/// cc_write_files: what a file without permissions gets.
const DEFAULT_MODE: i128 = 0o644;

/// Looks at each file. `now` is in seconds since 1970.
pub(super) fn check(root: &Node, region: Region, now: i64, findings: &mut Findings) {
    let mut paths = HashSet::new();
    for (index, node) in root.get("write_files").and_then(Node::items).into_iter().flatten().enumerate() {
        if node.is_mapping() {
            let file = File { node, name: format!("write_files[{index}]"), region };
            file.path(&mut paths, findings);
            let mode = file.mode(findings);
            file.content(mode, now, findings);
        }
    }
}

/// One entry.
struct File<'a> {
    node: &'a Node,
    /// For messages.
    name: String,
    region: Region<'a>,
}

impl<'a> File<'a> {
    fn field(&self, key: &str) -> Option<(&'a Node, &'a str)> {
        self.node.get(key).and_then(|node| Some((node, node.text()?)))
    }

    fn path(&self, paths: &mut HashSet<String>, findings: &mut Findings) {
        let Some((node, path)) = self.field("path") else { return };
        if !path.starts_with('/') {
            let message = format!("`{}.path`: is not absolute; cloud-init writes it below /", self.name);
            findings.warning("relative-path", &self.region, node.mark, &message);
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let appends = self.node.get("append").is_some_and(|node| Kind::of(node) == Kind::Bool(true));
        if !paths.insert(parts.join("/")) && !appends {
            let message = format!("`{}.path`: an earlier file has this path and is overwritten", self.name);
            findings.warning("duplicate-file", &self.region, node.mark, &message);
        }
    }

    /// The mode that cloud-init will set (cc_write_files, `decode_perms`).
    fn mode(&self, findings: &mut Findings) -> i128 {
        let Some((node, text)) = self.field("permissions") else { return DEFAULT_MODE };
        match Kind::of(node) {
            Kind::Whole => {
                let mode = whole(text).unwrap_or(DEFAULT_MODE);
                let message = format!(
                    "`{}.permissions`: a number that is not in quotes; as YAML has it the file gets mode {mode:04o}",
                    self.name
                );
                findings.warning("permissions-number", &self.region, node.mark, &message);
                mode
            }
            Kind::Text => octal(text).unwrap_or_else(|| {
                let message = format!(
                    "`{}.permissions`: expected an octal number like \"0640\"; cloud-init would use 0644",
                    self.name
                );
                findings.error("file-permissions", &self.region, node.mark, &message);
                DEFAULT_MODE
            }),
            // a wrong type, which has been told
            _ => DEFAULT_MODE,
        }
    }

    fn content(&self, mode: i128, now: i64, findings: &mut Findings) {
        let Some((node, text)) = self.field("content") else { return };
        let encoding = self.field("encoding").map_or("text/plain", |(_, text)| text);
        let is_base64 = encoding.contains("b64") || encoding.contains("base64");
        let is_gzip = encoding.starts_with("gz");
        let region = self.region.of_scalar(node);
        let mut tell = |code, message: &str| {
            let message = format!("`{}.content`: {message}", self.name);
            findings.error(code, &self.region, node.mark, &message);
        };
        let bytes = match is_base64 {
            true => match decode(text) {
                Some(bytes) => Cow::Owned(bytes),
                None => return tell("content-encoding", "is not base64, as its encoding says"),
            },
            false => Cow::Borrowed(text.as_bytes()),
        };
        if is_gzip {
            // without base64 the bytes came through a tag `!!binary`, and are not had here
            if is_base64 && !bytes.starts_with(&[0x1f, 0x8b]) {
                tell("content-encoding", "is not compressed with gzip, as its encoding says");
            }
            return;
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return };
        if text.contains("ENC[AES256_GCM,") {
            return tell("sops-encrypted", super::super::choice::ENCRYPTED);
        }
        let region = if is_base64 { region.decoded() } else { region };
        let readers = if mode & 0o004 == 0 { Readers::Few } else { Readers::All };
        let name = format!("{}.content", self.name);
        certificate::Search { name: &name, region, readers, now }.text(text, findings);
    }
}

/// What `int(text, 8)` makes of it.
fn octal(text: &str) -> Option<i128> {
    let digits = text.trim().trim_start_matches("0o").replace('_', "");
    i128::from_str_radix(&digits, 8).ok().filter(|mode| (0..=0o7777).contains(mode))
}

/// Base64 with white space anywhere, as in folded lines.
fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).ok()
}

/// The certificates that the node shall trust.
pub(super) fn check_authorities(root: &Node, region: Region, now: i64, findings: &mut Findings) {
    for key in ["ca_certs", "ca-certs"] {
        let trusted = root.at(&[key, "trusted"]).and_then(Node::items);
        for (index, node) in trusted.into_iter().flatten().enumerate() {
            let Some(text) = node.text() else { continue };
            let name = format!("{key}.trusted[{index}]");
            let inner = region.of_scalar(node);
            let search = certificate::Search { name: &name, region: inner, readers: Readers::Few, now };
            if search.text(text, findings) == 0 {
                let message = format!("`{name}`: holds no certificate in PEM");
                findings.error("certificate-unparsable", &inner, Mark::new(1, 1), &message);
            }
        }
    }
}
