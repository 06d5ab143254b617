//! Credentials from the files of podman, skopeo and docker (containers-auth.json(5)).
//!
//! Nothing that a file says of users or secrets gets into a message.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::access::Access;
use super::helper::{self, Leash};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The user name with which docker marks an identity token.
const TOKEN_USER: &str = "<token>";
const FILE_LIMIT: u64 = 4 << 20;

/// What proves who we are. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Basic {
        user: String,
        password: String,
    },
    /// OAuth2's refresh token, which buys access tokens.
    Identity(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A credential and where it was found, which may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) credential: Credential,
    pub(super) origin: String,
}

/// Reads the file that the user has named, if any.
/// Fails with [`ErrorKind::Usage`] where it is missing or no good.
pub(super) fn check(access: &Access) -> Result<()> {
    access.authfile.as_ref().map_or(Ok(()), |path| AuthFile::parse(path, &read_named(path)?).map(drop))
}

fn read_named(path: &Path) -> Result<Vec<u8>> {
    File::open(path)
        .and_then(read)
        .doing(ErrorKind::Usage, || format!("reading {}", path.display()))
        .map_err(|error| error.hint("--authfile and $REGISTRY_AUTH_FILE name a file that must be there; `podman login` or `skopeo login` writes one"))
}

/// The credential for a repository; `None` where no file has one. Helpers are held by `leash`.
/// Fails with [`ErrorKind::Usage`] for a file or a helper that is no good.
pub(super) fn find(
    access: &Access,
    registry: &str,
    repository: &str,
    leash: &Leash,
) -> Result<Option<Found>> {
    if let Some(path) = &access.authfile {
        return AuthFile::parse(path, &read_named(path)?)?.find(registry, repository, leash);
    }
    for path in &access.places.auth_files {
        let Some(text) = read_if_there(path)? else { continue };
        let found = AuthFile::parse(path, &text)?.find(registry, repository, leash)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The whole file, if it is of a reasonable size.
pub(super) fn read(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut text)?;
    match text.len() as u64 > FILE_LIMIT {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 4 MiB")),
        false => Ok(text),
    }
}

/// A file that nobody has asked for by name.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match File::open(path).and_then(read) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        // `su` leaves the directories of another user in the environment
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!("reading {}: {error}; going on without it", path.display());
            Ok(None)
        }
        Err(error) => Err(Error::caused(ErrorKind::Usage, format!("reading {}", path.display()), &error)),
    }
}

/// One file; read by hand, since serde's messages would quote what does not fit.
struct AuthFile<'a> {
    path: &'a Path,
    root: Map<String, Value>,
}

impl<'a> AuthFile<'a> {
    fn parse(path: &'a Path, text: &[u8]) -> Result<Self> {
        // podman leaves an empty file after the last logout
        if text.trim_ascii().is_empty() {
            return Ok(Self { path, root: Map::new() });
        }
        let root = serde_json::from_slice::<Value>(text)
            .doing(ErrorKind::Usage, || format!("reading {}", path.display()))
            .map_err(|error| {
                error.hint("a file with credentials is JSON; `podman login` or `docker login` writes one")
            })?;
        match root {
            Value::Object(root) => Ok(Self { path, root }),
            _ => Err(wrong(path, "it is no object")),
        }
    }

    /// A helper for just this registry, then the helper for all, then what the file itself says.
    fn find(&self, registry: &str, repository: &str, leash: &Leash) -> Result<Option<Found>> {
        let helpers = self.object("credHelpers")?;
        let named = helpers.and_then(|helpers| lookup(helpers, registry, ""));
        if let Some((key, name)) = named {
            let name =
                name.as_str().ok_or_else(|| self.wrong(&format!("credHelpers[{key:?}] is no string")))?;
            let asked = helper::get(name, &server_of(registry), leash);
            let asked = asked.map_err(|error| error.context(format!("following {}", self.path.display())))?;
            if let Some((user, secret)) = asked {
                return Ok(Some(self.found(credential(user, secret), &format!(" (helper {name})"))));
            }
        }
        if let Some(found) = self.ask_store(registry, leash)? {
            return Ok(Some(found));
        }
        let Some(auths) = self.object("auths")? else { return Ok(None) };
        let Some((key, entry)) = lookup(auths, registry, repository) else { return Ok(None) };
        let credential = self.entry(key, entry)?;
        Ok(credential.map(|credential| self.found(credential, "")))
    }

