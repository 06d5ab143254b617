//! What is known of one repository, and how it is asked.

use std::sync::{Arc, Mutex, PoisonError};

use oci_distribution::Reference as Named;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};

use super::Options;
use super::access::Access;
use super::auth::{self, Authorization};
use super::credentials::{self, Found};
use super::failure::Failure;
use super::helper;
use super::mirrors::Endpoint;
use super::proxy::{Route, is_loopback};
use super::transport::{self, Scheme, Transport};
use super::trust::{Proof, Trust};
use crate::error::{Doing, ErrorKind, Result};

/// The HTTP library of `oci-client` with its names of registries. Its own client reads manifests and
/// the answers that are errors into memory whatever their size, knows no client certificates and no
/// hosts without authorities, and hashes every blob once more.
pub(super) struct Clients {
    http: reqwest::Client,
    /// Shared with the requests under way.
    transport: Arc<Transport>,
    named: Named,
    scheme: Scheme,
    /// Tried in order whenever there is no authorization yet.
    schemes: &'static [Scheme],
    trust: Trust,
    route: Route,
    options: Options,
    access: Access,
    credential: Lookup,
    /// `None` until the registry was asked what it wants.
    authorization: Option<Authorization>,
    /// What was asked for last, below the repository.
    asked: Mutex<Option<String>>,
    /// What the registry is asked for to learn what it wants; `None` is its front door.
    door: Option<String>,
}

/// What is known of our credentials.
enum Lookup {
    Pending,
    Done(Option<Found>),
}

/// A request for a manifest or a blob.
pub(super) struct Request {
    transport: Arc<Transport>,
    route: Route,
    builder: RequestBuilder,
}

impl Request {
    pub(super) fn header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        // those that are no values are never made
        if let Ok(value) = value.try_into() {
            self.builder = self.builder.header(name, value);
        }
        self
    }

    /// Sends it, and follows where the registry sends us.
    pub(super) async fn send(self) -> Result<Response, Failure> {
        self.transport.send(self.builder, self.route).await
    }
}

impl Clients {
    /// Prepares to talk to the registry of an endpoint; nothing is sent yet.
    pub(super) fn new(endpoint: &Endpoint, options: &Options, access: &Access) -> Result<Self> {
        let reference = &endpoint.reference;
        let trust = Trust::of(access, reference.registry(), endpoint.proof)?;
        let schemes = Scheme::of(reference.registry(), &trust);
        let route = Route::to(reference.registry());
        let http = transport::build(schemes[0], options, &trust, route)?;
        let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
        // which manifest is meant is said by each request
        let named = Named::with_tag(registry, repository, String::new());
        Ok(Self {
            http,
            transport: Arc::new(Transport::new(access, options)),
            named,
            scheme: schemes[0],
            schemes,
            trust,
            route,
            options: *options,
            access: access.clone(),
            credential: Lookup::Pending,
            authorization: None,
            asked: Mutex::default(),
            door: None,
        })
    }

    /// Finds out what the registry wants of those who ask, and gets it.
    pub(super) async fn authenticate(&mut self) -> Result<(), Failure> {
        if self.authorization.is_some() {
            return Ok(());
        }
        self.look_up().await?;
        let mut outcome = self.authorize().await;
        for scheme in &self.schemes[1..] {
            if !matches!(outcome, Err(Failure::NoTls(_) | Failure::Transient(_))) {
                break;
            }
            self.switch(*scheme)?;
            outcome = self.authorize().await;
        }
        if outcome.is_err() && self.scheme != self.schemes[0] {
            self.switch(self.schemes[0])?;
        }
        self.authorization = Some(outcome.map_err(|failure| failure.context("authenticating"))?);
        Ok(())
    }

    /// Finds our credentials. In a thread, since helpers take their time; dropping the future ends
    /// them.
    async fn look_up(&mut self) -> Result<()> {
        if matches!(self.credential, Lookup::Done(_)) {
            return Ok(());
        }
        let (keeper, leash) = helper::leash();
        let access = self.access.clone();
        let (registry, repository) = (self.named.registry().to_owned(), self.named.repository().to_owned());
        let find = move || credentials::find(&access, &registry, &repository, &leash);
        let found = tokio::task::spawn_blocking(find).await;
        drop(keeper);
        let found = found.doing(ErrorKind::Internal, || "looking for credentials".into())??;
        if let Some(Found { origin, .. }) = &found {
            tracing::debug!("credentials for {} are from {origin}", self.named.registry());
        }
        self.credential = Lookup::Done(found);
        Ok(())
    }

    fn credential(&self) -> Option<&Found> {
        match &self.credential {
            Lookup::Pending => None,
            Lookup::Done(found) => found.as_ref(),
        }
    }

    async fn authorize(&self) -> Result<Authorization, Failure> {
        let registry = Url::parse(&self.base()).doing(ErrorKind::Image, || "making the request".into())?;
        let request = match &self.door {
            None => self.http.get(self.base()),
            Some(path) => self.http.head(self.url(path)),
        };
        let answer = self.transport.send(request, self.route).await?;
        let credential = self.credential().map(|found| &found.credential);
        let asking = auth::Asking {
            http: &self.http,
            transport: &self.transport,
            route: self.route,
            registry,
            pace: self.options.slowest,
        };
        asking.authorize(answer, self.named.repository(), credential).await
    }

    fn switch(&mut self, scheme: Scheme) -> Result<()> {
        self.scheme = scheme;
        self.http = transport::build(scheme, &self.options, &self.trust, self.route)?;
        Ok(())
    }

    /// Whether a refusal may be no refusal when we ask anew: a token may have run out, and some
    /// registries say at the image what they did not say at their front door.
    pub(super) fn has_token(&self) -> bool {
        matches!(self.authorization, Some(Authorization::Bearer(_) | Authorization::Unasked))
    }

    /// Forgets what the registry wanted.
    pub(super) fn renew(&mut self) -> Result<()> {
        if matches!(self.authorization, Some(Authorization::Unasked)) {
            self.door = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        self.authorization = None;
        Ok(())
    }

    /// A request for a manifest or blob; `kind` is `manifests` or `blobs`.
    pub(super) fn get(&self, kind: &str, name: &str) -> Request {
        let path = format!("{kind}/{name}");
        let builder = self.http.get(self.url(&path));
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
        let builder = match &self.authorization {
            Some(authorization) => authorization.apply(builder),
            None => builder,
        };
        Request { transport: self.transport.clone(), route: self.route, builder }
    }

    /// What may help against a refusal.
    pub(super) fn remedy(&self) -> String {
        match self.credential() {
            Some(Found { origin, .. }) => format!(
                "the registry was shown the credentials of {origin}; log in again if they are too old, or ask for access to this image"
            ),
            None => "the registry does not give this image to everybody, or has no such image; log in with `podman login` or `docker login`, or name a file with credentials by --authfile".to_owned(),
        }
    }

    /// What may help against a failure of TLS.
    pub(super) fn trust_remedy(&self, said: &str) -> String {
        self.trust.remedy(said)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}/{path}", self.base(), self.named.repository())
    }

    fn base(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}/v2/", self.named.resolve_registry())
    }
}

impl Scheme {
    /// What may be tried with a registry, in order.
    fn of(registry: &str, trust: &Trust) -> &'static [Self] {
        match (is_loopback(registry), trust.is_ordinary(), trust.proof) {
            (true, true, _) => &[Self::Http],
            (true, false, _) | (false, _, Proof::Nothing) => &[Self::Https, Self::Http],
            (false, _, Proof::Certificate) => &[Self::Https],
        }
    }
}
