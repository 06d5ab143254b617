//! The config as people may see it. Credentials stood in these files when they held `users`, and
//! sections that only the builder reads may hold anything: what a key or a word gives away as secret
//! is not shown.

use serde_json::{Map, Value as Json};

use super::AirshipConfig;
use crate::site::config::write;
use crate::site::secrets;
use crate::site::yaml::{Entry, Node, ScalarKind, Value};

/// What stands in place of a secret.
const REDACTED: &str = "(redacted)";
/// Keys with users, as kubeconfigs have them: there all is secret but what is known not to be.
const USERS: [&str; 4] = ["users", "authInfos", "auth-infos", "authInfo"];
const PUBLIC_OF_USERS: [&str; 9] = [
    "name",
    "username",
    "type",
    "client-certificate",
    "clientCertificate",
    "client-key",
    "clientKey",
    "tokenFile",
    "authInfoKubeconf",
];
/// Ends of keys, in lower case and without signs, whose values are secret beside those of Secrets.
const SECRET_ENDS: [&str; 5] = ["pwd", "auth", "userdata", "networkdata", "certificatedata"];
/// Ends of keys whose values say where a secret is, and not what.
const REFERENCES: [&str; 6] = ["file", "path", "name", "namespace", "filename", "selector"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Shown,
    /// Of all users; the keys are their names.
    Users,
    /// Of one.
    User,
    Hidden,
}

impl AirshipConfig {
    /// The file in today's spelling as YAML, without comments and secrets.
    pub fn view(&self) -> String {
        write::written(&self.redacted())
    }

    /// The same as JSON.
    pub fn view_json(&self) -> Json {
        json(&self.redacted())
    }

    fn redacted(&self) -> Node {
        let mut root = self.root.clone();
        redact(&mut root, Scope::Shown);
        root
    }
}

/// Trees are at most [`crate::site::yaml::MAX_DEPTH`] deep.
fn redact(node: &mut Node, scope: Scope) {
    let names_secret = node.get("name").and_then(Node::text).is_some_and(is_secret);
    match &mut node.value {
        Value::Scalar(scalar) if scalar.kind != ScalarKind::Null && !scalar.text.is_empty() => {
            let shown = if scope == Scope::Shown { scrubbed(&scalar.text) } else { REDACTED.into() };
            if shown != scalar.text {
                *node = Node::of_text(shown, node.mark);
            }
        }
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| redact(item, scope)),
        Value::Mapping(entries) => {
            if matches!(scope, Scope::User | Scope::Hidden) {
                hide_keys(entries);
            }
            entries.iter_mut().for_each(|entry| {
                // `{name: TOKEN, value: ...}`, as environments are written
                let hidden = names_secret && entry.key == "value";
                redact(&mut entry.value, if hidden { Scope::Hidden } else { below(scope, &entry.key) });
            })
        }
    }
}

/// `{token:x}` is a key without a value, for want of a blank.
fn hide_keys(entries: &mut Vec<Entry>) {
    let is_word = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    entries
        .iter_mut()
        .filter(|entry| !is_word(&entry.key))
        .for_each(|entry| REDACTED.clone_into(&mut entry.key));
    let mut seen = false;
    entries.retain(|entry| entry.key != REDACTED || !std::mem::replace(&mut seen, true));
}

/// The scope of a key's value.
fn below(scope: Scope, key: &str) -> Scope {
    match scope {
        Scope::Hidden => Scope::Hidden,
        Scope::Shown if USERS.contains(&key) => Scope::Users,
        Scope::Shown if is_secret(key) => Scope::Hidden,
        Scope::Shown => Scope::Shown,
        // a list of `{name: ..., user: {...}}`, or a mapping by name
        Scope::Users if key == "name" => Scope::Shown,
        Scope::Users => Scope::User,
        Scope::User if PUBLIC_OF_USERS.contains(&key) => Scope::Shown,
        Scope::User => Scope::Hidden,
    }
}

fn is_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    !REFERENCES.iter().any(|end| plain.ends_with(end))
        && (secrets::is_secret_key(key) || SECRET_ENDS.iter().any(|end| plain.ends_with(end)))
}

/// A word without the secrets that it may carry whatever its key: private keys, passwords of URLs,
/// and `TOKEN=...`.
fn scrubbed(text: &str) -> String {
    match text.contains("PRIVATE KEY-----") {
        true => REDACTED.into(),
        false => without_assignments(&without_users(text)),
    }
}

/// `TOKEN=...` in environments, arguments and queries of URLs.
fn without_assignments(text: &str) -> String {
    let is_end = |c: char| "?&,;".contains(c) || c.is_whitespace();
    let hidden = |part: &str| {
        let (name, value) = part.split_once('=').filter(|(name, _)| is_secret(name))?;
        let end = if value.ends_with(is_end) { &value[value.len() - 1..] } else { "" };
        Some(format!("{name}={REDACTED}{end}"))
    };
    text.split_inclusive(is_end).map(|part| hidden(part).unwrap_or_else(|| part.to_owned())).collect()
}

/// `https://user:password@host` without the password; of a lone user of HTTP, which often is a token,
/// nothing stays.
fn without_users(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("://") {
        let is_http = before.ends_with("http") || before.ends_with("https");
        // a password may have signs in it that ought to be escaped
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let (user, host) =
            after[..end].rsplit_once('@').map_or((None, &after[..end]), |(user, host)| (Some(user), host));
        shown += &format!("{before}://");
        shown += &match user
            .map(|user| user.split_once(':').map_or((user, None), |(user, word)| (user, Some(word))))
        {
            None => String::new(),
            Some((user, Some(_))) => format!("{user}:{REDACTED}@"),
            Some((_, None)) if is_http => format!("{REDACTED}@"),
            Some((user, None)) => format!("{user}@"),
        };
        shown += host;
        rest = &after[end..];
    }
    shown + rest
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(entries) => Json::Object(
            entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect::<Map<_, _>>(),
        ),
        Value::Scalar(scalar) => match scalar.kind {
            ScalarKind::Null => Json::Null,
            ScalarKind::String => Json::from(scalar.text.as_str()),
            // the words of YAML 1.1 are booleans too
            ScalarKind::Bool => {
                Json::from(matches!(scalar.text.to_ascii_lowercase().as_str(), "true" | "yes" | "on"))
            }
            // what JSON cannot say stays text: 0644, .inf
            ScalarKind::Number => serde_json::from_str::<serde_json::Number>(&scalar.text)
                .map_or_else(|_| Json::from(scalar.text.as_str()), Json::Number),
        },
    }
}
