//! Registries (distribution-spec, "Pull"): manifests and blobs, with the access people have
//! configured for their other container tools.
//!
//! The only place of this wing where there is HTTP and async; both end at this module's surface.

mod access;
mod auth;
mod certificate;
mod client;
mod credentials;
mod failure;
mod fetch;
mod helper;
mod mirrors;
mod proxy;
mod trust;
mod verifier;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::digest::Digest;
use super::reference::Reference;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
pub use access::{Access, Places, Reach};
use client::Clients;
use failure::Failure;
use mirrors::Endpoint;

/// How patient a transfer is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For the connection, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// For the next byte.
    pub idle_timeout: Duration,
    /// How often a request is made before its failure is reported; at least 1.
    pub attempts: u32,
    /// Pause after the first failure; doubled after each further one.
    pub backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            attempts: 3,
            backoff: Duration::from_millis(500),
        }
    }
}

/// Where the bytes of a blob go.
pub trait Sink {
    /// How many bytes are there already; the rest is asked for.
    fn offset(&self) -> u64;
    /// How many bytes there will be.
    fn size(&self) -> u64;
    /// Takes the next bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;
    /// Forgets what is there, when the registry cannot send just the rest.
    fn restart(&mut self) -> Result<()>;
    /// `None` once the bytes are what the digest says; else the digest they have, with the sink
    /// restarted. Asked when `size` bytes are there.
    fn differs(&mut self) -> Result<Option<String>>;
}

/// A manifest or index as the registry sent it.
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// The `Content-Type` header without parameters.
    pub media_type: Option<String>,
    /// Computed from the bytes; never taken from a header.
    pub digest: Digest,
}

/// One repository of a registry, and those that may stand in for it.
pub struct Registry<'a> {
    runtime: Option<Runtime>,
    clients: Clients,
    options: Options,
    access: &'a Access,
    interrupt: &'a Interrupt,
    /// Where it is looked for now.
    place: String,
    /// Where to look next.
    others: VecDeque<Endpoint>,
}

impl<'a> Registry<'a> {
    /// Prepares to talk to the registry of `reference`; nothing is sent yet.
    /// Fails with [`ErrorKind::Usage`] where what is configured is no good.
    pub fn new(
        reference: &Reference,
        options: Options,
        access: &'a Access,
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        // the last of several doors: nobody should have come so far
        if access.reach == Reach::Offline {
            let why = format!("asking {}: the network is not to be used", reference.registry());
            return Err(Error::new(ErrorKind::Image, why).hint("leave --offline out"));
        }
        let mut others = VecDeque::from(mirrors::endpoints(access, reference)?);
        let Some(first) = others.pop_front() else {
            return Err(Error::new(ErrorKind::Internal, "finding a place to look for the image"));
        };
        let place = place(&first);
        let clients = Clients::new(&first, &options, access)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(ErrorKind::Internal, || "starting the network runtime".into())?;
        Ok(Self { runtime: Some(runtime), clients, options, access, interrupt, place, others })
    }

    /// Fetches the manifest or index of `name`, a tag or digest; at most `limit` bytes.
    pub fn manifest(&mut self, name: &str, limit: u64) -> Result<Fetched> {
        self.anywhere(|here| here.manifest_here(name, limit))
    }

    /// Fetches what `sink` still lacks of the blob, and has it compared with the digest.
    pub fn blob(&mut self, digest: &Digest, sink: &mut dyn Sink) -> Result<()> {
        self.anywhere(|here| here.blob_here(digest, sink))
    }

    /// Goes from mirror to mirror until one has it. What one has begun another may go on with:
    /// digests say that it is the same.
    fn anywhere<T>(&mut self, mut get: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        loop {
            let error = match get(self) {
                Err(error) if error.kind() == ErrorKind::Image => error,
                outcome => return outcome,
            };
            let Some(next) = self.others.pop_front() else { return Err(error) };
            self.place = place(&next);
            tracing::warn!("{error}; going on with {}", self.place);
            self.clients = Clients::new(&next, &self.options, self.access)?;
        }
    }

