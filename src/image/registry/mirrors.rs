//! Where an image really is (containers-registries.conf(5), version 2): mirrors, other locations,
//! blocked registries. Short names are none of our business: references are complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::access::Access;
use super::credentials::read;
use super::trust::{Proof, list};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::reference::Reference;

/// One place to get the image from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The image as it is called there.
    pub(super) reference: Reference,
    pub(super) proof: Proof,
}

/// The places of `reference` in the order in which they are to be tried; at least one.
/// Fails with [`ErrorKind::Usage`] for a file that is no good, and for a blocked registry.
pub(super) fn endpoints(access: &Access, reference: &Reference) -> Result<Vec<Endpoint>> {
    let mut entries = Vec::new();
    for path in files(access)? {
        entries.extend(parse(&path)?);
    }
    let text = reference.to_string();
    let matching = entries.iter().filter_map(|entry| Some((matched(&text, entry.prefix())?, entry)));
    // the longest prefix, and among equals the file read last
    match matching.max_by_key(|(length, _)| *length) {
        None => Ok(vec![Endpoint { reference: reference.clone(), proof: Proof::Certificate }]),
        Some((length, entry)) => entry.endpoints(reference, &text[length..]),
    }
}

/// A `[[registry]]` table. Other keys are for tools that build or push.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    prefix: Option<String>,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: PullFrom,
}

/// Which references a mirror serves.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFrom {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    registry: Vec<Entry>,
    /// Version 1, of which nothing would be understood.
    registries: Option<toml::Value>,
}

impl Entry {
    fn prefix(&self) -> &str {
        self.prefix.as_deref().filter(|prefix| !prefix.is_empty()).unwrap_or(&self.location)
    }

    /// `rest` is what follows the prefix in the reference.
    fn endpoints(&self, reference: &Reference, rest: &str) -> Result<Vec<Endpoint>> {
        if self.blocked {
            let why = format!("{reference} is blocked: {} says so of {}", self.file.display(), self.prefix());
            return Err(Error::new(ErrorKind::Usage, why).hint("take another registry, or change the file"));
        }
        let serves = |mirror: &&Mirror| match (mirror.pull_from_mirror, reference.digest()) {
            (PullFrom::TagOnly, digest) => digest.is_none(),
            (PullFrom::DigestOnly, digest) => digest.is_some(),
            (PullFrom::All, digest) => digest.is_some() || !self.mirror_by_digest_only,
        };
        let mirrors = self.mirror.iter().filter(serves);
        let mirrors = mirrors.map(|mirror| self.endpoint(&mirror.location, rest, mirror.insecure));
        let own = match self.location.as_str() {
            // wildcards may leave everything where it is
            "" => Ok(Endpoint { reference: reference.clone(), proof: proof(self.insecure) }),
            location => self.endpoint(location, rest, self.insecure),
        };
        mirrors.chain([own]).collect()
    }

    fn endpoint(&self, location: &str, rest: &str, insecure: bool) -> Result<Endpoint> {
        let reference = Reference::parse(&format!("{location}{rest}"));
        let reference =
            reference.map_err(|error| error.context(format!("following {}", self.file.display())))?;
        Ok(Endpoint { reference, proof: proof(insecure) })
    }
}

fn proof(insecure: bool) -> Proof {
    match insecure {
        true => Proof::Nothing,
        false => Proof::Certificate,
    }
}

/// How much of the reference the prefix covers: whole parts only, or, for `*.example`, whole labels
/// of the host.
fn matched(reference: &str, prefix: &str) -> Option<usize> {
    let length = match prefix.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            let (host, path) = domain.split_once('/').map_or((domain, None), |(h, p)| (h, Some(p)));
            let slash = reference.find('/')?;
            // a prefix without a port is for all ports
            let port = reference[..slash].rfind(':').filter(|_| !host.contains(':') && path.is_none());
            let end = port.unwrap_or(slash);
            let covered = reference[..end].ends_with(host) && end > host.len();
            let length = end + path.map_or(0, |path| path.len() + 1);
            let rest_fits =
                path.is_none_or(|path| reference[end + 1..].starts_with(path) && length <= reference.len());
            (covered && rest_fits).then_some(length)?
        }
        _ if prefix.is_empty() => return None,
        _ => reference.starts_with(prefix).then_some(prefix.len())?,
    };
    matches!(reference[length..].chars().next(), None | Some('/' | ':' | '@')).then_some(length)
}

/// The file that someone has named, or the first that is there; then all that was dropped in.
fn files(access: &Access) -> Result<Vec<PathBuf>> {
    let places = &access.places;
    let mut files: Vec<PathBuf> = match &places.registries_file {
        Some(named) => vec![named.clone()],
        None => places.registries_files.iter().find(|path| path.exists()).into_iter().cloned().collect(),
    };
    for dir in &places.registries_dirs {
        let names = list(dir)?.unwrap_or_default();
        files.extend(names.iter().filter(|name| name.ends_with(".conf")).map(|name| dir.join(name)));
    }
    Ok(files)
}