    /// `credsStore` is for every registry, also those that ask nobody who he is; that it does not
    /// work is no reason not to try.
    fn ask_store(&self, registry: &str, leash: &Leash) -> Result<Option<Found>> {
        let name = match self.root.get("credsStore") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(name)) if name.is_empty() => return Ok(None),
            Some(Value::String(name)) => name,
            Some(_) => return Err(self.wrong("credsStore is no string")),
        };
        match helper::get(name, &server_of(registry), leash) {
            Ok(asked) => Ok(asked
                .map(|(user, secret)| self.found(credential(user, secret), &format!(" (helper {name})")))),
            Err(error) => {
                tracing::warn!(
                    "following credsStore of {}: {error}; going on without it",
                    self.path.display()
                );
                Ok(None)
            }
        }
    }

    /// An entry of `auths`. Docker leaves empty ones beside a `credsStore`.
    fn entry(&self, key: &str, entry: &Value) -> Result<Option<Credential>> {
        let wrong = |what: &str| self.wrong(&format!("auths[{key:?}]{what}"));
        let entry = entry.as_object().ok_or_else(|| wrong(" is no object"))?;
        let text = |name: &str| match entry.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(wrong(&format!(".{name} is no string"))),
        };
        let (auth, user, password) = (text("auth")?, text("username")?, text("password")?);
        let identity = text("identitytoken")?;
        if !identity.is_empty() {
            return Ok(Some(Credential::Identity(identity.to_owned())));
        }
        if !auth.is_empty() {
            let pair = decode(auth).ok_or_else(|| wrong(".auth is not the base64 form of user:password"))?;
            return Ok(Some(credential(pair.0, pair.1)));
        }
        Ok((!user.is_empty()).then(|| credential(user.to_owned(), password.to_owned())))
    }

    fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>> {
        match self.root.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.wrong(&format!("{name} is no object"))),
        }
    }

    fn found(&self, credential: Credential, how: &str) -> Found {
        Found { credential, origin: format!("{}{how}", self.path.display()) }
    }

    fn wrong(&self, what: &str) -> Error {
        wrong(self.path, what)
    }
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("reading {}: {what}", path.display()))
        .hint("put the file right, or make the entry anew with `podman login` or `docker login`")
}

fn credential(user: String, password: String) -> Credential {
    match user == TOKEN_USER {
        true => Credential::Identity(password),
        false => Credential::Basic { user, password },
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    // docker pads with zeros
    Some((user.to_owned(), password.trim_matches('\0').to_owned()))
}

/// The entry with the most specific key: `host/ns/repo`, `host/ns`, `host`.
fn lookup<'m>(map: &'m Map<String, Value>, registry: &str, repository: &str) -> Option<(&'m str, &'m Value)> {
    let host = canonical(registry);
    let mut wanted = if repository.is_empty() { host.to_owned() } else { format!("{host}/{repository}") };
    loop {
        // a key as people write it today goes before one as docker wrote it once
        let keys = [normal_key as fn(&str) -> Option<String>, legacy_key];
        let entry = keys
            .iter()
            .find_map(|form| map.iter().find(|(key, _)| form(key).as_deref() == Some(wanted.as_str())));
        if let Some((key, value)) = entry {
            return Some((key, value));
        }
        wanted.truncate(wanted.rfind('/')?);
    }
}

fn normal_key(key: &str) -> Option<String> {
    if key.contains("://") {
        return None;
    }
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let host = canonical(host).to_ascii_lowercase();
    Some(path.map_or(host.clone(), |path| format!("{host}/{path}")))
}

/// Docker's `https://host/v1/`, where only the host counts.
fn legacy_key(key: &str) -> Option<String> {
    let (_, rest) = key.split_once("://")?;
    Some(canonical(rest.split('/').next()?).to_ascii_lowercase())
}

/// Docker's own registry has several names.
fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

