//! The name of an image: `[registry/]repository[:tag][@digest]` (distribution-spec, "Pulling
//! manifests"), with the defaults every container tool has.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
/// The registry of images that only ever came from an archive.
const LOCAL_REGISTRY: &str = "localhost";
/// distribution-spec: many clients and registries limit host and name together.
const NAME_LIMIT: usize = 255;
/// distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
const TAG_LIMIT: usize = 128;

/// A normalised image reference; its `Display` is what `org.opencontainers.image.ref.name` says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Fills in registry, `library/` and tag where they are left out.
    /// Fails with [`ErrorKind::Usage`] for what no registry could serve.
    pub fn parse(text: &str) -> Result<Self> {
        parse(text).map_err(|why| {
            Error::new(ErrorKind::Usage, format!("parsing image reference {text:?}: {why}"))
                .hint("an image reference looks like registry.example/team/name:tag or .../name@sha256:<64 hexadecimal digits>")
        })
    }

    /// Whether the image lives only in the cache: `localhost` without a port is no registry.
    pub fn is_local(&self) -> bool {
        self.registry == LOCAL_REGISTRY
    }

    /// Host and port as written; `docker.io` where none was.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry, such as `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `None` only where a digest was given without a tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// When there is one it alone decides which manifest is meant, whatever the tag says.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    let tag = tag.map(parse_tag).transpose()?;
    let (registry, repository) = parse_name(name)?;
    // docker: a digest says it all, so no tag is made up beside it
    let tag = tag.or_else(|| digest.is_none().then(|| DEFAULT_TAG.to_owned()));
    Ok(Reference { registry, repository, tag, digest })
}

/// Only digests that can be checked are taken; docker's grammar allows any algorithm.
fn parse_digest(text: &str) -> Result<Digest, String> {
    let digest = Digest::from_str(text).map_err(|error| format!("digest {text:?}: {error}"))?;
    match Hasher::new(digest.algorithm()) {
        Some(_) => Ok(digest),
        None => {
            Err(format!("digest algorithm {:?} is not sha256, sha384 or sha512", digest.algorithm().as_ref()))
        }
    }
}

/// A colon before the last slash belongs to the registry's port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution-spec, "Pulling manifests")
fn parse_tag(tag: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.len() > TAG_LIMIT {
        return Err(format!("its tag has more than {TAG_LIMIT} characters"));
    }
    if !tag.starts_with(word) || !tag.chars().all(|c| word(c) || c == '.' || c == '-') {
        return Err(format!("{tag:?} is not a tag"));
    }
    Ok(tag.to_owned())
}

fn parse_name(name: &str) -> Result<(String, String), String> {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (parse_host(first)?, rest),
        _ => (DEFAULT_REGISTRY.to_owned(), name),
    };
    for component in path.split('/') {
        check_component(component)?;
    }
    let hub_without_owner = registry == DEFAULT_REGISTRY && !path.contains('/');
    let repository = if hub_without_owner { format!("library/{path}") } else { path.to_owned() };
    // an image id, which docker's command line takes in the same place
    if path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits are an image id, not a name".into());
    }
    if registry.len() + 1 + repository.len() > NAME_LIMIT {
        return Err(format!("it has more than {NAME_LIMIT} characters"));
    }
    Ok((registry, repository))
}

/// How docker tells `host/name` from `owner/name`.
fn looks_like_host(first: &str) -> bool {
    first.contains(['.', ':', '['])
        || first == LOCAL_REGISTRY
        || first.chars().any(|c| c.is_ascii_uppercase())
}

fn parse_host(text: &str) -> Result<String, String> {
    let bad = || format!("{text:?} is not a host");
    let (host, port) = split_port(text).ok_or_else(bad)?;
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return Err(format!("{text:?} has no valid port"));
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_host_label),
    };
    match (valid, text) {
        (false, _) => Err(bad()),
        (true, "index.docker.io") => Ok(DEFAULT_REGISTRY.to_owned()),
        // host names do not differ by case; one spelling in the cache is enough
        (true, _) => Ok(text.to_ascii_lowercase()),
    }
}