    fn manifest_here(&mut self, name: &str, limit: u64) -> Result<Fetched> {
        let doing = format!("fetching manifest {name} from {}", self.place);
        self.retry(&doing, async |clients, _| {
            clients.authenticate().await?;
            fetch::manifest(clients, name, limit).await
        })
    }

    fn blob_here(&mut self, digest: &Digest, sink: &mut dyn Sink) -> Result<()> {
        let doing = format!("fetching blob {digest} from {}", self.place);
        let resumed = sink.offset() > 0;
        self.fill(&doing, digest, sink)?;
        let Some(got) = sink.differs()? else { return Ok(()) };
        // what an earlier run left may be at fault: a loss of power leaves zeros
        if resumed {
            tracing::warn!("{doing}: what an earlier run had fetched is damaged; starting over");
            self.fill(&doing, digest, sink)?;
            if sink.differs()?.is_none() {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Image, format!("{doing}: the registry sent other bytes, of digest {got}")))
    }

    fn fill(&mut self, doing: &str, digest: &Digest, sink: &mut dyn Sink) -> Result<()> {
        self.retry(doing, async |clients, progress| fetch::blob(clients, digest, sink, progress).await)
    }

    /// Makes a request until it succeeds, fails for good or has failed too often; an attempt that
    /// brought the transfer forward does not count. A token may run out once.
    fn retry<T>(
        &mut self,
        doing: &str,
        mut request: impl AsyncFnMut(&mut Clients, &mut u64) -> Result<T, Failure>,
    ) -> Result<T> {
        let (mut failed, mut renewed) = (0, false);
        loop {
            let mut progress = 0;
            let outcome = self.run(async |clients| request(clients, &mut progress).await)?;
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error.context(doing)),
                Err(Failure::Unauthorized(_)) if self.clients.has_token() && !renewed => {
                    renewed = true;
                    self.clients.renew()?;
                    continue;
                }
                Err(Failure::Unauthorized(error) | Failure::Denied(error)) => {
                    return Err(error.context(doing).hint(self.clients.remedy()));
                }
                Err(Failure::Untrusted(error)) => {
                    let remedy = self.clients.trust_remedy(&error.to_string());
                    return Err(error.context(doing).hint(remedy));
                }
                Err(Failure::NoTls(error)) => return Err(error.context(doing).hint(NO_TLS)),
                Err(Failure::Transient(error)) => error,
            };
            failed = if progress >= PROGRESS { 1 } else { failed + 1 };
            if failed >= self.options.attempts {
                return Err(error.context(doing));
            }
            tracing::warn!("{doing}: {error}; trying again");
            let pause = self.options.backoff * (1 << (failed - 1).min(6));
            self.run(async |_| tokio::time::sleep(pause).await)?;
        }
    }

    /// Drives one future until it is done or a signal arrives.
    fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Clients) -> T) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::new(ErrorKind::Internal, "using the network runtime after its end"));
        };
        let (clients, interrupt) = (&mut self.clients, self.interrupt);
        runtime.block_on(async {
            let work = std::pin::pin!(work(clients));
            let stop = std::pin::pin!(stopped(interrupt));
            match futures_util::future::select(work, stop).await {
                futures_util::future::Either::Left((value, _)) => Ok(value),
                futures_util::future::Either::Right((error, _)) => Err(error),
            }
        })
    }
}

fn place(endpoint: &Endpoint) -> String {
    format!("{}/{}", endpoint.reference.registry(), endpoint.reference.repository())
}

const NO_TLS: &str = "the registry does not speak TLS; plain HTTP is used with registries on this host, and with those that --insecure-registry names";

/// How soon a signal is seen.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

/// Bytes an attempt must have brought to be more than a failure; without a bound a registry that
/// sends a byte and hangs up could keep us for ever.
const PROGRESS: u64 = 1 << 20;

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        // a name lookup cannot be cancelled; do not wait for its thread
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ends with the interrupt's error when a signal has arrived. Asks, since watching the descriptor
/// takes an unsafe call.
async fn stopped(interrupt: &Interrupt) -> Error {
    loop {
        if let Err(error) = interrupt.check() {
            return error;
        }
        tokio::time::sleep(INTERRUPT_POLL).await;
    }
}
