//! The HTTP clients of one repository.

use std::net::IpAddr;
use std::sync::Once;

use oci_distribution::client::{ClientConfig, ClientProtocol};
use oci_distribution::secrets::RegistryAuth;
use oci_distribution::{Client, Reference as Named, RegistryOperation};

use super::Options;
use super::failure::Failure;
use crate::error::{Error, ErrorKind, Result};
use crate::image::reference::Reference;

const USER_AGENT: &str = concat!("airshipctl/", env!("CARGO_PKG_VERSION"));

/// `oci-client` for authentication and blobs; its HTTP library for manifests, which `oci-client`
/// would read into memory whatever their size.
pub(super) struct Clients {
    /// `None` on a host without certificates, where only plain HTTP without a token is possible.
    pub(super) oci: Option<Client>,
    pub(super) http: reqwest::Client,
    pub(super) named: Named,
    scheme: Scheme,
    options: Options,
    token: Option<String>,
    authenticated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// For registries on this machine, as docker and podman do.
    Http,
    Https,
}

impl Clients {
    pub(super) fn new(reference: &Reference, options: &Options) -> Result<Self> {
        install_tls_provider();
        let scheme = Scheme::of(reference.registry());
        let (oci, http) = build(scheme, options)?;
        let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
        // which manifest is meant is said by each request
        let named = Named::with_tag(registry, repository, String::new());
        Ok(Self { oci, http, named, scheme, options: *options, token: None, authenticated: false })
    }

    /// Asks the registry for a token if it wants one. Done by itself so that a refusal's reason
    /// is seen: in its other calls the client goes on without a token.
    pub(super) async fn authenticate(&mut self) -> Result<(), Failure> {
        if self.authenticated {
            return Ok(());
        }
        let Some(oci) = &self.oci else { return Ok(()) };
        let asked = oci.auth(&self.named, &RegistryAuth::Anonymous, RegistryOperation::Pull).await;
        self.token = asked.map_err(|error| Failure::of_client(error).context("authenticating"))?;
        self.authenticated = true;
        Ok(())
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Forgets the token; the client keeps the first one it saw, so it is made anew.
    pub(super) fn renew(&mut self) -> Result<()> {
        (self.oci, self.http) = build(self.scheme, &self.options)?;
        (self.token, self.authenticated) = (None, false);
        Ok(())
    }

    /// The address of a manifest or blob; `kind` is `manifests` or `blobs`.
    pub(super) fn url(&self, kind: &str, name: &str) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}/v2/{}/{kind}/{name}", self.named.resolve_registry(), self.named.repository())
    }
}

impl Scheme {
    fn of(registry: &str) -> Self {
        match is_loopback(registry) {
            true => Self::Http,
            false => Self::Https,
        }
    }
}

/// Whether `registry`, a host with or without port, is this machine: `localhost`, 127.0.0.0/8 or
/// `[::1]`. Names are not looked up, so nobody's DNS can take TLS away.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or(registry),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without any certificates on the host `oci-client` cannot be made, not even for plain HTTP and
/// not with roots of our own (its `try_from` makes a default client on the way, which panics).
fn build(scheme: Scheme, options: &Options) -> Result<(Option<Client>, reqwest::Client)> {
    let without = match build_http(scheme, options, Roots::System) {
        Ok(http) => return Ok((Some(build_oci(scheme, options)?), http)),
        Err(error) => error,
    };
    match scheme {
        Scheme::Http => build_http(scheme, options, Roots::None).map(|http| (None, http)),
        Scheme::Https => Err(without),
    }
    .map_err(|error| {
        Error::caused(ErrorKind::Image, "preparing the registry client", &error)
            .hint("install the ca-certificates package, or set SSL_CERT_FILE to a bundle of certificates")
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Roots {
    System,
    None,
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

fn build_http(scheme: Scheme, options: &Options, roots: Roots) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.idle_timeout)
        .user_agent(USER_AGENT)
        // a manifest by tag has nothing but TLS to vouch for it; no redirect takes that away
        .https_only(scheme == Scheme::Https);
    match roots {
        Roots::System => builder.build(),
        Roots::None => builder.tls_certs_only([]).build(),
    }
}

/// rustls has none by default and panics without; a second installation changes nothing.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for here in ["localhost:5000", "127.0.0.1", "127.8.9.1:80", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "registry.example",
            "127.0.0.1.registry.example",
            "localhost.registry.example:5000",
            "10.0.0.1:5000",
            "[fe80::1]:5000",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
