//! The HTTP clients of one repository.

use std::sync::Once;

use oci_distribution::client::{ClientConfig, ClientProtocol};
use oci_distribution::{Client, Reference as Named};
use reqwest::{ClientBuilder, RequestBuilder};

use super::Options;
use super::access::Access;
use super::auth::{self, Authorization};
use super::credentials::{self, Found};
use super::failure::Failure;
use super::mirrors::Endpoint;
use super::proxy::{Route, is_loopback};
use super::trust::{Proof, Trust};
use super::verifier::Onlooker;
use super::{certificate, proxy, verifier};
use crate::error::{Doing, Error, ErrorKind, Result};

const USER_AGENT: &str = concat!("airshipctl/", env!("CARGO_PKG_VERSION"));

/// `oci-client` for blobs; its HTTP library for tokens, and for manifests, which `oci-client` would
/// read into memory whatever their size.
pub(super) struct Clients {
    /// `None` where it cannot do what is needed: on a host without certificates, and where more
    /// than the host's certificates is configured.
    pub(super) oci: Option<Client>,
    pub(super) http: reqwest::Client,
    pub(super) named: Named,
    scheme: Scheme,
    /// Tried in order whenever there is no authorization yet.
    schemes: &'static [Scheme],
    trust: Trust,
    route: Route,
    options: Options,
    credential: Option<Found>,
    /// `None` until the registry was asked what it wants.
    authorization: Option<Authorization>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// For registries on this machine, as docker and podman do, and for those that the user names.
    Http,
    Https,
}

impl Clients {
    /// Prepares to talk to the registry of an endpoint; nothing is sent yet.
    pub(super) fn new(endpoint: &Endpoint, options: &Options, access: &Access) -> Result<Self> {
        install_tls_provider();
        let reference = &endpoint.reference;
        let trust = Trust::of(access, reference.registry(), endpoint.proof)?;
        let schemes = Scheme::of(reference.registry(), &trust);
        let credential = credentials::find(access, reference.registry(), reference.repository())?;
        if let Some(Found { origin, .. }) = &credential {
            tracing::debug!("credentials for {} are from {origin}", reference.registry());
        }
        let route = Route::to(reference.registry());
        let (oci, http) = build(schemes[0], options, &trust, route)?;
        let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
        // which manifest is meant is said by each request
        let named = Named::with_tag(registry, repository, String::new());
        Ok(Self {
            oci,
            http,
            named,
            scheme: schemes[0],
            schemes,
            trust,
            route,
            options: *options,
            credential,
            authorization: None,
        })
    }

    /// Finds out what the registry wants of those who ask, and gets it.
    pub(super) async fn authenticate(&mut self) -> Result<(), Failure> {
        if self.authorization.is_some() {
            return Ok(());
        }
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
        let authorization = outcome.map_err(|failure| failure.context("authenticating"))?;
        // without, the client asks for nothing: it would before every blob
        if let (Some(oci), Some(auth)) = (&self.oci, authorization.for_client()) {
            oci.store_auth_if_needed(self.named.resolve_registry(), &auth).await;
        }
        self.authorization = Some(authorization);
        Ok(())
    }

    async fn authorize(&self) -> Result<Authorization, Failure> {
        let credential = self.credential.as_ref().map(|found| &found.credential);
        let asked = auth::authorize(&self.http, &self.base(), self.named.repository(), credential).await;
        match asked {
            Err(Failure::Untrusted(error)) => Err(Failure::Untrusted(self.with_issuer(error).await)),
            asked => asked,
        }
    }

    /// Says whose signature was not good enough, for which the registry is connected to once more;
    /// nothing is sent.
    async fn with_issuer(&self, error: Error) -> Error {
        let onlooker = Onlooker::new();
        let Ok(config) = onlooker.config() else { return error };
        let builder = prepare(&self.options, self.route).tls_backend_preconfigured(config);
        let Ok(http) = builder.build() else { return error };
        // refused, always
        let _ = http.get(self.base()).send().await;
        match onlooker.seen().and_then(|certificate| certificate::issuer(&certificate)) {
            Some(issuer) => error.because(format!("the certificate was issued by {issuer}")),
            None => error,
        }
    }

