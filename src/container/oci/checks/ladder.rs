//! The ladder as a run climbs it, and for each rung why it holds or not.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracing::subscriber::{NoSubscriber, with_default};

use super::{Check, Status, with_way_out};
use crate::container::driver::Rootless;
use crate::container::oci::protocol::{Task, Up};
use crate::container::oci::rung::{self, Rung};
use crate::container::oci::spawn::{Helper, Surroundings};
use crate::error::{Error, Result};
use crate::image::rootfs::Mapping;
use crate::interrupt::Interrupt;

/// Best first.
const RUNGS: [Rootless; 4] = [Rootless::Root, Rootless::Subid, Rootless::Emulate, Rootless::Single];

/// All rungs, best first, and the one that a run takes.
pub struct Ladder {
    pub verdicts: Vec<Verdict>,
    pub taken: Result<Taken>,
}

/// The rung of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    pub rung: Rootless,
    /// As the log of a run says it.
    pub description: String,
    /// Which rootfses it runs from.
    #[serde(skip)]
    pub mapping: Mapping,
}

/// One rung.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub rung: Rootless,
    pub holds: bool,
    /// The first check that fails.
    pub check: Option<String>,
    pub reason: Option<String>,
    pub fix: Option<String>,
    /// The steps to a container, in order; none where it is not for this user.
    pub checks: Vec<Check>,
}

/// Whether containers can run on this rung: what every run asks first.
pub fn probe(rung: &Rung, interrupt: &Interrupt) -> Result<()> {
    let tried = Helper::spawn(rung, Task::Probe, Surroundings::default())
        .and_then(|helper| helper.call(Some(interrupt)).map(drop));
    // what fails between the steps
    tried.map_err(|error| error.of_check("helper"))
}

/// Climbs as a run with this wish does, then looks at each rung by itself. `upper` is a directory for
/// a trial of an overlay's upper layer, which leaves nothing. Only an interrupt is an error.
pub fn ladder(wish: Rootless, upper: Option<&Path>, interrupt: &Interrupt) -> Result<Ladder> {
    // what the climb would log is in the result
    with_default(NoSubscriber::default(), || climb(wish, upper, interrupt))
}

fn climb(wish: Rootless, upper: Option<&Path>, interrupt: &Interrupt) -> Result<Ladder> {
    let tried: RefCell<Vec<(Rung, Result<()>)>> = RefCell::default();
    let trial = |rung: &Rung| {
        let outcome = probe(rung, interrupt);
        tried.borrow_mut().push((rung.clone(), outcome.clone()));
        outcome
    };
    let taken = Rung::candidates(wish).and_then(|candidates| rung::choose(candidates, trial));
    interrupt.check()?;
    let tried = tried.into_inner();
    let mut verdicts = Vec::new();
    for kind in RUNGS {
        let known = tried.iter().find(|(rung, _)| kind_of(rung) == kind).cloned();
        let verdict = match (known, Rung::candidates(kind).map(|rungs| rungs.into_iter().next())) {
            (Some((rung, outcome)), _) => judge(&rung, outcome, upper, interrupt),
            (None, Ok(Some(rung))) => judge(&rung, probe(&rung, interrupt), upper, interrupt),
            (None, Ok(None)) => continue,
            (None, Err(error)) => out_of_reach(kind, &error),
        };
        interrupt.check()?;
        verdicts.push(verdict);
    }
    let taken = taken.map(|rung| Taken {
        rung: kind_of(&rung),
        description: rung.describe(),
        mapping: rung.mapping(),
    });
    Ok(Ladder { verdicts, taken })
}

fn kind_of(rung: &Rung) -> Rootless {
    match rung {
        Rung::Root => Rootless::Root,
        Rung::Subordinate { .. } => Rootless::Subid,
        Rung::Emulated { .. } => Rootless::Emulate,
        Rung::Single { .. } => Rootless::Single,
    }
}

fn judge(rung: &Rung, outcome: Result<()>, upper: Option<&Path>, interrupt: &Interrupt) -> Verdict {
    let checks = steps(rung, upper.map(Path::to_owned), interrupt);
    let failed = outcome.err().map(with_way_out);
    let text = |of: fn(&Error) -> Option<&str>| failed.as_ref().and_then(of).map(str::to_owned);
    Verdict {
        rung: kind_of(rung),
        holds: failed.is_none(),
        check: text(Error::check),
        reason: failed.as_ref().map(ToString::to_string),
        fix: text(Error::hint_text),
        checks,
    }
}

/// Takes the steps of the probe once more and those behind them, each told of.
fn steps(rung: &Rung, upper: Option<PathBuf>, interrupt: &Interrupt) -> Vec<Check> {
    let mut checks = Vec::new();
    let task = Task::Check { upper };
    let outcome = Helper::spawn(rung, task, Surroundings::default()).and_then(|helper| {
        helper.call_noting(Some(interrupt), |said| {
            if let Up::Checked { name, error } = said {
                checks.push(step(rung, &name, error.as_ref()));
            }
        })
    });
    // the maps are written from out here, and a helper that is killed tells nothing
    if let Err(error) = outcome
        && checks.iter().all(|check| check.status != Status::Fail)
    {
        checks.push(Check::fail(error.check().unwrap_or("helper"), &error));
    }
    checks
}

fn step(rung: &Rung, name: &str, error: Option<&Error>) -> Check {
    match error {
        None => Check::ok(name, ""),
        Some(error) if name == "overlay-upper" => {
            Check::warn(name, format!("{error}: the container's own layer goes to memory"))
                .with_fix("name a directory on a local disk with --state-dir")
        }
        Some(error) if name == "seccomp-filter" && matches!(rung, Rung::Single { .. }) => {
            let error = with_way_out(error.clone());
            let fix = error.hint_text().unwrap_or_default().to_owned();
            Check::warn(name, format!("{error}: builders run without the seccomp profile")).with_fix(fix)
        }
        Some(error) => Check::fail(name, &with_way_out(error.clone())),
    }
}

/// A rung that is not even tried.
fn out_of_reach(kind: Rootless, error: &Error) -> Verdict {
    let found = (kind == Rootless::Subid).then(super::subordinate::subordinate);
    Verdict {
        rung: kind,
        holds: false,
        check: Some(error.check().unwrap_or("caller").to_owned()),
        reason: Some(error.to_string()),
        fix: found.and_then(|found| found.fix).or_else(|| error.hint_text().map(str::to_owned)),
        checks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_rung_out_of_reach_says_why_and_how() {
        let error = Error::new(ErrorKind::Usage, "no").hint("do");
        let verdict = out_of_reach(Rootless::Root, &error);
        assert!(!verdict.holds && verdict.checks.is_empty());
        assert_eq!((verdict.check.as_deref(), verdict.fix.as_deref()), (Some("caller"), Some("do")));
    }

    #[test]
    fn only_the_upper_layer_may_fail_and_the_profile_of_a_single_id() {
        let error = Error::new(ErrorKind::Host, "no");
        let status = |rung: &Rung, name| step(rung, name, Some(&error)).status;
        let single = Rung::Single { uid: 1, gid: 1 };
        assert_eq!(status(&Rung::Root, "overlay-upper"), Status::Warn);
        assert_eq!(status(&single, "overlay"), Status::Fail);
        assert_eq!(status(&single, "seccomp-filter"), Status::Warn);
        assert_eq!(status(&Rung::Root, "seccomp-filter"), Status::Fail);
    }
}