fn parse(path: &Path) -> Result<Vec<Entry>> {
    let doing = || format!("reading {}", path.display());
    let bytes = File::open(path).and_then(read).doing(ErrorKind::Usage, doing)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        .doing(ErrorKind::Usage, doing)?;
    let configuration = toml::from_str::<Configuration>(&text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
        let at = line.map_or(String::new(), |line| format!("line {line}: "));
        // its Display is a picture of many lines
        wrong(path, &format!("{at}{}", error.message()))
    })?;
    if configuration.registries.is_some() {
        return Err(wrong(path, "[registries] is of version 1 of the format, which is out of use"));
    }
    let mut entries = configuration.registry;
    for (number, entry) in (1..).zip(&mut entries) {
        entry.file = path.to_owned();
        let wild = entry.prefix().starts_with("*.");
        if entry.prefix().is_empty() || (entry.location.is_empty() && !wild) {
            return Err(wrong(path, &format!("[[registry]] {number} has no location")));
        }
        if let Some(scheme) = [&entry.location]
            .into_iter()
            .chain(entry.mirror.iter().map(|it| &it.location))
            .find(|it| it.contains("://"))
        {
            return Err(wrong(path, &format!("location {scheme:?} has a scheme, which is not part of it")));
        }
    }
    Ok(entries)
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("reading {}: {what}", path.display()))
        .hint("the file is described in containers-registries.conf(5), version 2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::registry::Places;

    /// Where `reference` is looked for by a file with this text.
    fn places(text: &str, reference: &str) -> Result<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let places = Places { registries_file: Some(file.path().to_owned()), ..Places::default() };
        let access = Access { places, ..Access::default() };
        let found = endpoints(&access, &Reference::parse(reference).unwrap())?;
        let show =
            |it: &Endpoint| format!("{}{}", it.reference, if it.proof == Proof::Nothing { "!" } else { "" });
        Ok(found.iter().map(show).collect())
    }

    #[test]
    fn prefixes_cover_whole_parts() {
        for (reference, prefix, length) in [
            ("registry.example/a/b:1", "registry.example", Some(16)),
            ("registry.example/a/b:1", "registry.example/a", Some(18)),
            ("registry.example/a/b:1", "registry.example/a/b:1", Some(22)),
            ("registry.example/ab:1", "registry.example/a", None),
            ("registry.example.com/a:1", "registry.example", None),
            ("registry.example:5000/a:1", "registry.example", Some(16)),
            ("x.registry.example/a:1", "*.registry.example", Some(18)),
            ("x.y.example/a/b:1", "*.example/a", Some(13)),
            ("x.y.example/ab:1", "*.example/a", None),
            ("x.registry.example:5000/a:1", "*.registry.example", Some(18)),
            ("registry.example/a:1", "*.registry.example", None),
            ("other/x.registry.example:1", "*.registry.example", None),
            ("registry.example/a:1", "", None),
        ] {
            assert_eq!(matched(reference, prefix), length, "{reference} {prefix}");
        }
    }

    #[test]
    fn mirrors_come_in_order_and_the_location_last() {
        let text = r#"
            unqualified-search-registries = ["ignored.example"]
            [[registry]]
            location = "registry.example"
            [[registry]]
            prefix = "registry.example/team"
            location = "origin.example/group"
            insecure = true
            [[registry.mirror]]
            location = "one.example/cache"
            insecure = true
            [[registry.mirror]]
            location = "two.example:5000"
            pull-from-mirror = "tag-only"
            [[registry.mirror]]
            location = "three.example"
            pull-from-mirror = "digest-only"
            [[registry]]
            prefix = "*.wild.example"
            [[registry.mirror]]
            location = "one.example/wild""#;
        assert_eq!(
            places(text, "registry.example/team/builder:1").unwrap(),
            ["one.example/cache/builder:1!", "two.example:5000/builder:1", "origin.example/group/builder:1!"]
        );
        let digest = format!("@sha256:{}", "a".repeat(64));
        assert_eq!(
            places(text, &format!("registry.example/team/builder{digest}")).unwrap(),
            ["one.example/cache/builder", "three.example/builder", "origin.example/group/builder"]
                .map(|name| format!("{name}{digest}{}", if name.starts_with("three") { "" } else { "!" }))
        );
        assert_eq!(places(text, "registry.example/x").unwrap(), ["registry.example/x:latest"]);
        assert_eq!(
            places(text, "a.wild.example/x").unwrap(),
            ["one.example/wild/x:latest", "a.wild.example/x:latest"]
        );
        assert_eq!(places(text, "other.example/x").unwrap(), ["other.example/x:latest"]);
    }

    #[test]
    fn a_blocked_registry_is_not_asked() {
        let text = "[[registry]]\nlocation = \"registry.example\"\nblocked = true";
        let error = places(text, "registry.example/x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("blocked"), "{error}");
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named_with_its_line() {
        for (text, word) in [
            ("[[registry]]\nlocation =", "line 2"),
            ("[[registry]]\nlocation = 1", "line 2"),
            ("[[registry]]\nlocation = \"x\"\ninsecure = \"no\"", "line 3"),
            (
                "[[registry]]\nlocation = \"x\"\n[[registry.mirror]]\nlocation = \"y\"\npull-from-mirror = \"some\"",
                "line 5",
            ),
            ("[registries.search]\nregistries = []", "version 1"),
            ("[[registry]]\nblocked = true", "no location"),
            ("[[registry]]\nprefix = \"registry.example\"", "no location"),
            ("[[registry]]\nlocation = \"http://registry.example\"", "scheme"),
            ("[[registry]]\nlocation = \"A/B\"\nprefix = \"registry.example\"", "parsing image reference"),
        ] {
            let error = places(text, "registry.example/x").expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
