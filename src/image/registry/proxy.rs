//! Which registries are reached directly though the environment names proxies.
//!
//! Proxies are the HTTP library's business, with `NO_PROXY` of names, suffixes, addresses and
//! networks. What it does not know of what Go's tools do is here: this host, ports, and `*.` names.

use std::net::IpAddr;

const TLS_PORT: &str = "443";

/// How connections are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in capitals or not.
    Environment,
    Direct,
}

impl Route {
    /// For a registry, a host with or without port.
    pub(super) fn to(registry: &str) -> Self {
        let spared = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
        Self::of(registry, &spared)
    }

    fn of(registry: &str, spared: &str) -> Self {
        let (host, port) = split(registry);
        let port = if port.is_empty() { TLS_PORT } else { port };
        let spared = || spared.split(',').map(str::trim).any(|entry| spares(entry, host, port));
        match is_loopback(registry) || spared() {
            true => Self::Direct,
            false => Self::Environment,
        }
    }
}

/// Only what the library does not understand; the rest is left to it.
fn spares(entry: &str, host: &str, port: &str) -> bool {
    let (name, wanted) = split(entry);
    let (starred, name) = match name.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix('.').unwrap_or(name)),
    };
    let has_port = !wanted.is_empty();
    if name.is_empty() || !(starred || has_port) || (has_port && wanted != port) {
        return false;
    }
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
}

/// Host without brackets, and port, empty where there is none.
fn split(text: &str) -> (&str, &str) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').unwrap_or_default());
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port),
        _ => (text, ""),
    }
}

/// Whether `registry`, a host with or without port, is this machine: `localhost`, 127.0.0.0/8 or
/// `[::1]`. Names are not looked up, so nobody's DNS can take TLS away.
pub(super) fn is_loopback(registry: &str) -> bool {
    let (host, _) = split(registry);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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

    #[test]
    fn no_proxy_may_have_ports_and_stars() {
        for (registry, spared, route) in [
            ("registry.example:5000", "registry.example:5000", Route::Direct),
            ("a.registry.example:5000", "x, .registry.example:5000", Route::Direct),
            ("registry.example", "registry.example:443", Route::Direct),
            ("a.registry.example", "*.registry.example", Route::Direct),
            ("127.0.0.1:5000", "", Route::Direct),
            ("registry.example:5000", "registry.example:5001", Route::Environment),
            ("registry.example", "registry.example:80", Route::Environment),
            ("notregistry.example:5000", "registry.example:5000", Route::Environment),
            ("registry.example", ":443,,*.", Route::Environment),
            // these the library knows
            ("registry.example", "registry.example,.example,*", Route::Environment),
        ] {
            assert_eq!(Route::of(registry, spared), route, "{registry} {spared}");
        }
    }
}