    fn switch(&mut self, scheme: Scheme) -> Result<()> {
        self.scheme = scheme;
        (self.oci, self.http) = build(scheme, &self.options, &self.trust, self.route)?;
        Ok(())
    }

    /// Whether there is something that may have run out.
    pub(super) fn has_token(&self) -> bool {
        matches!(self.authorization, Some(Authorization::Bearer(_)))
    }

    /// Forgets the token; the client keeps the first one it saw, so it is made anew.
    pub(super) fn renew(&mut self) -> Result<()> {
        self.authorization = None;
        self.switch(self.scheme)
    }

    /// A request for a manifest or blob; `kind` is `manifests` or `blobs`.
    pub(super) fn get(&self, kind: &str, name: &str) -> RequestBuilder {
        let url = format!("{}{}/{kind}/{name}", self.base(), self.named.repository());
        let request = self.http.get(url);
        match &self.authorization {
            Some(authorization) => authorization.apply(request),
            None => request,
        }
    }

    /// What may help against a refusal.
    pub(super) fn remedy(&self) -> String {
        match &self.credential {
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

/// Without any certificates on the host `oci-client` cannot be made, not even for plain HTTP and
/// not with roots of our own (its `try_from` makes a default client on the way, which panics).
/// Client certificates it does not know, nor how to leave the environment's proxies aside.
fn build(
    scheme: Scheme,
    options: &Options,
    trust: &Trust,
    route: Route,
) -> Result<(Option<Client>, reqwest::Client)> {
    let failed = |error: &reqwest::Error| {
        Error::caused(ErrorKind::Image, "preparing the registry client", error)
            .hint("install the ca-certificates package, name certificates by --ca-file, or set SSL_CERT_FILE to a bundle of them")
    };
    let ordinary = trust.is_ordinary() && (route == Route::Environment || !proxy::is_configured());
    match build_http(scheme, options, trust, route)?.build() {
        Ok(http) if ordinary => Ok((Some(build_oci(scheme, options)?), http)),
        Ok(http) => Ok((None, http)),
        Err(_) if scheme == Scheme::Http => {
            let http = build_http(scheme, options, trust, route)?.tls_certs_only([]).build();
            http.map(|http| (None, http)).map_err(|error| failed(&error))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn build_oci(scheme: Scheme, options: &Options) -> Result<Client> {
    let config = ClientConfig {
        protocol: match scheme {
            Scheme::Http => ClientProtocol::Http,
            Scheme::Https => ClientProtocol::Https,
        },
        connect_timeout: Some(options.connect_timeout),
        read_timeout: Some(options.idle_timeout),
        user_agent: USER_AGENT,
        ..ClientConfig::default()
    };
    // not `new`, which goes on with defaults where the configuration is no good
    Client::try_from(config)
        .map_err(|error| Error::caused(ErrorKind::Image, "preparing the registry client", &error))
}

fn build_http(scheme: Scheme, options: &Options, trust: &Trust, route: Route) -> Result<ClientBuilder> {
    let builder = prepare(options, route)
        .tls_danger_accept_invalid_certs(trust.proof == Proof::Nothing)
        // a manifest by tag has nothing but TLS to vouch for it; no redirect takes that away
        .https_only(scheme == Scheme::Https);
    if trust.proof == Proof::Certificate && !trust.is_ordinary() {
        let config = verifier::config(trust);
        let config =
            config.doing(ErrorKind::Usage, || "preparing TLS with the configured certificates".into());
        return Ok(builder.tls_backend_preconfigured(config?));
    }
    match &trust.identity {
        Some(identity) => Ok(builder.identity(identity.for_client()?)),
        None => Ok(builder),
    }
}

fn prepare(options: &Options, route: Route) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.idle_timeout)
        .user_agent(USER_AGENT);
    match route {
        Route::Environment => builder,
        Route::Direct => builder.no_proxy(),
    }
}

/// rustls has none by default and panics without; a second installation changes nothing.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
