//! Credential helpers: programs named `docker-credential-NAME` (docker's protocol, verb `get`).

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::printable;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Long enough for a key ring that asks for its password.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const OUTPUT_LIMIT: u64 = 1 << 20;
const POLL: Duration = Duration::from_millis(10);
/// What the protocol's own library says where there is nothing; helpers must say the same.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// User name and secret for `server`; `None` where the helper has none.
/// Fails with [`ErrorKind::Usage`], quoting what the helper said.
pub(super) fn get(name: &str, server: &str) -> Result<Option<(String, String)>> {
    ask(name, server, TIME_LIMIT)
        .map_err(|error| error.context(format!("asking docker-credential-{name} for {server}")))
}

fn ask(name: &str, server: &str, limit: Duration) -> Result<Option<(String, String)>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::new(ErrorKind::Usage, "this is not the name of a credential helper"));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(ErrorKind::Usage, || "starting it".into())
        .map_err(|error| error.hint("install the helper, or remove its name from the file"))?;
    let outcome = converse(&mut child, server, Instant::now() + limit);
    // it has ended already, or must now
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

fn converse(child: &mut Child, server: &str, deadline: Instant) -> Result<Option<(String, String)>> {
    let output = child.stdout.take().map(read_aside);
    let complaint = child.stderr.take().map(read_aside);
    if let Some(mut input) = child.stdin.take() {
        // a helper that does not read has its reasons, and says them
        let _ = input.write_all(server.as_bytes());
    }
    let (Some(output), Some(complaint)) = (output, complaint) else {
        return Err(Error::new(ErrorKind::Internal, "connecting to it"));
    };
    let text = before(deadline, &output)?;
    match wait(child, deadline)? {
        true => parse(&text).map(Some),
        false if String::from_utf8_lossy(&text).trim() == NOT_FOUND => Ok(None),
        false => Err(refusal(&text, &before(deadline, &complaint).unwrap_or_default())),
    }
}

/// In threads, so that nothing that a helper does can hold us up for ever.
fn read_aside(stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // what was read before an error is all there is
        let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn before(deadline: Instant, receiver: &Receiver<Vec<u8>>) -> Result<Vec<u8>> {
    let left = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(left).map_err(|_| late())
}

/// Whether it ended well.
fn wait(child: &mut Child, deadline: Instant) -> Result<bool> {
    loop {
        let ended = child.try_wait().doing(ErrorKind::Internal, || "waiting for it".into())?;
        match ended {
            Some(status) => return Ok(status.success()),
            None if Instant::now() >= deadline => return Err(late()),
            None => std::thread::sleep(POLL),
        }
    }
}

fn late() -> Error {
    Error::new(ErrorKind::Usage, "it does not answer")
        .hint("run the helper by hand: does it wait for a password?")
}

/// The protocol has errors on standard output; not all helpers know.
fn refusal(output: &[u8], complaint: &[u8]) -> Error {
    let said = [output, complaint].map(|bytes| printable(&String::from_utf8_lossy(bytes)));
    let said = said.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| "it failed".to_owned());
    Error::new(ErrorKind::Usage, said)
}

/// Nothing of the answer is quoted: it is the secret.
fn parse(text: &[u8]) -> Result<(String, String)> {
    let wrong = || Error::new(ErrorKind::Usage, "its answer is no JSON object with Username and Secret");
    let value: Value = serde_json::from_slice(text).map_err(|_| wrong())?;
    let member = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    member("Username").zip(member("Secret")).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_parts_is_refused_and_not_quoted() {
        for text in ["", "s3cret", r#"{"Username":"s3cret"}"#, r#"{"Username":"s3cret","Secret":1}"#] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(!error.to_string().contains("s3cret"));
        }
        let (user, secret) = parse(br#"{"ServerURL":"x","Username":"u","Secret":"p"}"#).unwrap();
        assert_eq!((user.as_str(), secret.as_str()), ("u", "p"));
    }

    #[test]
    fn a_name_leads_to_no_other_directory() {
        for name in ["", "../x", "a/b", "a b"] {
            assert_eq!(get(name, "h").unwrap_err().kind(), ErrorKind::Usage, "{name}");
        }
        assert!(get("no-such-helper", "h").unwrap_err().to_string().contains("No such file"));
    }
}
