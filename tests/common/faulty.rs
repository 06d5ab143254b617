//! A registry inside the test process that misbehaves as it is told.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::guard::{Guard, Login, Tls};
use super::http::{Request, read_request};
use super::image::{Blob, Built, index_of};

/// What goes wrong with the answer to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Another status with this body.
    Status(u16, &'static str),
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// One byte of the body is another.
    Flip(usize),
    /// The body ends too early, and says that this is its length.
    Shorter(usize),
    /// The body goes on with zeros, and says that this is its length.
    Longer(usize),
    /// There is no answer at all.
    Mute,
    /// Nothing more comes after so many bytes.
    Silence(usize),
    /// A pause after so many bytes, then the rest.
    Pause(usize, Duration),
    /// The body comes in single bytes with such pauses between them.
    Drip(Duration),
    /// `Range` is not heeded.
    NoRange,
    /// A header is set, be it true or not.
    Header(&'static str, String),
    /// The body is another.
    Body(Vec<u8>),
}

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(60);

/// A fault for the targets that end in `suffix`, so many times.
struct Rule {
    suffix: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
struct State {
    manifests: HashMap<String, Blob>,
    blobs: HashMap<String, Blob>,
    rules: Vec<Rule>,
    log: Vec<Request>,
    guard: Guard,
    /// Blobs under way now, and at most so far.
    busy: usize,
    peak: usize,
}

/// Serves on a loopback port until the test process ends.
pub struct FaultyRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FaultyRegistry {
    pub fn start() -> Self {
        Self::serving(None)
    }

    /// Speaks TLS only.
    pub fn with_tls(tls: Tls) -> Self {
        Self::serving(Some(tls))
    }

    fn serving(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(State::default())));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (shared.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    // the first byte of TLS, on which a line would be waited for in vain
                    None if is_tls(&stream) => refuse_tls(stream),
                    None => serve(stream, &state),
                    Some(tls) => serve(tls.accept(stream), &state),
                });
            }
        });
        Self { address, state }
    }

    /// Host and port, as they stand in a reference.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the image under `tag` of any repository; returns a full reference.
    pub fn add(&self, tag: &str, image: &Built) -> String {
        self.add_blobs(image);
        self.add_manifest(tag, &image.manifest)
    }

    pub fn add_index(&self, tag: &str, images: &[&Built]) -> String {
        images.iter().for_each(|image| self.add_blobs(image));
        self.add_manifest(tag, &index_of(images))
    }

    /// Has any document under `tag`, and under its digest.
    pub fn add_manifest(&self, tag: &str, manifest: &Blob) -> String {
        let mut state = self.state.lock().unwrap();
        for name in [tag, manifest.digest.as_str()] {
            state.manifests.insert(name.to_owned(), manifest.clone());
        }
        format!("{}/team/builder:{tag}", self.host())
    }

    fn add_blobs(&self, image: &Built) {
        let mut state = self.state.lock().unwrap();
        for blob in image.blobs() {
            state.blobs.insert(blob.digest.clone(), blob.clone());
        }
        state.manifests.insert(image.manifest.digest.clone(), image.manifest.clone());
    }

    /// Serves only those who log in like this.
    pub fn require(&self, login: Login) {
        self.state.lock().unwrap().guard.require(login);
    }

    /// The tokens given out so far are good no more.
    pub fn revoke_tokens(&self) {
        self.state.lock().unwrap().guard.revoke();
    }

    /// Each token given out is good for so many requests.
    pub fn limit_tokens(&self, requests: usize) {
        self.state.lock().unwrap().guard.limit(requests);
    }

    /// How many blobs were under way at once, at most.
    pub fn peak(&self) -> usize {
        self.state.lock().unwrap().peak
    }

    /// Goes wrong `times` times for requests whose path ends in `suffix`.
    pub fn fault(&self, suffix: &str, times: usize, fault: Fault) {
        let rule = Rule { suffix: suffix.to_owned(), fault, left: times };
        self.state.lock().unwrap().rules.push(rule);
    }

    /// Behaves well from now on.
    pub fn heal(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().log.clone()
    }

    /// How many requests so far had a path that ends in `suffix`.
    pub fn count(&self, suffix: &str) -> usize {
        self.requests().iter().filter(|request| request.target.ends_with(suffix)).count()
    }
}

/// An answer before it is written.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    body: Vec<u8>,
    stop: Option<(usize, Stop)>,
}

enum Stop {
    Cut,
    Mute,
    Silence,
    Pause(Duration),
    Drip(Duration),
}

fn is_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).is_ok() && first == [0x16]
}

/// As Go's servers do.
fn refuse_tls(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
}

