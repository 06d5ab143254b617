//! What is said to a builder's user where its last lines show that it missed what it was not given.

use crate::error::{Error, ErrorKind};
use crate::site::config::Network;

/// What programs say where no name is found and no host reached, in lower case: the C libraries', then
/// those of curl, apt, git, wget, busybox and Go.
const UNREACHABLE: [&str; 12] = [
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
/// What chown(1), cp(1) and install(1), and tar(1) say before the reason.
const OWNERS: [&str; 3] = ["chown:", "ownership", "chgrp:"];
/// An id that is not mapped, and no right to give files away.
const REFUSED: [&str; 2] = ["invalid argument", "operation not permitted"];

/// The error of a run, with a way out where one shows.
pub(super) fn add(error: Error, network: Network) -> Error {
    if error.kind() != ErrorKind::Builder {
        return error;
    }
    let said = error.to_string().to_lowercase();
    let has = |line: &str, texts: &[&str]| texts.iter().any(|text| line.contains(text));
    if network == Network::None && has(&said, &UNREACHABLE) {
        return error.hint("builders have no network; one that needs this host's gets it by --network host");
    }
    if said.lines().any(|line| has(line, &OWNERS) && has(line, &REFUSED)) {
        return error.hint(
            "a builder that changes owners takes more than a single id: root or --rootless subid, or --rootless emulate \
             where they need not be real",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(kind: ErrorKind, said: &str, network: Network) -> Option<String> {
        let error = Error::new(kind, "the builder ended with exit code 100").because(said);
        add(error, network).hint_text().map(str::to_owned)
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
        assert_eq!(hint(ErrorKind::Builder, "  | chown: x: No such file or directory", Network::None), None);
    }

    #[test]
    fn a_builder_that_cannot_change_owners_gets_a_hint() {
        for said in [
            "  | chown: /etc/shadow: Invalid argument",
            "  | tar: ./x: Cannot change ownership to uid 0, gid 42: Invalid argument",
            "  | install: cannot change ownership of 'x': Operation not permitted",
        ] {
            let hint = hint(ErrorKind::Builder, said, Network::None);
            assert!(hint.is_some_and(|hint| hint.contains("--rootless subid")), "{said}");
        }
    }
}
