//! Where the engine is: the local socket, or what `DOCKER_HOST` says.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

const SOCKET: &str = "/var/run/docker.sock";

/// The address of an engine; a record of a run has it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
    /// With TLS, and the directory with `ca.pem`, `cert.pem` and `key.pem`.
    Tls(String, PathBuf),
}

impl Address {
    /// As Docker's own command line reads the environment; it knows contexts too, we do not.
    /// Fails with `Usage` for what is no address of an engine.
    pub fn of_environment() -> Result<Self> {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some(host) = given("DOCKER_HOST") else { return Ok(Self::Unix(SOCKET.into())) };
        let host = host.to_string_lossy();
        let refuse = |why: &str, hint: &str| {
            Err(Error::new(ErrorKind::Usage, format!("reading DOCKER_HOST={host}: {why}")).hint(hint))
        };
        let forms = "it looks like unix:///var/run/docker.sock or tcp://host:port";
        match host.split_once("://") {
            Some(("unix", path)) if Path::new(path).is_absolute() => Ok(Self::Unix(path.into())),
            Some(("tcp", place)) if is_place(place) => {
                let place = place.trim_end_matches('/');
                if given("DOCKER_TLS_VERIFY").is_none() {
                    return Ok(Self::Tcp(with_port(place, "2375")));
                }
                let of_user = || given("HOME").map(|home| Path::new(&home).join(".docker"));
                match given("DOCKER_CERT_PATH").map(PathBuf::from).or_else(of_user) {
                    Some(dir) => Ok(Self::Tls(with_port(place, "2376"), dir)),
                    None => refuse(
                        "DOCKER_TLS_VERIFY is set, and neither DOCKER_CERT_PATH nor HOME is",
                        "say with DOCKER_CERT_PATH where ca.pem, cert.pem and key.pem are",
                    ),
                }
            }
            Some(("ssh", _)) => refuse(
                "engines behind ssh are not supported: they would not see the volume",
                "run this program on that host",
            ),
            _ => refuse("it is no address of an engine", forms),
        }
    }

    /// How Docker's command line is told of it.
    pub fn docker_command(&self) -> String {
        match self {
            Self::Unix(path) if path == Path::new(SOCKET) => "docker".into(),
            Self::Tls(place, dir) => {
                format!(
                    "docker --tlsverify --tlscacert {0}/ca.pem --tlscert {0}/cert.pem --tlskey {0}/key.pem -H tcp://{place}",
                    dir.display()
                )
            }
            other => format!("docker -H {other}"),
        }
    }
}

/// A host with or without a port, and no path.
fn is_place(place: &str) -> bool {
    let place = place.trim_end_matches('/');
    !place.is_empty() && !place.contains(['/', '?', '#', '@', ' '])
}

fn with_port(place: &str, port: &str) -> String {
    let after_brackets = place.rsplit(']').next().unwrap_or(place);
    match after_brackets.contains(':') {
        true => place.to_owned(),
        false => format!("{place}:{port}"),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(place) | Self::Tls(place, _) => write!(f, "tcp://{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Address> {
        Address::of(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, v)| (*v).into()))
    }

    #[test]
    fn the_socket_of_the_host_is_the_default() {
        for variables in [&[][..], &[("DOCKER_HOST", "")], &[("DOCKER_HOST", "unix:///var/run/docker.sock")]]
        {
            let address = of(variables).unwrap();
            assert_eq!(address, Address::Unix(SOCKET.into()));
            assert_eq!(address.docker_command(), "docker");
        }
    }

    #[test]
    fn tcp_has_the_port_and_the_certificates_that_docker_expects() {
        let tcp = |place: &str| Address::Tcp(place.into());
        assert_eq!(of(&[("DOCKER_HOST", "tcp://127.0.0.1:1")]).unwrap(), tcp("127.0.0.1:1"));
        assert_eq!(of(&[("DOCKER_HOST", "tcp://[::1]/")]).unwrap(), tcp("[::1]:2375"));
        let verified = [("DOCKER_HOST", "tcp://engine"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/h")];
        assert_eq!(of(&verified).unwrap(), Address::Tls("engine:2376".into(), "/h/.docker".into()));
    }

    #[test]
    fn other_ways_to_an_engine_are_refused_by_name() {
        for host in
            ["ssh://host", "npipe:////./pipe/x", "unix://relative", "tcp://", "tcp://a/b", "host:1", "fd://"]
        {
            let error = of(&[("DOCKER_HOST", host)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{host}");
            assert!(error.to_string().contains(host) && error.hint_text().is_some(), "{error}");
        }
        assert!(of(&[("DOCKER_HOST", "ssh://host")]).unwrap_err().to_string().contains("ssh"));
    }
}
