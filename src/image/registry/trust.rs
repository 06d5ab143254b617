//! Which certificates a registry may have, and which we show it (containers-certs.d(5)).

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as TlsError, RootCertStore};

use super::access::Access;
use super::credentials::read;
use crate::error::{Doing, Error, ErrorKind, Result};

/// How much a registry has to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A certificate of a trusted authority for its name.
    Certificate,
    /// None: the user has said so.
    Nothing,
}

/// What connections to one registry rest on.
pub(super) struct Trust {
    /// Authorities besides the system's.
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) identity: Option<Identity>,
    pub(super) proof: Proof,
    /// The name of the registry's own directory, wherever it is.
    host: String,
}

/// Certificate and key, which TLS shows where the registry asks for them.
pub(super) struct Identity {
    pem: Vec<u8>,
    path: PathBuf,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl Identity {
    fn read(certificate: &Path) -> Result<Self> {
        let key = certificate.with_extension("key");
        let mut pem = read_named(certificate)?;
        pem.push(b'\n');
        pem.extend(read_named(&key).map_err(|error| {
            error.hint("a client certificate NAME.cert needs its NAME.key beside it; authorities end in .crt")
        })?);
        let identity = Self { pem, path: certificate.to_owned() };
        identity.for_client().map(|_| identity)
    }

    /// The chain and its key, for TLS.
    pub(super) fn parts(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let unusable = |_| TlsError::General("the client certificate cannot be used".to_owned());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.pem).collect();
        Ok((chain.map_err(unusable)?, PrivateKeyDer::from_pem_slice(&self.pem).map_err(unusable)?))
    }

    pub(super) fn for_client(&self) -> Result<reqwest::Identity> {
        // no cause: it might tell of the key
        reqwest::Identity::from_pem(&self.pem).map_err(|_| {
            let path = self.path.display();
            let why =
                format!("reading {path}: it and its .key are not a certificate and a private key in PEM");
            Error::new(ErrorKind::Usage, why).hint("keys with a passphrase cannot be used")
        })
    }
}

impl Trust {
    /// Reads what is configured for `registry`.
    /// Fails with [`ErrorKind::Usage`] for a file that is no good.
    pub(super) fn of(access: &Access, registry: &str, configured: Proof) -> Result<Self> {
        let mut trust = Self {
            roots: Vec::new(),
            identity: None,
            proof: proof(&access.insecure, registry, configured)?,
            host: registry.to_owned(),
        };
        for path in &access.ca_files {
            trust.roots.extend(authorities(path)?);
        }
        let dirs = access.places.certificate_dirs.iter().map(|dir| dir.join(registry));
        // the first that is there counts alone, as with podman
        for dir in dirs {
            if let Some(names) = list(&dir)? {
                trust.add(&dir, &names)?;
                break;
            }
        }
        Ok(trust)
    }

    /// Whether the system's certificates are all there is to it.
    pub(super) fn is_ordinary(&self) -> bool {
        self.roots.is_empty() && self.identity.is_none() && self.proof == Proof::Certificate
    }

    /// Which files may help against a failure of TLS, `said` being what it was.
    pub(super) fn remedy(&self, said: &str) -> String {
        let host = &self.host;
        if said.contains("alert") {
            return match &self.identity {
                Some(identity) => format!("the registry was shown the client certificate {identity:?}"),
                None => format!(
                    "put the client certificate that the registry wants, and its key, into /etc/containers/certs.d/{host}/ as client.cert and client.key"
                ),
            };
        }
        if said.contains("expired") || said.contains("not valid yet") || said.contains("not valid for") {
            return format!(
                "check the name and this host's clock; the registry needs another certificate, or --insecure-registry {host} does without"
            );
        }
        format!(
            "if this is as it should be, give the authority's certificate with --ca-file FILE, or put it into /etc/containers/certs.d/{host}/ca.crt, or into the host's certificates (ca-certificates); --insecure-registry {host} does without proof"
        )
    }

