//! Credential helpers: programs named `docker-credential-NAME` (docker's protocol, verb `get`).

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use serde_json::Value;

use super::failure::printable;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Long enough for a key ring that asks for its password.
const TIME_LIMIT: Duration = Duration::from_secs(60);
const OUTPUT_LIMIT: u64 = 1 << 20;
const POLL: Duration = Duration::from_millis(10);
/// What the protocol's own library says where there is nothing; helpers must say the same.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// How long an interrupted program waits for its helper's end.
const GRACE: Duration = Duration::from_secs(2);

/// Has helpers ended when it is dropped, and waits for that.
pub(super) struct Keeper {
    stop: Arc<AtomicBool>,
    /// Hangs up with the leash.
    ended: Receiver<()>,
}

/// What helpers are held by.
pub(super) struct Leash {
    stop: Arc<AtomicBool>,
    _held: Sender<()>,
}

pub(super) fn leash() -> (Keeper, Leash) {
    let (stop, (held, ended)) = (Arc::new(AtomicBool::new(false)), channel());
    (Keeper { stop: stop.clone(), ended }, Leash { stop, _held: held })
}

/// A leash that nobody pulls.
#[cfg(test)]
pub(super) fn loose() -> Leash {
    let (keeper, leash) = leash();
    std::mem::forget(keeper);
    leash
}

impl Keeper {
    /// Has helpers ended, without waiting for it.
    pub(super) fn pull(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pull();
        let _ = self.ended.recv_timeout(GRACE);
    }
}

/// How long an answer may take.
struct Patience<'a> {
    leash: &'a Leash,
    deadline: Instant,
    limit: Duration,
}

impl Patience<'_> {
    fn check(&self) -> Result<()> {
        if self.leash.stop.load(Ordering::SeqCst) {
            // nobody reads it: who let the leash go has an error of his own
            return Err(Error::new(ErrorKind::Usage, "it was interrupted"));
        }
        match Instant::now() >= self.deadline {
            true => Err(self.late()),
            false => Ok(()),
        }
    }

    fn late(&self) -> Error {
        let why = format!("it has not answered within {} seconds", self.limit.as_secs_f32());
        Error::new(ErrorKind::Usage, why).hint("run the helper by hand: does it wait for a password?")
    }
}

/// User name and secret for `server`; `None` where the helper has none.
/// Fails with [`ErrorKind::Usage`], quoting what the helper said.
pub(super) fn get(name: &str, server: &str, leash: &Leash) -> Result<Option<(String, String)>> {
    ask(name, server, leash)
        .map_err(|error| error.context(format!("asking docker-credential-{name} for {server}")))
}

fn ask(name: &str, server: &str, leash: &Leash) -> Result<Option<(String, String)>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::new(ErrorKind::Usage, "this is not the name of a credential helper"));
    }
    let patience = Patience { leash, deadline: Instant::now() + TIME_LIMIT, limit: TIME_LIMIT };
    run(Command::new(format!("docker-credential-{name}")), server, &patience)
}

fn run(mut command: Command, server: &str, patience: &Patience<'_>) -> Result<Option<(String, String)>> {
    // with a terminal there may be a question on it, which only the foreground can ask
    let alone = File::open("/dev/tty").is_err();
    if alone {
        command.process_group(0);
    }
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(ErrorKind::Usage, || "starting it".into())
        .map_err(|error| error.hint("install the helper, or remove its name from the file"))?;
    let outcome = converse(&mut child, server, patience);
    // the same goes for what it has started, where that can be told from us; its number is not
    // given away before it is waited for
    if outcome.is_err() && alone && matches!(child.try_wait(), Ok(None)) {
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    }
    // it has ended already, or must now
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

fn converse(child: &mut Child, server: &str, patience: &Patience<'_>) -> Result<Option<(String, String)>> {
    let output = child.stdout.take().map(read_aside);
    let complaint = child.stderr.take().map(read_aside);
    if let Some(mut input) = child.stdin.take() {
        // a helper that does not read has its reasons, and says them
        let _ = input.write_all(server.as_bytes());
    }
    let (Some(output), Some(complaint)) = (output, complaint) else {
        return Err(Error::new(ErrorKind::Internal, "connecting to it"));
    };
    let text = receive(&output, patience)?;
    match wait(child, patience)? {
        true => parse(&text).map(Some),
        false if String::from_utf8_lossy(&text).trim() == NOT_FOUND => Ok(None),
        false => Err(refusal(&text, &receive(&complaint, patience).unwrap_or_default())),
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

fn receive(receiver: &Receiver<Vec<u8>>, patience: &Patience<'_>) -> Result<Vec<u8>> {
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(bytes) => return Ok(bytes),
            Err(RecvTimeoutError::Timeout) => patience.check()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
        }
    }
}

/// Whether it ended well.
fn wait(child: &mut Child, patience: &Patience<'_>) -> Result<bool> {
    loop {
        let ended = child.try_wait().doing(ErrorKind::Internal, || "waiting for it".into())?;
        if let Some(status) = ended {
            return Ok(status.success());
        }
        patience.check()?;
        std::thread::sleep(POLL);
    }
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
            assert_eq!(get(name, "h", &loose()).unwrap_err().kind(), ErrorKind::Usage, "{name}");
        }
        assert!(get("no-such-helper", "h", &loose()).unwrap_err().to_string().contains("No such file"));
    }

    /// What a helper of this script does to a patience of `limit`, and whether a child of it is left.
    fn ask_script(script: &str, limit: Duration, leash: &Leash) -> (Result<Option<(String, String)>>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let child = dir.path().join("child");
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).env("CHILD", &child);
        let outcome = run(command, "h", &Patience { leash, deadline: Instant::now() + limit, limit });
        let pid = std::fs::read_to_string(child).unwrap_or_default();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // one that nobody waits for is a zombie
        (outcome, !pid.is_empty() && !state.is_empty() && !state.contains(") Z "))
    }

    #[test]
    fn a_helper_that_does_not_answer_is_ended_in_time() {
        let (_keeper, leash) = leash();
        let (outcome, left) = ask_script("exec sleep 50", Duration::from_millis(200), &leash);
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("not answered within 0.2 seconds"), "{error}");
        assert!(error.hint_text().unwrap().contains("password") && !left);
        // one that has closed its output and goes on
        let (outcome, _) = ask_script("exec sleep 50 >&- 2>&-", Duration::from_millis(200), &leash);
        assert!(outcome.unwrap_err().to_string().contains("not answered"));
    }

    #[test]
    fn letting_the_keeper_go_ends_the_helper() {
        let (keeper, leash) = leash();
        let start = Instant::now();
        let asking = std::thread::spawn(move || {
            ask_script("echo $$ > $CHILD; exec sleep 50", Duration::from_secs(50), &leash)
        });
        std::thread::sleep(Duration::from_millis(300));
        drop(keeper);
        let (outcome, left) = asking.join().unwrap();
        assert!(outcome.is_err() && !left);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
