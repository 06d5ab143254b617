//! One place to get an image from, asked by several requests at once.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Options;
use super::access::Access;
use super::client::Clients;
use super::failure::Failure;
use super::mirrors::Endpoint;
use crate::error::{Error, ErrorKind, Result};

/// New tokens that one request may take while nobody is served with them: there are registries that
/// refuse their own. More than one, since another request may have used up the last.
const RENEWALS: u32 = 3;

const NO_TLS: &str = "the registry does not speak TLS; plain HTTP is used with registries on this host, and with those that --insecure-registry names";

/// A repository of one registry.
pub(super) struct Place<'a> {
    pub(super) name: String,
    endpoint: Endpoint,
    pub(super) options: Options,
    access: &'a Access,
    /// Made when they are needed first: a mirror that is never asked needs no certificates. Who
    /// holds the lock gets the token; the others wait for it and take it too.
    clients: Mutex<Option<Clients>>,
    /// How often the token was renewed, which tells an old one from a new one.
    renewals: Cell<u32>,
    /// How many requests were granted.
    served: Cell<u64>,
    /// The registry has said not to come earlier.
    ready: Cell<Option<Instant>>,
}

impl<'a> Place<'a> {
    pub(super) fn new(endpoint: Endpoint, options: Options, access: &'a Access) -> Self {
        let name = format!("{}/{}", endpoint.reference.registry(), endpoint.reference.repository());
        let (clients, renewals, served, ready) =
            (Mutex::new(None), Cell::new(0), Cell::new(0), Cell::new(None));
        Self { name, endpoint, options, access, clients, renewals, served, ready }
    }

    /// Reads what is configured of it; nothing is sent yet.
    pub(super) fn prepare(&mut self) -> Result<()> {
        *self.clients.get_mut() = Some(Clients::new(&self.endpoint, &self.options, self.access)?);
        Ok(())
    }

    /// How long it wants to be left alone yet.
    pub(super) fn wait(&self) -> Duration {
        self.ready.get().map_or(Duration::ZERO, |ready| ready.saturating_duration_since(Instant::now()))
    }

    /// Makes one request by `request`, with new tokens where they run out.
    pub(super) async fn visit<T>(
        &self,
        reached: &mut u64,
        request: &mut impl AsyncFnMut(&mut Visit<'_, 'a>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // no time at all would be a millisecond
        if !self.wait().is_zero() {
            tokio::time::sleep(self.wait()).await;
        }
        let mut visit = Visit { place: self, token: self.renewals.get(), reached: 0 };
        let (mut renewals, mut served) = (0, self.served.get());
        loop {
            let outcome = request(&mut visit).await;
            *reached = visit.reached;
            if self.served.get() != served {
                (renewals, served) = (0, self.served.get());
            }
            match outcome {
                Err(Failure::Unauthorized(_)) if renewals < RENEWALS && self.renew(visit.token).await? => {
                    renewals += 1;
                }
                Err(failure) => return Err(failure),
                Ok(value) => {
                    self.served.set(served + 1);
                    return Ok(value);
                }
            }
        }
    }

    /// Forgets the token, unless another request has done so already; false where there is none.
    async fn renew(&self, token: u32) -> Result<bool> {
        let mut clients = self.clients.lock().await;
        if token != self.renewals.get() {
            return Ok(true);
        }
        match clients.as_mut().filter(|clients| clients.has_token()) {
            None => Ok(false),
            Some(clients) => {
                clients.renew()?;
                self.renewals.set(token + 1);
                Ok(true)
            }
        }
    }

    /// What to tell the user of a failure, and whether it is worth to come back.
    pub(super) async fn judge(&self, failure: Failure) -> Judgement {
        let clients = self.clients.lock().await;
        let remedy = |error: Error, remedy: &dyn Fn(&Clients) -> String| match clients.as_ref() {
            Some(clients) => error.hint(remedy(clients)),
            None => error,
        };
        match failure {
            Failure::Ours(error) => Judgement::Stop(error),
            Failure::Final(error) if error.kind() != ErrorKind::Image => Judgement::Stop(error),
            Failure::Final(error) => Judgement::Leave(error),
            Failure::Unauthorized(error) | Failure::Denied(error) => {
                Judgement::Leave(remedy(error, &Clients::remedy))
            }
            Failure::Untrusted(error) => {
                let said = error.to_string();
                Judgement::Leave(remedy(error, &|clients| clients.trust_remedy(&said)))
            }
            Failure::NoTls(error) => Judgement::Leave(error.hint(NO_TLS)),
            Failure::Transient(error) => Judgement::Return(error),
            Failure::Busy(error, wait) => self.postpone(error, wait),
        }
    }

    fn postpone(&self, error: Error, wait: Duration) -> Judgement {
        let seconds = wait.as_secs();
        let error = error.because(format!("it wants to be asked again in {seconds} s"));
        match Instant::now().checked_add(wait) {
            Some(ready) if wait <= self.options.longest_wait => {
                self.ready.set(Some(ready));
                Judgement::Return(error)
            }
            _ => Judgement::Leave(error.hint(format!("run this again in {seconds} seconds"))),
        }
    }
}

/// What a failure at one place means for the wish.
pub(super) enum Judgement {
    /// No other place would do better: the fault is on this side.
    Stop(Error),
    /// This place does not have it, or not for us.
    Leave(Error),
    /// It may have it in a moment.
    Return(Error),
}

/// A request at one place.
pub(super) struct Visit<'p, 'a> {
    pub(super) place: &'p Place<'a>,
    token: u32,
    /// How far the transfer has come, also where it fails.
    pub(super) reached: u64,
}

impl Visit<'_, '_> {
    /// Takes from the clients what the request needs; after that, others may have them.
    pub(super) async fn ask<T>(&mut self, take: impl FnOnce(&Clients) -> T) -> Result<T, Failure> {
        let place = self.place;
        let mut slot = place.clients.lock().await;
        let clients = match &mut *slot {
            Some(clients) => clients,
            none => none.insert(Clients::new(&place.endpoint, &place.options, place.access)?),
        };
        self.token = place.renewals.get();
        clients.authenticate().await?;
        Ok(take(clients))
    }
}
