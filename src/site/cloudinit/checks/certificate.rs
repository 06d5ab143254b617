//! Certificates and private keys in PEM (RFC 7468), also in the base64 that kubeconfigs have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::findings::{Findings, Region};
use crate::site::yaml::Mark;

const BEGIN: &str = "-----BEGIN ";
/// `-----BEGIN` in base64, wherever PEM is encoded as a whole.
const ENCODED_BEGIN: &str = "LS0tLS1CRUdJTi";
/// A certificate that ends sooner is worth a word, in seconds.
const SOON: i64 = 30 * 24 * 60 * 60;

/// Who may read the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// The owner, perhaps a group.
    Few,
    /// Every user of the node.
    All,
}

/// Where to look.
pub(super) struct Search<'a> {
    /// The field, for messages.
    pub name: &'a str,
    pub region: Region<'a>,
    pub readers: Readers,
    /// Seconds since 1970.
    pub now: i64,
}

/// What may be wrong with one block.
enum Trouble {
    Error(&'static str, String),
    Warning(&'static str, String),
}

impl Search<'_> {
    /// Looks at every block; returns how many there are.
    pub fn text(&self, text: &str, findings: &mut Findings) -> usize {
        self.blocks(text, findings, |line| line) + self.encoded(text, findings)
    }

    /// PEM within base64, such as `certificate-authority-data` of a kubeconfig; places are that of
    /// the encoded word.
    fn encoded(&self, text: &str, findings: &mut Findings) -> usize {
        let (mut count, mut line, mut seen) = (0, 1, 0);
        for (at, _) in text.match_indices(ENCODED_BEGIN) {
            if at < seen {
                continue;
            }
            line += text[seen..at].matches('\n').count();
            let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
            let word = &text[at..at + text[at..].find(|c| !is_base64(c)).unwrap_or(text.len() - at)];
            seen = at + word.len();
            match STANDARD.decode(word).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(decoded) => count += self.blocks(&decoded, findings, |_| line),
                // a broken word, or base64 folded into lines
                None => {
                    let cause = "a certificate or key in base64 that cannot be decoded".into();
                    self.tell(Trouble::Error("certificate-unparsable", cause), line, findings);
                }
            }
        }
        count
    }

    /// Looks at the blocks of a text; `place` makes the line of a block one of the region.
    fn blocks(&self, text: &str, findings: &mut Findings, place: impl Fn(usize) -> usize) -> usize {
        let mut count = 0;
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let Some(label) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-----"))
            else {
                continue;
            };
            count += 1;
            let end = format!("-----END {label}-----");
            let mut body = String::new();
            let is_closed = lines.by_ref().map(|(_, line)| line.trim()).any(|line| {
                // the fields of an encrypted key have colons
                if !line.contains(':') && line != end {
                    body.push_str(line);
                }
                line == end
            });
            for trouble in self.block(label, &body, is_closed) {
                self.tell(trouble, place(index + 1), findings);
            }
        }
        count
    }

    fn tell(&self, trouble: Trouble, line: usize, findings: &mut Findings) {
        let mark = Mark::new(line, 1);
        match trouble {
            Trouble::Error(code, message) => {
                findings.error(code, &self.region, mark, &format!("`{}`: {message}", self.name));
            }
            Trouble::Warning(code, message) => {
                findings.warning(code, &self.region, mark, &format!("`{}`: {message}", self.name));
            }
        }
    }

    fn block(&self, label: &str, body: &str, is_closed: bool) -> Vec<Trouble> {
        if label.contains("-----") {
            let message = "a certificate or key whose line breaks are gone; write it as a block with |";
            return vec![Trouble::Error("certificate-unparsable", message.into())];
        }
        let what = match label {
            "CERTIFICATE" => "a certificate",
            _ if label.ends_with("PRIVATE KEY") => "a private key",
            // requests, revocations, public keys: nothing here knows when those are good
            _ => return Vec::new(),
        };
        let broken = |why| vec![Trouble::Error("certificate-unparsable", format!("{what} {why}"))];
        if !is_closed {
            return broken("without its line -----END");
        }
        let Ok(der) = STANDARD.decode(body) else { return broken("that is not base64") };
        if label != "CERTIFICATE" {
            return self.private_key();
        }
        match X509Certificate::from_der(&der) {
            Ok((_, certificate)) => self.validity(&certificate).into_iter().collect(),
            Err(_) => broken("that is not X.509"),
        }
    }

    fn private_key(&self) -> Vec<Trouble> {
        let message = "a private key in a file that every user may read; set permissions: \"0600\"";
        match self.readers {
            Readers::All => vec![Trouble::Warning("private-key-readable", message.into())],
            Readers::Few => Vec::new(),
        }
    }

    /// RFC 5280, 4.1.2.5: both ends belong to the time in which it is valid.
    fn validity(&self, certificate: &X509Certificate) -> Option<Trouble> {
        let validity = certificate.validity();
        let (begin, end) = (validity.not_before, validity.not_after);
        if end.timestamp() < self.now {
            let message = format!("a certificate that expired on {}", end.to_datetime().date());
            return Some(Trouble::Error("certificate-expired", message));
        }
        if begin.timestamp() > self.now {
            let message = format!("a certificate that is valid only from {} on", begin.to_datetime().date());
            return Some(Trouble::Warning("certificate-not-yet-valid", message));
        }
        (end.timestamp() - self.now < SOON).then(|| {
            let message = format!("a certificate that expires on {}", end.to_datetime().date());
            Trouble::Warning("certificate-expires-soon", message)
        })
    }
}
