//! Who may ask a test registry: logins, tokens, certificates.

use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::faulty::{Answer, plain};
use super::http::Request;

/// How one has to log in.
pub enum Login {
    /// With `user:password`, in every request.
    Basic(&'static str),
    /// With a token that `/token` gives for `user:password`, or to everybody.
    Token(Option<&'static str>),
    /// With a token that `/token` gives for this identity token.
    Identity(&'static str),
}

#[derive(Default)]
pub struct Guard {
    login: Option<Login>,
    issued: usize,
    revoked: usize,
    /// For how many requests a token is good, and for how many each has been used.
    limit: Option<usize>,
    used: Vec<usize>,
}

impl Guard {
    pub fn require(&mut self, login: Login) {
        self.login = Some(login);
    }

    pub fn revoke(&mut self) {
        self.revoked = self.issued;
    }

    pub fn limit(&mut self, requests: usize) {
        self.limit = Some(requests);
    }

    /// Counts a use of a token; false where it is one too many.
    fn spend(&mut self, number: usize) -> bool {
        self.used.resize(self.used.len().max(number + 1), 0);
        self.used[number] += 1;
        number > self.revoked && self.limit.is_none_or(|limit| self.used[number] <= limit)
    }

    /// `None` for those who may pass.
    pub fn answer(&mut self, request: &Request) -> Option<Answer> {
        let login = self.login.as_ref()?;
        let shown = request.headers.get("authorization").map(String::as_str);
        let is_basic = |pair: &str| shown == Some(&format!("Basic {}", STANDARD.encode(pair)));
        let host = &request.headers["host"];
        if request.target.starts_with("/token") {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let welcome = match login {
                Login::Basic(_) => false,
                Login::Token(pair) => pair.is_none_or(is_basic) && request.method == "GET",
                Login::Identity(token) => {
                    let has = |part: &str| form.split('&').any(|it| it == part);
                    request.method == "POST"
                        && shown.is_none()
                        && has("grant_type=refresh_token")
                        && has("service=test")
                        && has("scope=repository%3Ateam%2Fbuilder%3Apull")
                        && has(&format!("refresh_token={token}"))
                }
            };
            if !welcome {
                return Some(plain(401, br#"{"errors":[{"code":"DENIED","message":"who are you?"}]}"#));
            }
            self.issued += 1;
            let name = if matches!(login, Login::Identity(_)) { "access_token" } else { "token" };
            return Some(plain(200, format!(r#"{{"{name}":"s3cret-{}"}}"#, self.issued).as_bytes()));
        }
        let (passes, challenge) = match login {
            Login::Basic(pair) => (is_basic(pair), "Basic realm=\"test\"".to_owned()),
            _ => {
                let number = shown.and_then(|it| it.strip_prefix("Bearer s3cret-")?.parse::<usize>().ok());
                let passes = number.is_some_and(|number| self.spend(number));
                (passes, format!("Bearer realm=\"http://{host}/token\",service=\"test\""))
            }
        };
        (!passes).then(|| {
            let mut answer = plain(401, br#"{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}"#);
            answer.headers.push(("WWW-Authenticate".to_owned(), challenge));
            answer
        })
    }
}

/// A certificate authority made for one test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Marked as an authority, though a server has it, as `openssl req -x509` does.
    pub fn for_name(name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key, in PEM, for a host name or address; clients need neither.
    pub fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// The server's side of TLS.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// For 127.0.0.1; with `clients`, only for those with a certificate of this authority.
    pub fn new(authority: &Authority, clients: Option<&Authority>) -> Self {
        Self::for_name("127.0.0.1", authority, clients)
    }

    pub fn for_name(name: &str, authority: &Authority, clients: Option<&Authority>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (certificate, key) = authority.issue(name);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let builder = match clients {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
        };
        Self(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }

    /// With the authority's own certificate.
    pub fn of_authority(authority: &Authority) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKeyDer::from_pem_slice(authority.0.key().serialize_pem().as_bytes()).unwrap();
        let builder = ServerConfig::builder().with_no_client_auth();
        Self(Arc::new(builder.with_single_cert(vec![authority.0.der().clone()], key).unwrap()))
    }

    pub fn accept(self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(self.0).unwrap(), stream)
    }
}
