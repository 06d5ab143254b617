//! What is said to a builder's user when it missed the network that it was not given.

use crate::error::{Error, ErrorKind};
use crate::site::config::Network;

/// What programs say where no name is found and no host reached, in lower case: the C libraries', then
/// those of curl, apt, git, wget, busybox and Go.
const COMPLAINTS: [&str; 12] = [
    "name resolution",
    "name or service not known",
    "name does not resolve",
    "network is unreachable",
    "no route to host",
    "connection refused",
    "could not resolve",
    "couldn't resolve",
    "temporary failure resolving",
    "unable to resolve host",
    "bad address '",
    "no such host",
];

/// The error of a run, with a way out where the builder's last lines speak of a network and it had none.
pub(super) fn with_hint(error: Error, network: Network) -> Error {
    let said = error.to_string().to_lowercase();
    let missed = COMPLAINTS.iter().any(|complaint| said.contains(complaint));
    match network == Network::None && error.kind() == ErrorKind::Builder && missed {
        true => error.hint("builders have no network; one that needs this host's gets it by --network host"),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(kind: ErrorKind, said: &str, network: Network) -> Option<String> {
        let error = Error::new(kind, "the builder ended with exit code 100").because(said);
        with_hint(error, network).hint_text().map(str::to_owned)
    }

    #[test]
    fn a_builder_that_speaks_of_a_network_it_has_not_got_gets_a_hint() {
        for said in [
            "  | curl: (6) Could not resolve host: registry.example",
            "  | Err:1 http://registry.example stable InRelease\n  |   Temporary failure resolving 'registry.example'",
            "  | wget: bad address 'registry.example'",
            "  | dial tcp: lookup registry.example: no such host",
            "  | ping: connect: Network is unreachable",
        ] {
            let hint = hint(ErrorKind::Builder, said, Network::None);
            assert!(hint.is_some_and(|hint| hint.contains("--network host")), "{said}");
        }
    }

    #[test]
    fn nobody_else_gets_it() {
        let said = "  | wget: unable to resolve host address";
        assert_eq!(hint(ErrorKind::Builder, said, Network::Host), None);
        assert_eq!(hint(ErrorKind::Output, said, Network::None), None);
        assert_eq!(hint(ErrorKind::Builder, "  | mount: Bad address", Network::None), None);
    }
}
