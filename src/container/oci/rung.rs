//! The ladder: which privileges a container runs with, and the id mapping that follows.

use serde::{Deserialize, Serialize};

use super::idmap::{self, Range, Subordinate};
use crate::container::driver::Rootless;
use crate::error::{Error, ErrorKind, Result};
use crate::image::rootfs::{Mapping, Ownership};

/// One rung, with all that is needed to step on it again, also in a later process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Root of the host: no user namespace.
    Root,
    /// A user namespace with the caller as 0 and the subordinate ids above.
    Subordinate { uid: u32, gid: u32, uids: Vec<Range>, gids: Vec<Range> },
    /// A user namespace that holds the caller alone, as 0, under a filter that lets system calls which
    /// need other ids seem to succeed.
    Emulated { uid: u32, gid: u32 },
    /// A user namespace that holds the caller alone, as 0.
    Single { uid: u32, gid: u32 },
}

impl Rung {
    /// Name of the id mapping in the rootfs cache.
    pub fn mapping(&self) -> Mapping {
        match self {
            Self::Root => Mapping::root(),
            Self::Emulated { uid, .. } | Self::Single { uid, .. } => Mapping::single(*uid),
            Self::Subordinate { uid, uids, gids, .. } => Mapping::mapped(*uid, &format!("{uids:?}{gids:?}")),
        }
    }

    /// Whether a rootfs can have the owners its layers name.
    pub fn ownership(&self) -> Ownership {
        match self {
            Self::Root | Self::Subordinate { .. } => Ownership::Keep,
            Self::Emulated { .. } | Self::Single { .. } => Ownership::Own,
        }
    }

    /// Whether the helper enters a user namespace.
    pub fn is_rootless(&self) -> bool {
        *self != Self::Root
    }

    /// For the log line that names the rung.
    pub fn describe(&self) -> String {
        match self {
            Self::Root => "as root".into(),
            Self::Subordinate { uids, .. } => {
                format!(
                    "in a user namespace with {} subordinate ids",
                    uids.iter().map(|r| r.count).sum::<u32>()
                )
            }
            Self::Emulated { .. } => "in a user namespace with a single id and root emulation".into(),
            Self::Single { .. } => "in a user namespace with a single id".into(),
        }
    }

    /// The rungs that this caller may be able to take, best first, or the one that it asks for.
    /// Nothing is tried yet. Fails with [`ErrorKind::Usage`] for a user who wants to be root, and with
    /// [`ErrorKind::Host`] where subordinate ids are wanted that are not to be had.
    pub fn candidates(wanted: Rootless) -> Result<Vec<Self>> {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let (emulated, single) = (Self::Emulated { uid, gid }, Self::Single { uid, gid });
        Ok(match wanted {
            Rootless::Auto if uid == 0 => vec![Self::Root, emulated, single],
            Rootless::Auto => Self::subordinate(uid, gid).into_iter().chain([emulated, single]).collect(),
            Rootless::Root if uid == 0 => vec![Self::Root],
            Rootless::Root => {
                let error =
                    Error::new(ErrorKind::Usage, "--rootless root is for root, and this is another user");
                return Err(error.hint("become root first, with sudo for one, or leave --rootless out"));
            }
            Rootless::Subid => match idmap::subordinate(uid) {
                Subordinate::Granted { uids, gids } => vec![Self::Subordinate { uid, gid, uids, gids }],
                Subordinate::Unset(error) | Subordinate::Incomplete(error) => {
                    let error = error.context("running containers with subordinate ids");
                    return Err(error.of_check("subordinate-ids"));
                }
            },
            Rootless::Emulate => vec![emulated],
            Rootless::Single => vec![single],
        })
    }

    fn subordinate(uid: u32, gid: u32) -> Option<Self> {
        match idmap::subordinate(uid) {
            Subordinate::Granted { uids, gids } => Some(Self::Subordinate { uid, gid, uids, gids }),
            Subordinate::Unset(_) => None,
            Subordinate::Incomplete(error) => {
                let hint = error.hint_text().unwrap_or_default();
                tracing::warn!("{error}; going without subordinate ids ({hint})");
                None
            }
        }
    }
}

/// Climbs down until a rung holds: the first candidate that `probe` accepts. Fails with
/// [`ErrorKind::Host`] and the reason of every rung when none does. A trial that fails with anything
/// else, such as a killed process, says nothing about its rung and ends the climb.
pub fn choose(candidates: Vec<Rung>, probe: impl Fn(&Rung) -> Result<()>) -> Result<Rung> {
    super::kernel::check().map_err(|error| super::checks::pointing(error.of_check("kernel")))?;
    let mut failed: Option<Error> = None;
    for rung in candidates {
        if let Some(error) = &failed {
            tracing::warn!("{error}; trying with less");
        }
        let doing = || format!("running containers {}", rung.describe());
        match probe(&rung) {
            Ok(()) => {
                tracing::info!("Containers run {}", rung.describe());
                return Ok(rung);
            }
            // the last rung needs least, so its reason and hint say most
            Err(error) if error.kind() == ErrorKind::Host => failed = Some(error.context(doing())),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_)) => return Err(error),
            Err(error) => return Err(error.context(format!("trying out {}", doing()))),
        }
    }
    let failed = failed.unwrap_or_else(|| Error::new(ErrorKind::Host, "no way to run containers"));
    Err(super::checks::pointing(failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: Rung = Rung::Single { uid: 1000, gid: 1000 };

    #[test]
    fn the_first_rung_that_holds_is_taken() {
        let candidates = vec![Rung::Root, SINGLE];
        let rung = choose(candidates, |rung| match rung {
            Rung::Root => Err(Error::new(ErrorKind::Host, "EPERM")),
            _ => Ok(()),
        });
        assert_eq!(rung.unwrap(), SINGLE);
    }

    #[test]
    fn when_none_holds_the_error_is_the_hosts() {
        let error =
            choose(vec![SINGLE], |_| Err(Error::new(ErrorKind::Host, "unshare: ENOSPC"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.to_string().contains("single id: unshare: ENOSPC"), "{error}");
    }

    #[test]
    fn a_trial_that_was_killed_is_no_reason_to_step_down() {
        let killed = |_: &Rung| Err(Error::new(ErrorKind::Internal, "killed by signal 9"));
        let error = choose(vec![Rung::Root, SINGLE], killed).unwrap_err();
        assert_eq!(error.to_string(), "trying out running containers as root: killed by signal 9");
    }

    #[test]
    fn mappings_of_different_ranges_have_different_names() {
        let of = |start| Rung::Subordinate {
            uid: 1,
            gid: 1,
            uids: vec![Range { start, count: 65536 }],
            gids: vec![],
        };
        assert_ne!(of(1).mapping().to_string(), of(2).mapping().to_string());
        assert_eq!(Rung::Root.mapping().to_string(), "root");
    }
}
