//! Engines that are not well, or are none.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airshipctl::container::docker::{Address, Connection, Credentials, Docker, Image, ImageName, When};
use airshipctl::error::{Error, ErrorKind, Result};
use airshipctl::interrupt::Interrupt;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::bench::assert_says;
use super::common::http::{Request, read_request};

pub const TESTS: &[(&str, fn())] = &[
    ("fake::an_error_in_the_pull_stream_is_one_though_the_answer_is_200", error_in_stream),
    ("fake::a_pull_that_breaks_off_is_an_error", broken_stream),
    ("fake::credentials_reach_the_engine_in_the_form_that_it_reads", credentials_encoded),
    ("fake::an_engine_is_never_asked_to_pull_when_it_must_not", never_asked),
    ("fake::credentials_that_cannot_be_had_fail_the_pull", no_credentials),
    ("fake::an_engine_that_hangs_is_given_up", hung),
    ("fake::an_engine_that_hangs_is_left_at_a_signal", hung_and_interrupted),
    ("fake::what_is_no_engine_is_told_apart", no_engine),
    ("fake::an_engine_that_goes_away_in_the_midst_of_a_pull_is_no_success", gone),
];

const ID: &str = "sha256:5d41402abc4b2a76b9719d911017c592ae41402abc4b2a76b9719d911017c592";

/// What the engine does when it is asked.
enum Answer {
    Json(u16, Value),
    /// As it stands, all of the answer.
    Raw(Vec<u8>),
    Nothing,
}

struct Fake {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("docker.sock")).unwrap();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let noting = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noting, answer) = (Arc::clone(&noting), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &noting, &*answer));
            }
        });
        Self { dir, asked }
    }

    /// An engine that has this image, or none, and pulls with these lines.
    fn pulling(image: Option<Value>, lines: &'static str) -> Self {
        Self::start(move |request| match request.target.as_str() {
            target if target.contains("/images/create") => Answer::Raw(whole(200, lines.as_bytes())),
            target if target.contains("/images/") => match &image {
                Some(image) => Answer::Json(200, image.clone()),
                None => Answer::Json(404, json!({"message": "No such image"})),
            },
            target => greeting(target),
        })
    }

    fn connect(&self) -> Result<Connection> {
        self.connect_until(&Interrupt::manual().unwrap())
    }

    fn connect_until(&self, interrupt: &Interrupt) -> Result<Connection> {
        Connection::open(Address::Unix(self.dir.path().join("docker.sock")), interrupt)
    }

    fn pull(&self, when: When, credentials: &dyn Fn() -> Result<Option<Credentials>>) -> Result<Image> {
        let name = ImageName {
            registry: "registry.example".into(),
            repository: "registry.example/team/builder".into(),
            version: ":1".into(),
        };
        Docker::new(self.connect().unwrap(), self.dir.path().join("state")).pull(&name, when, credentials)
    }

    fn asked_for(&self, part: &str) -> Vec<Request> {
        self.asked.lock().unwrap().iter().filter(|request| request.target.contains(part)).cloned().collect()
    }
}

fn serve(stream: UnixStream, asked: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Answer) {
    let Some(request) = read_request(&mut BufReader::new(stream.try_clone().unwrap())) else { return };
    asked.lock().unwrap().push(request.clone());
    let mut stream = stream;
    let _ = match answer(&request) {
        Answer::Json(status, value) => stream.write_all(&whole(status, value.to_string().as_bytes())),
        Answer::Raw(bytes) => stream.write_all(&bytes),
        // until the client hangs up
        Answer::Nothing => stream.read_to_end(&mut Vec::new()).map(drop),
    };
}

