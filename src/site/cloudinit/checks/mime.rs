//! MIME messages (RFC 2045, 2046), as far as cloud-init reads them: through Python's `email`, which
//! forgives much.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Deeper nesting is an attack; cloud-init's own tools make one level.
const MAX_DEPTH: usize = 8;
/// More parts than any message has; each one costs.
const MAX_PARTS: usize = 1000;

/// A part that is no container.
pub(super) struct Part<'a> {
    /// In lower case; `text/plain` where none is given (RFC 2045, 5.2).
    pub content_type: String,
    pub body: Cow<'a, [u8]>,
    /// The body's first line in the message, from 1.
    pub line: usize,
    pub encoding: Encoding,
}

/// Whether a body stands in the message as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Encoded,
}

/// What is wrong with a message, by its code, and where.
pub(super) struct Trouble {
    pub code: &'static str,
    pub line: usize,
    pub message: &'static str,
}

/// Takes messages apart.
#[derive(Default)]
pub(super) struct Splitter<'a> {
    pub parts: Vec<Part<'a>>,
    pub troubles: Vec<Trouble>,
}

/// Headers of a message or part.
struct Headers {
    content_type: String,
    boundary: Option<String>,
    transfer_encoding: String,
}

impl<'a> Splitter<'a> {
    /// Takes a message apart. `line` is where it begins, from 1.
    pub fn message(&mut self, bytes: &'a [u8], line: usize, depth: usize) {
        let (headers, body, body_line) = headers(bytes, line);
        if !headers.content_type.starts_with("multipart/") {
            return self.leaf(&headers, body, body_line);
        }
        let Some(boundary) = &headers.boundary else {
            return self.tell(
                "mime-boundary",
                line,
                "a multipart message names no boundary; cloud-init ignores it",
            );
        };
        if depth >= MAX_DEPTH {
            return self.tell("mime-limit", line, "is nested deeper than 8 messages");
        }
        let (sections, is_closed) = sections(body, body_line, boundary);
        if sections.is_empty() {
            return self.tell(
                "mime-boundary",
                line,
                "the boundary of a multipart message is nowhere in it; cloud-init ignores it",
            );
        }
        if !is_closed {
            self.tell(
                "mime-unclosed",
                line,
                "a multipart message without its closing boundary; is it cut off?",
            );
        }
        for (section, line) in sections {
            if self.parts.len() >= MAX_PARTS {
                return self.tell("mime-limit", line, "has more than 1000 parts");
            }
            self.message(section, line, depth + 1);
        }
    }

    fn tell(&mut self, code: &'static str, line: usize, message: &'static str) {
        self.troubles.push(Trouble { code, line, message });
    }

    fn leaf(&mut self, headers: &Headers, body: &'a [u8], line: usize) {
        let (body, encoding) = match headers.transfer_encoding.as_str() {
            "base64" => match std::str::from_utf8(body).ok().and_then(decode) {
                Some(bytes) => (Cow::Owned(bytes), Encoding::Encoded),
                None => {
                    return self.tell("mime-encoding", line, "a part that is not base64, as its header says");
                }
            },
            "quoted-printable" => (Cow::Owned(unquote(body)), Encoding::Encoded),
            _ => (Cow::Borrowed(body), Encoding::Identity),
        };
        self.parts.push(Part { content_type: headers.content_type.clone(), body, line, encoding });
    }
}

/// The headers, what is behind the empty line, and the line where that begins.
fn headers(bytes: &[u8], first: usize) -> (Headers, &[u8], usize) {
    let mut headers =
        Headers { content_type: "text/plain".into(), boundary: None, transfer_encoding: String::new() };
    let (mut rest, mut line, mut unfolded) = (bytes, first, Vec::<String>::new());
    loop {
        let (text, after) = split_line(rest);
        let shown = String::from_utf8_lossy(text);
        let is_folded = shown.starts_with([' ', '\t']) && !unfolded.is_empty();
        // what is no header begins the body, even without an empty line
        let name = shown.split_once(':').map(|(name, _)| name).filter(|name| !name.contains([' ', '\t']));
        if shown.trim().is_empty() || (!is_folded && name.is_none()) {
            let is_empty = shown.trim().is_empty() && !rest.is_empty();
            (rest, line) = if is_empty { (after, line + 1) } else { (rest, line) };
            break;
        }
        match unfolded.last_mut() {
            Some(last) if is_folded => last.push_str(&shown),
            _ => unfolded.push(shown.into_owned()),
        }
        (rest, line) = (after, line + 1);
    }
    for (name, value) in unfolded.iter().filter_map(|header| header.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                headers.content_type =
                    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                headers.boundary = boundary(value);
            }
            "content-transfer-encoding" => headers.transfer_encoding = value.trim().to_ascii_lowercase(),
            _ => {}
        }
    }
    (headers, rest, line)
}

/// The parameter `boundary`, with or without quotes, within which `;` means nothing.
fn boundary(content_type: &str) -> Option<String> {
    let mut is_quoted = false;
    let mut parameters = content_type.split(|c: char| {
        is_quoted ^= c == '"';
        c == ';' && !is_quoted
    });
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Base64 as Python's `email` takes it, with its padding or without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&STANDARD, padding).decode(packed).ok()
}

/// What is between the lines of the boundary, each with its first line, and whether the last one
/// closes the message.
fn sections<'a>(body: &'a [u8], first: usize, boundary: &str) -> (Vec<(&'a [u8], usize)>, bool) {
    let delimiter = format!("--{boundary}");
    let (mut found, mut open) = (Vec::new(), None);
    let (mut at, mut line) = (0, first);
    while at < body.len() {
        let (text, after) = split_line(&body[at..]);
        let next = body.len() - after.len();
        if let Some(tail) = text.strip_prefix(delimiter.as_bytes()).map(<[u8]>::trim_ascii_end)
            && (tail.is_empty() || tail == b"--")
        {
            if let Some((begin, line)) = open.take() {
                found.push((&body[begin..at], line));
            }
            if tail == b"--" {
                return (found, true);
            }
            open = Some((next, line + 1));
        }
        (at, line) = (next, line + 1);
    }
    if let Some((begin, line)) = open {
        found.push((&body[begin..], line));
    }
    (found, false)
}

/// The first line without its end, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (bytes[..at].strip_suffix(b"\r").unwrap_or(&bytes[..at]), &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// Quoted-printable (RFC 2045, 6.7); what is no escape stays as it is.
fn unquote(body: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (mut plain, mut rest) = (Vec::with_capacity(body.len()), body);
    loop {
        rest = match rest {
            [] => return plain,
            [b'=', b'\n', rest @ ..] | [b'=', b'\r', b'\n', rest @ ..] => rest,
            [b'=', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    // two hexadecimal digits are at most 255
                    plain.push((high * 16 + low) as u8);
                    after
                }
                _ => {
                    plain.push(b'=');
                    &rest[1..]
                }
            },
            [byte, rest @ ..] => {
                plain.push(*byte);
                rest
            }
        };
    }
}