    fn add(&mut self, dir: &Path, names: &[String]) -> Result<()> {
        for name in names {
            let path = dir.join(name);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => self.roots.extend(authorities(&path)?),
                // TLS shows one certificate; a directory has no order but that of names
                Some("cert") if self.identity.is_none() => self.identity = Some(Identity::read(&path)?),
                Some("cert") => tracing::warn!("{} is one client certificate too many", path.display()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads what the user has named.
/// Fails with [`ErrorKind::Usage`] for a file that is no good, and for what is no host.
pub(super) fn check(access: &Access) -> Result<()> {
    access.ca_files.iter().try_for_each(|path| authorities(path).map(drop))?;
    proof(&access.insecure, "", Proof::Certificate).map(drop)
}

/// `given` are hosts, which mean every port, or hosts with ports.
fn proof(given: &[String], registry: &str, configured: Proof) -> Result<Proof> {
    let mut proof = configured;
    for host in given {
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            let why = format!("reading --insecure-registry {host:?}: it is not a host");
            return Err(Error::new(ErrorKind::Usage, why)
                .hint("give the host as it stands in the reference, with or without its port"));
        }
        let rest = registry.strip_prefix(host.to_ascii_lowercase().as_str());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            proof = Proof::Nothing;
        }
    }
    Ok(proof)
}

fn read_named(path: &Path) -> Result<Vec<u8>> {
    File::open(path).and_then(read).doing(ErrorKind::Usage, || format!("reading {}", path.display()))
}

/// Each is checked here: the clients would go on without a bad one, or end without its name.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read_named(path)?;
    let wrong = |what: String| {
        Error::new(ErrorKind::Usage, format!("reading {}: {what}", path.display())).hint(
            "the file must have certificates in PEM, which begin with -----BEGIN CERTIFICATE-----; \
             `openssl x509 -inform der` makes PEM of others",
        )
    };
    let mut found = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&text)) {
        let checked = certificate
            .map_err(|error| error.to_string())
            .and_then(|der| RootCertStore::empty().add(der.clone()).map(|()| der).map_err(|e| e.to_string()));
        found.push(checked.map_err(|why| wrong(format!("certificate {number}: {why}")))?);
    }
    match found.is_empty() {
        true => Err(wrong("there is no certificate in it".to_owned())),
        false => Ok(found),
    }
}

/// The names in a directory, in order; `None` where it is not, or is not for us.
pub(super) fn list(dir: &Path) -> Result<Option<Vec<String>>> {
    let skip = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];
    let doing = || format!("reading {}", dir.display());
    let entries = match fs::read_dir(dir) {
        Err(error) if skip.contains(&error.kind()) => return Ok(None),
        entries => entries.doing(ErrorKind::Usage, doing)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.doing(ErrorKind::Usage, doing)?;
        // others have no extension that counts
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_host_is_spared_the_proof() {
        let of =
            |given: &str, registry: &str| proof(&[given.to_owned()], registry, Proof::Certificate).unwrap();
        for (given, registry) in [
            ("registry.example", "registry.example"),
            ("registry.example", "registry.example:5000"),
            ("Registry.Example:5000", "registry.example:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(of(given, registry), Proof::Nothing, "{given} {registry}");
        }
        for (given, registry) in [
            ("registry.example", "registry.example.com"),
            ("registry.example:5000", "registry.example:50000"),
            ("registry.example:5000", "registry.example"),
            ("example", "registry.example"),
        ] {
            assert_eq!(of(given, registry), Proof::Certificate, "{given} {registry}");
        }
        for wrong in ["", "http://registry.example", "registry.example/team"] {
            assert_eq!(
                proof(&[wrong.into()], "x", Proof::Nothing).unwrap_err().kind(),
                ErrorKind::Usage,
                "{wrong}"
            );
        }
    }
}