/// `None` where something follows the bracket of an IPv6 address that is not a port.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let end = text.find(']').map_or(0, |bracket| bracket + 1);
    match text[end..].split_once(':') {
        Some((between, port)) => Some((&text[..end + between.len()], Some(port))),
        None => Some((text, None)),
    }
    .filter(|(host, _)| end == 0 || host.len() == end)
}

/// RFC 1123, 2.1; an address is a host of such labels too.
fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn check_component(component: &str) -> Result<(), String> {
    let separator = |c: char| matches!(c, '.' | '_' | '-');
    if component.is_empty() {
        return Err("a part of its name is empty".into());
    }
    if component.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("{component:?} has upper-case letters"));
    }
    if !component.chars().all(|c| separator(c) || c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Err(format!("{component:?} is not a name"));
    }
    let runs = component.split(|c: char| !separator(c)).filter(|run| !run.is_empty());
    let runs_valid =
        runs.into_iter().all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-'));
    if !runs_valid || component.starts_with(separator) || component.ends_with(separator) {
        return Err(format!("{component:?} has separators in the wrong place"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        Reference::parse(text).unwrap().to_string()
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        assert_eq!(full("debian"), "docker.io/library/debian:latest");
        assert_eq!(full("owner/name:1.2"), "docker.io/owner/name:1.2");
        assert_eq!(full("index.docker.io/debian"), "docker.io/library/debian:latest");
        assert_eq!(full("Registry.Example/x"), "registry.example/x:latest");
        assert_eq!(full("localhost/isogen-builder"), "localhost/isogen-builder:latest");
    }

    #[test]
    fn a_port_is_not_a_tag() {
        let reference = Reference::parse("registry.example:5000/a/b__c.d--e").unwrap();
        assert_eq!(reference.registry(), "registry.example:5000");
        assert_eq!(reference.repository(), "a/b__c.d--e");
        assert_eq!(reference.tag(), Some("latest"));
        assert_eq!(Reference::parse("[::1]:5000/x:y").unwrap().registry(), "[::1]:5000");
        assert_eq!(Reference::parse("[::1]/x").unwrap().registry(), "[::1]");
    }

    #[test]
    fn a_digest_takes_no_default_tag_and_keeps_one_given() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference = Reference::parse(&format!("registry.example/x@{digest}")).unwrap();
        assert_eq!((reference.tag(), reference.digest().unwrap().as_ref()), (None, digest.as_str()));
        assert_eq!(full(&format!("registry.example/x:1@{digest}")), format!("registry.example/x:1@{digest}"));
    }

    #[test]
    fn only_localhost_without_a_port_is_local() {
        assert!(Reference::parse("localhost/x").unwrap().is_local());
        for elsewhere in ["localhost:5000/x", "127.0.0.1/x", "localhost.registry.example/x", "x"] {
            assert!(!Reference::parse(elsewhere).unwrap().is_local(), "{elsewhere}");
        }
    }

    #[test]
    fn what_no_registry_could_serve_is_a_usage_error() {
        let long_tag = format!("x:{}", "a".repeat(129));
        let long_name = format!("registry.example/{}", "a/".repeat(150));
        let id = "0123456789abcdef".repeat(4);
        for text in [
            "",
            " ",
            "/",
            "x/",
            "/x",
            "a//b",
            "X",
            "a/B",
            "x:",
            "x:-a",
            "x:a b",
            "x@",
            "x@sha256:12",
            "x@md5:0123",
            "-x",
            "x-",
            "a..b",
            "a___b",
            "a._b",
            "x y",
            "x\n",
            "ä",
            "registry.example:/x",
            "registry.example:99999/x",
            "registry.example:+1/x",
            "-registry.example/x",
            "registry..example/x",
            "[::1/x",
            "[zz]/x",
            "[::1]x:1/x",
            "http://registry.example/x",
            "../etc/passwd",
            "registry.example/../x",
            long_tag.as_str(),
            long_name.as_str(),
            id.as_str(),
        ] {
            let error = Reference::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn a_normalised_reference_reads_back_as_itself() {
        for text in ["debian", "localhost:1/x", "[::1]:5/a/b:c", "a.b/c-d_e.f:G.h-i_j"] {
            assert_eq!(full(&full(text)), full(text));
        }
    }
}