/// How helpers know a registry.
fn server_of(registry: &str) -> String {
    match canonical(registry) {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AuthFile<'_>> {
        AuthFile::parse(Path::new("auth.json"), text.as_bytes())
    }

    fn find_in(text: &str, registry: &str, repository: &str) -> Result<Option<Credential>> {
        Ok(parse(text)?.find(registry, repository, &helper::loose())?.map(|found| found.credential))
    }

    fn user(text: &str, registry: &str, repository: &str) -> String {
        match find_in(text, registry, repository).unwrap() {
            Some(Credential::Basic { user, .. }) => user,
            Some(Credential::Identity(token)) => format!("token {token}"),
            None => "nobody".to_owned(),
        }
    }

    #[test]
    fn the_most_specific_key_wins() {
        let text = r#"{"auths":{
            "registry.example": {"username":"host","password":"x"},
            "registry.example/team": {"username":"team","password":"x"},
            "registry.example/team/builder": {"username":"repo","password":"x"},
            "registry.example:5000": {"username":"port","password":"x"}}}"#;
        assert_eq!(user(text, "registry.example", "team/builder"), "repo");
        assert_eq!(user(text, "registry.example", "team/builder/sub"), "repo");
        assert_eq!(user(text, "registry.example", "team/builder2"), "team");
        assert_eq!(user(text, "registry.example", "teams/x"), "host");
        assert_eq!(user(text, "registry.example:5000", "team/builder"), "port");
        assert_eq!(user(text, "other.example", "team/builder"), "nobody");
    }

    #[test]
    fn dockers_older_keys_are_understood() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"https://Registry.Example/v2/":{"auth":"Yzpk"}}}"#;
        assert_eq!(user(text, "docker.io", "library/debian"), "a");
        assert_eq!(user(text, "registry.example", "x"), "c");
        assert_eq!(user(r#"{"auths":{"docker.io":{"auth":"YTpi"}}}"#, "docker.io", "library/debian"), "a");
    }

    #[test]
    fn passwords_may_have_colons_and_tokens_have_no_user() {
        let found = |entry: &str| find_in(&format!(r#"{{"auths":{{"h":{entry}}}}}"#), "h", "x").unwrap();
        let basic = |user: &str, password: &str| {
            Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
        };
        assert_eq!(found(r#"{"auth":"dTpwOnE="}"#), basic("u", "p:q"));
        assert_eq!(found(r#"{"auth":"dTo="}"#), basic("u", ""));
        assert_eq!(found(r#"{"auth":"dTpw","identitytoken":"i"}"#), Some(Credential::Identity("i".into())));
        assert_eq!(found(r#"{"username":"<token>","password":"i"}"#), Some(Credential::Identity("i".into())));
        assert_eq!(found("{}"), None);
        assert_eq!(found(r#"{"auth":""}"#), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_without_its_secret() {
        for (text, place) in [
            ("{\n \"auths\": {,}}", "line 2 column 12"),
            (r#"["s3cret"]"#, "no object"),
            (r#"{"auths":"s3cret"}"#, "auths is no object"),
            (r#"{"auths":{"h":"s3cret"}}"#, r#"auths["h"] is no object"#),
            (r#"{"auths":{"h":{"auth":"s3cret"}}}"#, r#"auths["h"].auth"#),
            (r#"{"auths":{"h":{"auth":["s3cret"]}}}"#, r#"auths["h"].auth"#),
            (r#"{"auths":{"h":{"auth":"czNjcmV0"}}}"#, r#"auths["h"].auth"#),
            (r#"{"auths":{"h":{"password":{"s3cret":1}}}}"#, r#"auths["h"].password"#),
            (r#"{"credHelpers":{"h":{"s3cret":1}}}"#, r#"credHelpers["h"]"#),
            (r#"{"credHelpers":"s3cret"}"#, "credHelpers"),
            (r#"{"credsStore":["s3cret"]}"#, "credsStore"),
        ] {
            let error = find_in(text, "h", "x").expect_err(text);
            let shown = format!("{error} {error:?}");
            assert_eq!(error.kind(), ErrorKind::Usage, "{shown}");
            assert!(shown.contains("auth.json") && shown.contains(place), "{shown}");
            assert!(!shown.contains("s3cret") && !shown.contains("czNj"), "{shown}");
            assert!(error.hint_text().is_some());
        }
        let secret = Credential::Basic { user: "s3cret".into(), password: "s3cret".into() };
        assert!(!format!("{secret:?}").contains("s3cret"));
    }

    #[test]
    fn an_empty_file_has_no_credentials() {
        for text in ["", " \n", "{}", r#"{"auths":null,"credsStore":"","HttpHeaders":{}}"#] {
            assert_eq!(find_in(text, "h", "x").unwrap(), None, "{text}");
        }
    }
}
