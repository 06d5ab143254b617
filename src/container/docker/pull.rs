//! An image in the engine's own store.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as EngineError;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use oci_spec::image::Digest;

use super::connection::{Connection, Heed, explain, printable};
use crate::error::{Error, ErrorKind, Result};

/// Engines tell every few hundred milliseconds how far they are, but are silent while they unpack.
const SILENCE: Duration = Duration::from_secs(300);
const TICK: Duration = Duration::from_millis(100);

/// What an image is called.
pub struct ImageName {
    /// The registry, with which credentials go.
    pub registry: String,
    /// Registry and repository.
    pub repository: String,
    /// `:tag` or `@digest`.
    pub version: String,
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository, self.version)
    }
}

/// When the engine is told to pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// If it has not got the image.
    Missing,
    /// Each time, except for what a digest names.
    Always,
    Never,
}

/// Who we are to the image's registry. Never shown.
pub enum Credentials {
    Password { user: String, password: String },
    Identity(String),
}

/// An image that the engine has.
pub struct Image {
    /// What it was asked for by.
    pub name: String,
    /// The engine's id, which no other pull moves.
    pub id: String,
    /// Of its manifest; for one that came from no registry, its id.
    pub digest: Digest,
    /// `User` of the image configuration.
    pub user: String,
}

/// Has the image in the engine. Credentials are looked for only when something is to be pulled.
/// Fails with `Image` when it is not had.
pub fn pull(
    connection: &Connection,
    name: &ImageName,
    when: When,
    credentials: &dyn Fn() -> Result<Option<Credentials>>,
) -> Result<Image> {
    let pulling = |error: Error| error.context(format!("pulling {name} with Docker's engine"));
    let found = inspect(connection, name).map_err(pulling)?;
    let is_fixed = name.version.starts_with('@');
    let found = match (when, found) {
        (When::Always, _) if !is_fixed => None,
        (When::Never, None) => return Err(absent(connection, name)),
        (_, found) => found,
    };
    let image = match found {
        Some(image) => image,
        None => {
            tracing::info!("Pulling {name} with Docker's engine at {}", connection.address());
            let credentials = credentials().map_err(pulling)?;
            fetch(connection, name, credentials).map_err(pulling)?;
            let gone = || Error::new(ErrorKind::Image, "the engine says that it is there, and has it not");
            inspect(connection, name).and_then(|found| found.ok_or_else(gone)).map_err(pulling)?
        }
    };
    described(image, name).map_err(pulling)
}

fn inspect(connection: &Connection, name: &ImageName) -> Result<Option<ImageInspect>> {
    let name = name.to_string();
    connection.find(ErrorKind::Image, Heed::Signals, connection.docker().inspect_image(&name))
}

fn absent(connection: &Connection, name: &ImageName) -> Error {
    let why = format!("finding image {name}: Docker's engine at {} has it not", connection.address());
    let hint = format!(
        "allow it to be pulled with --pull missing, or bring it; from the rootfs cache: `airshipctl image save {name} FILE && skopeo copy oci-archive:FILE docker-daemon:{name}`"
    );
    Error::new(ErrorKind::Image, why).hint(hint)
}

fn described(image: ImageInspect, name: &ImageName) -> Result<Image> {
    let odd = |what: &str| Error::new(ErrorKind::Host, format!("the engine's answer has no valid {what}"));
    let id = image.id.filter(|id| !id.is_empty()).ok_or_else(|| odd("image id"))?;
    let known: Vec<String> = image.repo_digests.unwrap_or_default();
    let split =
        |entry: &String| entry.split_once('@').map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    let mut known: Vec<_> = known.iter().filter_map(split).collect();
    // docker leaves out what it fills in itself: docker.io/library/
    known.sort_by_key(|(repository, _)| !name.repository.ends_with(repository.as_str()));
    let digest = match name.version.strip_prefix('@') {
        Some(digest) => digest.to_owned(),
        None => known.into_iter().next().map_or_else(|| id.clone(), |(_, digest)| digest),
    };
    let digest = Digest::from_str(&digest).map_err(|_| odd("digest"))?;
    let user = image.config.and_then(|config| config.user).unwrap_or_default();
    Ok(Image { name: name.to_string(), id, digest, user })
}

/// The answer is 200 from the first byte on; what goes wrong later is a line of it.
fn fetch(connection: &Connection, name: &ImageName, credentials: Option<Credentials>) -> Result<()> {
    let version = name.version.trim_start_matches([':', '@']);
    let options = CreateImageOptionsBuilder::default().from_image(&name.repository).tag(version).build();
    let has_credentials = credentials.is_some();
    let credentials = credentials.map(|credentials| header(name, credentials));
    let mut lines = connection.docker().create_image(Some(options), None, credentials);
    connection.run(async {
        let mut silence = Duration::ZERO;
        loop {
            connection.interrupt().check()?;
            match tokio::time::timeout(TICK, lines.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Err(error))) => return Err(refused(&error, has_credentials)),
                Ok(Some(Ok(line))) => {
                    silence = Duration::ZERO;
                    if line.error_detail.is_some() || line.status.is_none() && line.id.is_none() {
                        let message = line.error_detail.and_then(|detail| detail.message);
                        return Err(hinted(message.as_deref().unwrap_or("an error"), has_credentials));
                    }
                    if let (Some(status), None) = (line.status, line.progress_detail) {
                        tracing::debug!("{}", printable(&status));
                    }
                }
                Err(_) => silence += TICK,
            }
            if silence >= SILENCE {
                let why = format!("the engine has told nothing of it for {SILENCE:?}");
                return Err(Error::new(ErrorKind::Image, why));
            }
        }
    })
}

fn header(name: &ImageName, credentials: Credentials) -> DockerCredentials {
    let of_hub = name.registry == "docker.io";
    let server = if of_hub { "https://index.docker.io/v1/".to_owned() } else { name.registry.clone() };
    let empty = DockerCredentials { serveraddress: Some(server), ..Default::default() };
    match credentials {
        Credentials::Password { user, password } => {
            DockerCredentials { username: Some(user), password: Some(password), ..empty }
        }
        Credentials::Identity(token) => DockerCredentials { identitytoken: Some(token), ..empty },
    }
}

fn refused(error: &EngineError, has_credentials: bool) -> Error {
    match error {
        EngineError::DockerResponseServerError { message, .. }
        | EngineError::DockerStreamError { error: message } => hinted(message, has_credentials),
        other => explain(ErrorKind::Image, other).of_kind(ErrorKind::Image),
    }
}

fn hinted(message: &str, has_credentials: bool) -> Error {
    let error = Error::new(ErrorKind::Image, format!("the engine says: {}", printable(message)));
    let lower = message.to_lowercase();
    let denied = ["unauthorized", "denied", "authentication required", "no basic auth"];
    let untrusted = ["x509", "server gave http response to https client"];
    if denied.iter().any(|word| lower.contains(word)) {
        return match has_credentials {
            true => error.hint("the registry does not take the credentials that were found; log in again with `docker login`"),
            false => error.hint("there are no credentials for this registry; log in with `docker login`, or name a file with --authfile"),
        };
    }
    match untrusted.iter().any(|word| lower.contains(word)) {
        true => error.hint("the engine has its own list of authorities and insecure registries: /etc/docker/certs.d and daemon.json"),
        false => error,
    }
}
