//! What a key or a value looks like: something that opens doors, or something that anybody may know.

use super::LEAST;

/// In a key's name, without `-` and `_`: what stands there is secret.
const SECRET: [&str; 19] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "credential",
    "authorization",
    "bearer",
    "privatekey",
    "apikey",
    "accesskey",
    "certificatekey",
    "encryptionkey",
    "signingkey",
    "sharedkey",
    "masterkey",
    "keydata",
    "kubeconfig",
];
/// The same for whole names.
const SECRET_NAMES: [&str; 7] =
    ["pwd", "psk", "auth", "private", "rsaprivate", "ecdsaprivate", "ed25519private"];
/// Keys whose values are not secret, though a secret's word be in them or in a key above.
const PUBLIC_NAMES: [&str; 22] = [
    "chpasswd",
    "lockpasswd",
    "sshpwauth",
    "name",
    "username",
    "user",
    "login",
    "path",
    "type",
    "kind",
    "owner",
    "group",
    "groups",
    "permissions",
    "encoding",
    "apiversion",
    "namespace",
    "id",
    "keyid",
    "secretname",
    "secretref",
    "secretkeyref",
];
/// In a value: what anybody may know.
const PUBLIC_VALUES: [&str; 10] = [
    "ssh-rsa ",
    "ssh-ed25519 ",
    "ssh-dss ",
    "ecdsa-sha2-",
    "sk-ssh-",
    "sk-ecdsa-",
    "-----BEGIN CERTIFICATE",
    "-----BEGIN PUBLIC",
    "-----BEGIN RSA PUBLIC",
    "-----BEGIN PGP PUBLIC",
];

/// What a key says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyLook {
    Secret,
    Public,
    /// Nothing: it is for the value, or for the key above.
    Open,
}

/// Judges a key by its name.
pub(super) fn key(name: &str) -> KeyLook {
    let name: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    let name = name.to_ascii_lowercase();
    let is_public = name.contains("public") || name.contains("authorized");
    if PUBLIC_NAMES.contains(&name.as_str()) || is_public {
        KeyLook::Public
    } else if SECRET_NAMES.contains(&name.as_str())
        || name.ends_with("pass")
        || SECRET.iter().any(|word| name.contains(word))
    {
        KeyLook::Secret
    } else {
        KeyLook::Open
    }
}

/// Whether a value may be known by anybody, whatever its key is called.
pub(super) fn is_public(value: &str) -> bool {
    value.len() < LEAST
        || PUBLIC_VALUES.iter().any(|sign| value.contains(sign))
        || is_path(value)
        || matches!(value, "disabled" | "required" | "optional" | "undefined")
}

/// `/etc/shadow`, `~/.ssh/id`; base64 that begins with a slash has capitals.
fn is_path(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let value = value.trim_start_matches(['~', '.']);
    value.starts_with('/') && value[1..].contains('/') && value.chars().all(inner)
}

/// Whether a value whose key says nothing is secret: one word that is no name of anything.
pub(super) fn is_opaque(value: &str) -> bool {
    let is_word = value.len() <= 16
        && (value.bytes().all(|b| b.is_ascii_lowercase()) || value.bytes().all(|b| b.is_ascii_uppercase()));
    let is_structured = value.starts_with(['#', '[', '{', '<', '"']) || value.contains("://");
    !value.contains(char::is_whitespace)
        && !is_public(value)
        && !is_word
        && !is_structured
        && !is_number(value)
        && !is_host(value)
}

fn is_number(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit() || b".:/-".contains(&b))
}

/// `a.example`; the last label of a bootstrap token has digits.
fn is_host(value: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:".contains(&b);
    let last = value.rsplit('.').next().unwrap_or_default();
    value.contains('.') && value.bytes().all(inner) && last.bytes().all(|b| b.is_ascii_lowercase())
}

/// Whether a word within a text is most probably a random one: long, and with capitals, small letters
/// and digits.
pub(super) fn is_random(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
    word.len() >= 20
        && word.bytes().all(inner)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && word.matches('/').count() < 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged_by_their_names() {
        for name in [
            "password",
            "plain_text_passwd",
            "hashed_passwd",
            "adminPass",
            "token",
            "client-key-data",
            "certificate-key",
            "rsa_private",
            "API_KEY",
            "psk",
        ] {
            assert_eq!(key(name), KeyLook::Secret, "{name}");
        }
        for name in [
            "chpasswd",
            "ssh_authorized_keys",
            "public-key",
            "name",
            "hostname",
            "content",
            "keys",
            "key",
            "topologyKey",
        ] {
            assert_ne!(key(name), KeyLook::Secret, "{name}");
        }
    }

    #[test]
    fn what_anybody_may_know_is_not_opaque() {
        for value in [
            "short",
            "kubernetes",
            "/etc/kubernetes/pki",
            "node-1.example.org",
            "https://registry.example/v2",
            "192.0.2.1/24",
            "two words of text",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIxyz a@b",
            "[Service]",
        ] {
            assert!(!is_opaque(value), "{value}");
        }
        for value in ["c4n4ry-Jahqu9ie", "abcdef.0123456789abcdef", "hunter2hunter2", "/Zx9+Qk31aaB=="] {
            assert!(is_opaque(value), "{value}");
        }
    }
}