fn whole(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn greeting(target: &str) -> Answer {
    match target.ends_with("/version") {
        true => Answer::Json(200, json!({"Version": "20.10", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})),
        false => {
            Answer::Json(200, json!({"ID": "x", "InitBinary": "docker-init", "InitCommit": {"ID": "N/A"}}))
        }
    }
}

fn anonymous() -> Result<Option<Credentials>> {
    Ok(None)
}

fn an_image() -> Value {
    json!({"Id": ID, "RepoDigests": [], "Config": {"User": "7"}})
}

fn failing(image: Option<Value>, lines: &'static str) -> Error {
    let pulled = Fake::pulling(image, lines).pull(When::Always, &anonymous);
    pulled.map(|image| image.id).expect_err("a failed pull was taken for a good one")
}

fn error_in_stream() {
    let told = "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}\r\n";
    // also where an older image is there
    for image in [None, Some(an_image())] {
        let error = failing(image, told);
        assert_says(
            &error,
            ErrorKind::Image,
            &["pulling registry.example/team/builder:1", "manifest unknown"],
        );
    }
    let denied = "{\"errorDetail\":{\"message\":\"unauthorized: who are you\"}}\n";
    assert_says(&failing(None, denied), ErrorKind::Image, &["--authfile"]);
    assert_says(&failing(Some(an_image()), "{\"error\":\"only this\"}\n"), ErrorKind::Image, &[]);
}

fn broken_stream() {
    assert_says(&failing(Some(an_image()), "{\"status\":\"Pulling\"}\nno json\n"), ErrorKind::Image, &[]);
    assert_says(&failing(None, ""), ErrorKind::Image, &["has it not"]);
}

fn credentials_encoded() {
    let password = "~~~???>>>\u{ff}\u{3ff}";
    for user in ["a", "an", "ann"] {
        let fake = Fake::pulling(Some(an_image()), "{\"status\":\"Pulling\"}\n");
        let given = || Ok(Some(Credentials::Password { user: user.into(), password: password.into() }));
        let image = fake.pull(When::Always, &given).unwrap();
        assert_eq!(
            (image.id.as_str(), image.digest.to_string(), image.user.as_str()),
            (ID, ID.to_owned(), "7")
        );
        let request = &fake.asked_for("/images/create")[0];
        assert!(
            request.target.contains("fromImage=registry.example%2Fteam%2Fbuilder&")
                && request.target.contains("tag=1")
        );
        let header = URL_SAFE.decode(&request.headers["x-registry-auth"]).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!((&header["username"], &header["password"]), (&json!(user), &json!(password)));
        assert_eq!(header["serveraddress"], "registry.example");
    }
}

fn never_asked() {
    let fake = Fake::pulling(None, "");
    let unasked = || -> Result<Option<Credentials>> { panic!("credentials were looked for") };
    let error = fake.pull(When::Never, &unasked).map(|image| image.id).unwrap_err();
    assert_says(&error, ErrorKind::Image, &["has it not", "--pull missing"]);
    let fake = Fake::pulling(Some(an_image()), "");
    assert_eq!(fake.pull(When::Missing, &unasked).unwrap().id, ID);
    assert!(fake.asked_for("/images/create").is_empty());
}

fn no_credentials() {
    let fake = Fake::pulling(None, "");
    let broken = || Err(Error::new(ErrorKind::Usage, "reading auth.json"));
    let error = fake.pull(When::Missing, &broken).map(|image| image.id).unwrap_err();
    assert_says(&error, ErrorKind::Usage, &["reading auth.json"]);
    assert!(fake.asked_for("/images/create").is_empty());
}

fn hung() {
    let fake = Fake::start(|_| Answer::Nothing);
    let begun = Instant::now();
    let error = fake.connect().map(drop).unwrap_err();
    assert_says(&error, ErrorKind::Host, &["docker.sock", "has not answered"]);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

fn hung_and_interrupted() {
    let fake = Fake::start(|_| Answer::Nothing);
    let (interrupt, begun) = (Interrupt::manual().unwrap(), Instant::now());
    let raising = interrupt.clone();
    let raiser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        raising.raise(2);
    });
    let error = fake.connect_until(&interrupt).map(drop).unwrap_err();
    raiser.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Interrupted(2));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

fn no_engine() {
    for raw in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"",
        &whole(200, b"<html>"),
        &whole(200, b"{}"),
        &whole(500, b"\x1b[2J"),
    ] {
        let raw = raw.to_vec();
        let error = Fake::start(move |_| Answer::Raw(raw.clone())).connect().map(drop).unwrap_err();
        assert_says(&error, ErrorKind::Host, &["connecting to Docker's engine at unix://"]);
        assert!(!error.to_string().contains('\x1b'), "{error}");
    }
}

fn gone() {
    let fake = Fake::start(|request| match request.target.as_str() {
        target if target.contains("/images/create") => {
            // longer than what comes
            Answer::Raw(
                b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"Pulling\"}\n{\"sta".to_vec(),
            )
        }
        target if target.contains("/images/") => Answer::Json(200, an_image()),
        target => greeting(target),
    });
    let error = fake.pull(When::Always, &anonymous).map(|image| image.id).unwrap_err();
    assert_says(&error, ErrorKind::Image, &["pulling registry.example/team/builder:1"]);
}
