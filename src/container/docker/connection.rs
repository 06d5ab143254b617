//! One engine, asked one thing at a time: async ends here.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::future::{Either, select};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;

use super::address::Address;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// For an engine to say that it is one.
const GREETING: Duration = Duration::from_secs(10);
/// For anything that an engine does at once, or does while others keep it busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// How soon a signal is seen.
const INTERRUPT_POLL: Duration = Duration::from_millis(50);
/// Longer messages are quoted in part.
const QUOTED: usize = 2000;

/// What an engine's answer is waited for against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    Signals,
    /// For what may have its effect before it is answered: the first signal is for that.
    SecondSignal,
    /// For what has to be done in any case: ending and removing.
    Nothing,
}

/// An engine that answers.
pub struct Connection {
    docker: Docker,
    line: Line,
    init: bool,
    version: String,
}

/// What drives requests, and until when.
struct Line {
    runtime: Runtime,
    address: Address,
    interrupt: Interrupt,
}

impl Connection {
    /// The engine that the environment names. Fails with `Host` where none answers, with `Usage`
    /// where it names none.
    pub fn of_environment(interrupt: &Interrupt) -> Result<Self> {
        Self::open(Address::of_environment()?, interrupt)
    }

    /// The engine at `address`. Fails with `Host` where none answers.
    pub fn open(address: Address, interrupt: &Interrupt) -> Result<Self> {
        let connecting = |error: Error| error.context(format!("connecting to Docker's engine at {address}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(ErrorKind::Internal, || "starting the network runtime".into())?;
        let line = Line { runtime, address: address.clone(), interrupt: interrupt.clone() };
        let knocked = line.drive(GREETING, Heed::Signals, knock(&address));
        knocked.and_then(|answer| answer).map_err(connecting)?;
        let docker = client(&address).map_err(|error| {
            let hint =
                "the directory DOCKER_CERT_PATH (default ~/.docker) has to have ca.pem, cert.pem and key.pem";
            connecting(explain(ErrorKind::Host, &error).hint(hint))
        })?;
        let docker = docker.with_request_modifier(encode_for_headers);
        let mut connection = Self { docker, line, init: false, version: String::new() };
        connection.greet().map_err(connecting)?;
        Ok(connection)
    }

    /// Which API it speaks, and whether it has an init for containers.
    fn greet(&mut self) -> Result<()> {
        let negotiated = async {
            let docker = self.docker.clone().negotiate_version().await?;
            let info = docker.info().await?;
            Ok((docker, info))
        };
        let greeted = self.line.drive(GREETING, Heed::Signals, negotiated)?;
        let (docker, info) = greeted.map_err(|error: EngineError| {
            explain(ErrorKind::Host, &error).hint("is it an engine of Docker's kind that answers there, and with or without TLS as DOCKER_TLS_VERIFY says?")
        })?;
        self.docker = docker;
        self.version = printable(&info.server_version.unwrap_or_else(|| "unknown".into()));
        let commit = info.init_commit.and_then(|commit| commit.id).unwrap_or_default();
        // what dockerd says where it does not find docker-init
        self.init = info.init_binary.is_some_and(|name| !name.is_empty()) && commit != "N/A";
        Ok(())
    }

    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    pub fn address(&self) -> &Address {
        &self.line.address
    }

    pub fn interrupt(&self) -> &Interrupt {
        &self.line.interrupt
    }

    /// The engine's own.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether containers can have an init that reaps and passes signals on.
    pub fn has_init(&self) -> bool {
        self.init
    }

    /// Waits for one answer. Fails with `kind`, with `Host` when none comes, with `Interrupted`.
    pub fn ask<T>(
        &self,
        kind: ErrorKind,
        heed: Heed,
        request: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T> {
        self.line.drive(PATIENCE, heed, request)?.map_err(|error| explain(kind, &error))
    }

    /// The same, where the thing asked for need not be there.
    pub fn find<T>(
        &self,
        kind: ErrorKind,
        heed: Heed,
        request: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<Option<T>> {
        match self.line.drive(PATIENCE, heed, request)? {
            Err(error) if status(&error) == Some(404) => Ok(None),
            answer => answer.map(Some).map_err(|error| explain(kind, &error)),
        }
    }

    /// Drives a future to its end, however long it takes, as long as it looks after itself.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.line.runtime.block_on(work)
    }
}

impl Line {
    fn drive<T>(&self, limit: Duration, heed: Heed, work: impl Future<Output = T>) -> Result<T> {
        let late = |_| {
            let why = format!("the engine at {} has not answered for {limit:?}", self.address);
            Error::new(ErrorKind::Host, why).hint("is it overloaded, or stopped? try `docker version`")
        };
        self.runtime.block_on(async {
            let timed = tokio::time::timeout(limit, work);
            let enough = match heed {
                Heed::Signals => 1,
                Heed::SecondSignal => 2,
                Heed::Nothing => return timed.await.map_err(late),
            };
            match select(pin!(timed), pin!(stopped(&self.interrupt, enough))).await {
                Either::Left((outcome, _)) => outcome.map_err(late),
                Either::Right((error, _)) => Err(error),
            }
        })
    }
}

/// Ends with the interrupt's error when so many signals have arrived.
async fn stopped(interrupt: &Interrupt, enough: u32) -> Error {
    loop {
        if interrupt.count() >= enough
            && let Err(error) = interrupt.check()
        {
            return error;
        }
        tokio::time::sleep(INTERRUPT_POLL).await;
    }
}

fn client(address: &Address) -> Result<Docker, EngineError> {
    let seconds = PATIENCE.as_secs();
    match address {
        Address::Unix(path) => {
            Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
        }
        Address::Tcp(place) => {
            Docker::connect_with_http(&format!("tcp://{place}"), seconds, API_DEFAULT_VERSION)
        }
        Address::Tls(place, dir) => {
            let [key, certificate, authority] = ["key.pem", "cert.pem", "ca.pem"].map(|name| dir.join(name));
            let place = format!("tcp://{place}");
            Docker::connect_with_ssl(&place, &key, &certificate, &authority, seconds, API_DEFAULT_VERSION)
        }
    }
}

/// Engines read credentials in the URL's form of base64 and take those in another for none at all;
/// the library writes the plain form.
fn encode_for_headers(mut request: BollardRequest) -> BollardRequest {
    const NAME: &str = "x-registry-auth";
    let plain = request.headers().get(NAME).and_then(|value| value.to_str().ok());
    let encoded = plain.and_then(|text| text.replace('+', "-").replace('/', "_").parse().ok());
    if let Some(encoded) = encoded {
        request.headers_mut().insert(NAME, encoded);
    }
    request
}

/// A connection for nothing but the reason why there is none.
async fn knock(address: &Address) -> Result<()> {
    match address {
        Address::Unix(path) => UnixStream::connect(path).await.map(drop).map_err(|error| no_socket(&error)),
        Address::Tcp(place) | Address::Tls(place, _) => {
            let connected = TcpStream::connect(place).await.map(drop);
            connected.map_err(|error| {
                Error::new(ErrorKind::Host, error.to_string())
                    .hint("DOCKER_HOST names this engine: is it right, and does the engine run?")
            })
        }
    }
}

fn no_socket(error: &io::Error) -> Error {
    let (why, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            "there is no such socket",
            "install and start Docker, say with DOCKER_HOST where its engine is, or use the built-in driver: --container-runtime oci",
        ),
        io::ErrorKind::PermissionDenied => (
            "permission denied",
            "only root and the group docker may use it: `usermod -aG docker USER`, then log in again; or use the built-in driver: --container-runtime oci",
        ),
        io::ErrorKind::ConnectionRefused => (
            "connection refused: the socket is there, but no engine listens",
            "start it, for example with `systemctl start docker`; or use the built-in driver: --container-runtime oci",
        ),
        _ => {
            return Error::new(ErrorKind::Host, error.to_string())
                .hint("is it an engine's socket? the built-in driver needs none: --container-runtime oci");
        }
    };
    Error::new(ErrorKind::Host, why).hint(hint)
}

/// The HTTP status with which the engine refused.
pub fn status(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// An engine's own words are enough; for the rest the chain of causes.
pub fn explain(kind: ErrorKind, error: &EngineError) -> Error {
    match error {
        EngineError::DockerResponseServerError { status_code, message } => {
            Error::new(kind, format!("the engine says: {} (status {status_code})", printable(message)))
        }
        EngineError::DockerStreamError { error } => {
            Error::new(kind, format!("the engine says: {}", printable(error)))
        }
        // nothing that was sent is in these
        other => {
            let caused = Error::caused(ErrorKind::Host, "talking to the engine", other);
            Error::new(ErrorKind::Host, printable(&caused.to_string()))
        }
    }
}

/// On one line, of reasonable length, and nothing that a terminal would obey.
pub fn printable(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(QUOTED).collect()
}
