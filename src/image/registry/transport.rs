//! Connections, and where redirects lead.
//!
//! The HTTP library keeps passwords from other hosts, but its connections to them would show the
//! registry's client certificate and trust the registry's own authorities. So redirects are
//! followed here: another host gets what is configured for it, and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Request, RequestBuilder, Response, Url};

use super::Options;
use super::access::Access;
use super::certificate;
use super::failure::Failure;
use super::proxy::Route;
use super::trust::{Proof, Trust};
use super::verifier::{self, Onlooker};
use crate::error::{Doing, Error, ErrorKind, Result};

const USER_AGENT: &str = concat!("airshipctl/", env!("CARGO_PKG_VERSION"));
/// As many as browsers follow.
const REDIRECTS: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// For registries on this machine, as docker and podman do, and for those that the user names.
    Http,
    Https,
}

/// Sends requests, and follows where they are sent.
pub(super) struct Transport {
    access: Access,
    options: Options,
    /// By host and port; blobs of one registry are mostly sent to one other host.
    others: Mutex<HashMap<String, Arc<Other>>>,
}

/// A host that a registry sends us to.
struct Other {
    http: reqwest::Client,
    trust: Trust,
    route: Route,
}

impl Other {
    fn explain(&self, failure: Failure, name: &str) -> Failure {
        let failure = match failure {
            Failure::Untrusted(error) => {
                let remedy = self.trust.remedy(&error.to_string());
                Failure::Untrusted(error.hint(remedy))
            }
            failure => failure,
        };
        failure.context(&format!("following the registry to {name}"))
    }
}

impl Transport {
    pub(super) fn new(access: &Access, options: &Options) -> Self {
        Self { access: access.clone(), options: *options, others: Mutex::default() }
    }

    /// Sends a request; the answer is of the last host.
    pub(super) async fn send(&self, request: RequestBuilder, route: Route) -> Result<Response, Failure> {
        let (http, request) = request.build_split();
        let request = request.map_err(Failure::of_http)?;
        let (method, mut url) = (request.method().clone(), request.url().clone());
        let (home, mut headers) = (place(&url), request.headers().clone());
        let mut answer = self.attempt(&http, request, route).await?;
        for _ in 0..REDIRECTS {
            let Some(next) = target(&answer, &url)? else { return Ok(answer) };
            // what was posted is a token, which is for the first host only
            if method != Method::GET && method != Method::HEAD {
                return Ok(answer);
            }
            answer = match place(&next) == home {
                true => self.attempt(&http, again(&method, &next, &headers), route).await?,
                false => {
                    // gone for good: the way back might be made up by the other host
                    headers.remove(AUTHORIZATION);
                    self.send_elsewhere(again(&method, &next, &headers)).await?
                }
            };
            url = next;
        }
        Err(Error::new(ErrorKind::Image, format!("there are more than {REDIRECTS} redirects")).into())
    }

    async fn send_elsewhere(&self, request: Request) -> Result<Response, Failure> {
        let name = host(request.url());
        let other = self.other(&name)?;
        let outcome = self.attempt(&other.http, request, other.route).await;
        outcome.map_err(|failure| other.explain(failure, &name))
    }

    /// Sends what is made for a host that a registry has named, at `url`; nothing goes along that is
    /// configured for the registry alone.
    pub(super) async fn send_to(
        &self,
        url: &Url,
        make: impl FnOnce(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let name = host(url);
        let other = self.other(&name)?;
        let outcome = self.send(make(&other.http), other.route).await;
        outcome.map_err(|failure| other.explain(failure, &name))
    }

    /// Connections to another host, made once.
    fn other(&self, name: &str) -> Result<Arc<Other>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = others.get(name) {
            return Ok(other.clone());
        }
        let trust = Trust::of(&self.access, name, Proof::Certificate)?;
        let route = Route::to(name);
        let http = build(Scheme::Http, &self.options, &trust, route)?;
        let other = Arc::new(Other { http, trust, route });
        others.insert(name.to_owned(), other.clone());
        Ok(other)
    }

    async fn attempt(
        &self,
        http: &reqwest::Client,
        request: Request,
        route: Route,
    ) -> Result<Response, Failure> {
        let url = request.url().clone();
        match http.execute(request).await.map_err(Failure::of_http) {
            Err(Failure::Untrusted(error)) => {
                Err(Failure::Untrusted(self.with_issuer(error, &url, route).await))
            }
            outcome => outcome,
        }
    }

    /// Says whose signature was not good enough, for which the host is connected to once more;
    /// nothing is sent.
    async fn with_issuer(&self, error: Error, url: &Url, route: Route) -> Error {
        let onlooker = Onlooker::new();
        let Ok(config) = onlooker.config() else { return error };
        let builder = prepare(&self.options, route).tls_backend_preconfigured(config);
        let Ok(http) = builder.build() else { return error };
        // refused, always
        let _ = http.get(url.clone()).send().await;
        match onlooker.seen().and_then(|certificate| certificate::issuer(&certificate)) {
            Some(issuer) => error.because(format!("the certificate was issued by {issuer}")),
            None => error,
        }
    }
}

fn again(method: &Method, url: &Url, headers: &HeaderMap) -> Request {
    let mut request = Request::new(method.clone(), url.clone());
    *request.headers_mut() = headers.clone();
    request
}

/// Where an answer to a request for `url` sends us (RFC 9110, 15.4).
fn target(answer: &Response, url: &Url) -> Result<Option<Url>> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Image, format!("following a redirect: {why}")));
    let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(next) = location.to_str().ok().and_then(|text| url.join(text).ok()) else {
        return refuse("it leads to what is no address");
    };
    leads(url, &next).map(|()| Some(next)).or_else(refuse)
}

/// Whether what is at `url` may send us to `next`.
pub(super) fn leads(url: &Url, next: &Url) -> Result<(), &'static str> {
    match (url.scheme(), next.scheme()) {
        // a manifest by tag has nothing but TLS to vouch for it, a password nothing but TLS to hide
        // it; no registry takes that away
        ("https", "http") => Err("it leads from https to http"),
        (_, "http" | "https") => Ok(()),
        _ => Err("it leads neither to http nor to https"),
    }
}

/// Host and port as a registry is called: without the port that goes without saying.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

pub(super) fn place(url: &Url) -> (Option<String>, Option<u16>) {
    (url.host_str().map(str::to_owned), url.port_or_known_default())
}

/// A client for one host. A host without any certificates of authorities can have plain HTTP.
pub(super) fn build(
    scheme: Scheme,
    options: &Options,
    trust: &Trust,
    route: Route,
) -> Result<reqwest::Client> {
    install_tls_provider();
    let built = match builder(scheme, options, trust, route)?.build() {
        Err(_) if scheme == Scheme::Http => {
            builder(scheme, options, trust, route)?.tls_certs_only([]).build()
        }
        built => built,
    };
    built.doing(ErrorKind::Image, || "preparing the registry client".into()).map_err(|error| {
        error.hint("install the ca-certificates package, name certificates by --ca-file, or set SSL_CERT_FILE to a bundle of them")
    })
}

fn builder(scheme: Scheme, options: &Options, trust: &Trust, route: Route) -> Result<ClientBuilder> {
    let builder = prepare(options, route)
        .tls_danger_accept_invalid_certs(trust.proof == Proof::Nothing)
        // nor may the realm of a challenge take TLS away
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
        .user_agent(USER_AGENT)
        // see above
        .redirect(Policy::none());
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