fn serve(stream: impl Read + Write, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let is_blob = usize::from(request.target.contains("/blobs/"));
        let answer = answer(&request, state);
        let count = |state: &mut State| {
            state.busy += is_blob;
            state.peak = state.peak.max(state.busy);
        };
        count(&mut state.lock().unwrap());
        let goes_on = write(stream.get_mut(), &request, answer);
        state.lock().unwrap().busy -= is_blob;
        if !goes_on {
            return;
        }
    }
}

fn answer(request: &Request, state: &Mutex<State>) -> Answer {
    let mut state = state.lock().unwrap();
    state.log.push(request.clone());
    let path = request.target.split('?').next().unwrap().to_owned();
    let mut faults = Vec::new();
    for rule in state.rules.iter_mut().filter(|rule| rule.left > 0 && path.ends_with(&rule.suffix)) {
        rule.left -= 1;
        faults.push(rule.fault.clone());
    }
    let name = path.rsplit('/').next().unwrap();
    let found = match (path.contains("/manifests/"), path.contains("/blobs/")) {
        (true, _) => state.manifests.get(name),
        (_, true) => state.blobs.get(name),
        _ => None,
    };
    let mut answer = match (found, path == "/v2/") {
        (Some(blob), _) => whole(blob),
        (None, true) => plain(200, b"{}"),
        (None, false) => plain(404, br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}"#),
    };
    if let Some(refusal) = state.guard.answer(request) {
        answer = refusal;
    }
    let ranged = path.contains("/blobs/") && !faults.iter().any(|fault| matches!(fault, Fault::NoRange));
    if ranged && answer.status == 200 {
        range(&mut answer, request);
    }
    faults.into_iter().for_each(|fault| spoil(&mut answer, fault));
    answer
}

pub fn plain(status: u16, body: &[u8]) -> Answer {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Answer { status, headers, body: body.to_vec(), stop: None }
}

fn whole(blob: &Blob) -> Answer {
    let headers = vec![
        ("Content-Type".to_owned(), blob.media_type.clone()),
        ("Docker-Content-Digest".to_owned(), blob.digest.clone()),
    ];
    Answer { status: 200, headers, body: blob.bytes.clone(), stop: None }
}

fn range(answer: &mut Answer, request: &Request) {
    let from = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    if let Some(from) = from.and_then(|from| from.parse::<usize>().ok()) {
        let total = answer.body.len();
        answer.status = 206;
        answer.headers.push(("Content-Range".to_owned(), format!("bytes {from}-{}/{total}", total - 1)));
        answer.body.drain(..from.min(total));
    }
}

fn spoil(answer: &mut Answer, fault: Fault) {
    match fault {
        Fault::Status(status, body) => *answer = plain(status, body.as_bytes()),
        Fault::CutAfter(count) => answer.stop = Some((count, Stop::Cut)),
        Fault::Flip(at) => {
            if let Some(byte) = answer.body.get_mut(at) {
                *byte ^= 1;
            }
        }
        Fault::Shorter(by) => answer.body.truncate(answer.body.len().saturating_sub(by)),
        Fault::Longer(by) => answer.body.extend(vec![0; by]),
        Fault::Mute => answer.stop = Some((0, Stop::Mute)),
        Fault::Silence(after) => answer.stop = Some((after, Stop::Silence)),
        Fault::Pause(after, pause) => answer.stop = Some((after, Stop::Pause(pause))),
        Fault::Drip(pause) => answer.stop = Some((0, Stop::Drip(pause))),
        Fault::NoRange => {}
        Fault::Header(name, value) => {
            answer.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            answer.headers.push((name.to_owned(), value));
        }
        Fault::Body(body) => answer.body = body,
    }
}

/// False when the connection must end.
fn write(stream: &mut impl Write, request: &Request, answer: Answer) -> bool {
    if let Some((_, Stop::Mute)) = answer.stop {
        std::thread::sleep(LONG);
        return false;
    }
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    if !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Length")) {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    answer.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    if stream.write_all(head.as_bytes()).is_err() || request.method == "HEAD" {
        return request.method == "HEAD";
    }
    let Some((count, stop)) = answer.stop else {
        return stream.write_all(&answer.body).and_then(|()| stream.flush()).is_ok();
    };
    let (now, rest) = answer.body.split_at(count.min(answer.body.len()));
    let _ = stream.write_all(now).and_then(|()| stream.flush());
    match stop {
        Stop::Cut => false,
        Stop::Silence | Stop::Mute => {
            std::thread::sleep(LONG);
            false
        }
        Stop::Pause(pause) => {
            std::thread::sleep(pause);
            stream.write_all(rest).and_then(|()| stream.flush()).is_ok()
        }
        Stop::Drip(pause) => rest.iter().all(|byte| {
            std::thread::sleep(pause);
            stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_ok()
        }),
    }
}
