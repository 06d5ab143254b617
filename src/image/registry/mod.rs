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
mod place;
mod proxy;
mod retry;
mod source;
mod transport;
mod trust;
mod verifier;

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Runtime;

use super::digest::Digest;
use super::reference::Reference;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
pub use access::{Access, Places, Reach};
pub use credentials::Credential;
pub use retry::Pace;
use source::Source;

/// How patient a transfer is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For the connection, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// For the next byte.
    pub idle_timeout: Duration,
    /// The least that has to come of a transfer; below it is stalled.
    pub slowest: Pace,
    /// How often each place is asked before its failure is reported; at least 1.
    pub attempts: u32,
    /// Pause after the first failure; doubled after each further one.
    pub backoff: Duration,
    /// How long a registry that asks for patience (`Retry-After`) is waited for.
    pub longest_wait: Duration,
    /// How many blobs are under way at once; at least 1.
    pub parallel: usize,
}

impl Options {
    pub const DEFAULT: Self = Self {
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(30),
        slowest: Pace::DEFAULT,
        attempts: 3,
        backoff: Duration::from_millis(500),
        longest_wait: Duration::from_secs(60),
        parallel: 3,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
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

impl<S: Sink + ?Sized> Sink for &mut S {
    fn offset(&self) -> u64 {
        (**self).offset()
    }

    fn size(&self) -> u64 {
        (**self).size()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        (**self).append(bytes)
    }

    fn restart(&mut self) -> Result<()> {
        (**self).restart()
    }

    fn differs(&mut self) -> Result<Option<String>> {
        (**self).differs()
    }
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
    source: Source<'a>,
    parallel: usize,
    interrupt: &'a Interrupt,
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
        let source = Source::new(mirrors::endpoints(access, reference)?, options, access)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing(ErrorKind::Internal, || "starting the network runtime".into())?;
        Ok(Self { runtime: Some(runtime), source, parallel: options.parallel.max(1), interrupt })
    }

    /// Fetches the manifest or index of `name`, a tag or digest; at most `limit` bytes.
    pub fn manifest(&mut self, name: &str, limit: u64) -> Result<Fetched> {
        let what = format!("fetching manifest {name}");
        let fetched = self.source.anywhere(what, async |visit| fetch::manifest(visit, name, limit).await);
        self.run(fetched)
    }

    /// Fetches what `sink` still lacks of the blob, and has it compared with the digest.
    pub fn blob(&mut self, digest: &Digest, sink: &mut dyn Sink) -> Result<()> {
        self.blobs(vec![(digest.clone(), sink)], &mut |_, _| Ok(()))
    }

    /// Fetches what each sink still lacks of its blob, [`Options::parallel`] of them at once, begun
    /// in order. `done` gets each sink with its place in `downloads` as soon as it has all bytes
    /// and they have been compared with the digest; it is called on this thread, and nothing else
    /// goes on meanwhile.
    ///
    /// Ends with the first failure, its own or of `done`; the other sinks are dropped as they are.
    pub fn blobs<S: Sink>(
        &mut self,
        downloads: Vec<(Digest, S)>,
        done: &mut dyn FnMut(usize, S) -> Result<()>,
    ) -> Result<()> {
        let mut waiting = downloads.into_iter().enumerate();
        let download = async |(at, (digest, mut sink)): (usize, (Digest, S))| {
            let what = format!("fetching blob {digest}");
            let fetched =
                self.source.anywhere(what, async |visit| fetch::blob(visit, &digest, &mut sink).await);
            fetched.await.map(|()| (at, sink))
        };
        self.run(async {
            let mut running = FuturesUnordered::new();
            running.extend(waiting.by_ref().take(self.parallel).map(&download));
            while let Some(outcome) = running.next().await {
                let (at, sink) = outcome?;
                done(at, sink)?;
                running.extend(waiting.next().map(&download));
            }
            Ok(())
        })
    }

    /// Drives one future until it is done or a signal arrives.
    fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::new(ErrorKind::Internal, "using the network runtime after its end"));
        };
        runtime.block_on(async {
            let (work, stop) = (std::pin::pin!(work), std::pin::pin!(stopped(self.interrupt)));
            match select(work, stop).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right((error, _)) => Err(error),
            }
        })
    }
}

/// Who we are to the registry of `reference`, for others who pull in our name; `None` where nothing
/// says it. Fails with [`ErrorKind::Usage`] for a file or a helper that is no good.
pub fn credential(
    access: &Access,
    reference: &Reference,
    interrupt: &Interrupt,
) -> Result<Option<Credential>> {
    let (keeper, leash) = helper::leash();
    let find = || credentials::find(access, reference.registry(), reference.repository(), &leash);
    // in a thread, since helpers take their time
    let found = std::thread::scope(|scope| {
        let finding = scope.spawn(find);
        while !finding.is_finished() {
            if let Err(error) = interrupt.check() {
                keeper.pull();
                return Err(error);
            }
            std::thread::sleep(INTERRUPT_POLL / 10);
        }
        let panicked = |_| Error::new(ErrorKind::Internal, "looking for credentials");
        finding.join().map_err(panicked)?
    })?;
    Ok(found.map(|found| found.credential))
}

/// How soon a signal is seen.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

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
