//! `airshipctl doctor`: what works on this host, found by trying, and what a run would do.
//!
//! The rung is found by the run's own ladder and probe, the image by the run's own search; the checks
//! beside them say why. Nothing is left behind, and nothing is written into the volume.

mod engine;
mod image;
mod places;

use std::path::PathBuf;

use serde::Serialize;

pub use crate::container::oci::checks::{Check, Status, Taken, Verdict};

use crate::container::Rootless;
use crate::container::oci::checks::{self, Ladder};
use crate::error::{Error, ErrorKind, Result};
use crate::image::platform::Platform;
use crate::image::registry::Access;
use crate::interrupt::Interrupt;
use crate::site::config::airship::{self, AirshipOptions};
use crate::site::config::{ContainerRuntime, IsoConfiguration};

use engine::{Engine, Wish};

/// The command line, without what belongs to the terminal.
pub struct Options {
    pub configuration: Option<PathBuf>,
    /// Leads to a configuration that is not given. Without one, volume and image are not looked at.
    pub airship: AirshipOptions,
    pub cache: PathBuf,
    /// Caches that are only read from; those of the configuration come after them.
    pub additional_caches: Vec<PathBuf>,
    pub state: PathBuf,
    pub rootless: Rootless,
    /// The driver, if not the configuration's.
    pub runtime: Option<ContainerRuntime>,
    /// How registries may be reached.
    pub access: Access,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of this form; keys are only added to it.
    pub version: u32,
    /// The exit code of the examination: that of [`Report::failure`], or 0.
    pub code: u8,
    pub host: Host,
    /// In the order in which a run meets them.
    pub checks: Vec<Found>,
    /// All rungs, best first.
    pub rungs: Vec<Verdict>,
    pub run: Outlook,
    /// The worst: that no rung holds, or else what a run would fail with.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// Who asks, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    pub kernel: String,
    /// `os/architecture[/variant]`, as images have it.
    pub platform: Platform,
    pub uid: u32,
}

/// A check and what it is about.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub area: Area,
    #[serde(flatten)]
    pub check: Check,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Host,
    Configuration,
    Volume,
    Engine,
    Cache,
    Image,
    State,
}

/// What a run would do.
#[derive(Clone, Debug, Serialize)]
pub struct Outlook {
    /// `None` where none holds, and where the engine runs containers.
    pub rung: Option<Rootless>,
    /// The rung in the words of a run's log, or which engine.
    pub description: Option<String>,
    /// The exit code that the run would end with before its builder starts, or 0.
    pub code: u8,
    /// The check that it would fail at.
    pub check: Option<String>,
    pub reason: Option<String>,
}

/// Looks at everything. Only an interrupt is an error: whatever else is wrong is what was asked for.
pub fn examine(options: &Options, interrupt: &Interrupt) -> Result<Report> {
    let configuration = configuration(options);
    let (mut found, mut known) = (Vec::new(), None);
    let mut add = |area, checks: Vec<Check>| {
        found.extend(checks.into_iter().map(|check| Found { area, check }));
    };
    match configuration {
        None => {}
        Some(Ok(configuration)) => {
            let volume = &configuration.container.volume;
            add(Area::Configuration, vec![read(&configuration)]);
            add(Area::Volume, places::volume(&volume.host));
            known = Some(configuration);
        }
        Some(Err(error)) => add(Area::Configuration, vec![Check::fail("configuration", &error)]),
    }
    add(Area::Host, checks::host());
    let Engine { check, description: engine } =
        engine::engine(Wish::of(options.runtime, known.as_ref()), interrupt)?;
    add(Area::Engine, check.into_iter().collect());
    let Ladder { verdicts, taken } =
        checks::ladder(options.rootless, places::for_trial(&options.state).as_deref(), interrupt)?;
    if engine.is_some() {
        add(Area::Image, vec![Check::skip("image", "the engine has images of its own")]);
    } else {
        add(Area::Cache, places::cache(options));
        if let Some(configuration) = &known {
            add(Area::Image, image::image(options, configuration, taken.as_ref().ok(), interrupt)?);
        }
    }
    add(Area::State, places::state(&options.state));
    let way = engine.map_or(Way::BuiltIn(&taken), Way::Engine);
    let obstacle = obstacle(&way, &found);
    let run = outlook(&way, obstacle.as_ref());
    let failure = way.failure().filter(|error| error.kind() == ErrorKind::Host).or(obstacle);
    let code = failure.as_ref().map_or(0, |error| error.kind().exit_code());
    Ok(Report { version: 1, code, host: Host::this(), checks: found, rungs: verdicts, run, failure })
}

/// What a run would be configured with; `None` where there is not even an airshipctl config.
fn configuration(options: &Options) -> Option<Result<IsoConfiguration>> {
    match &options.configuration {
        Some(path) => Some(IsoConfiguration::load(path)),
        None => airship::isogen(&options.airship).transpose(),
    }
}

/// How a run has its container.
enum Way<'a> {
    BuiltIn(&'a Result<Taken>),
    /// By an engine that answers: no rung matters.
    Engine(String),
}

impl Way<'_> {
    fn failure(&self) -> Option<Error> {
        match self {
            Self::BuiltIn(taken) => taken.as_ref().err().cloned(),
            Self::Engine(_) => None,
        }
    }
}

/// A configuration without faults.
fn read(configuration: &IsoConfiguration) -> Check {
    let container = &configuration.container;
    let found = format!("volume {}, container runtime {}", container.volume, container.runtime);
    Check::ok("configuration", found)
}

/// The first thing that a run would stumble over, in the order of its own steps.
fn obstacle(way: &Way<'_>, found: &[Found]) -> Option<Error> {
    let of = |areas: &[Area]| {
        let failed = |it: &&Found| areas.contains(&it.area) && it.check.status == Status::Fail;
        found.iter().find(failed).map(|it| it.check.to_error())
    };
    of(&[Area::Configuration, Area::Volume, Area::Engine])
        .or_else(|| way.failure())
        .or_else(|| of(&[Area::Cache, Area::Image, Area::State]))
}

fn outlook(way: &Way<'_>, obstacle: Option<&Error>) -> Outlook {
    let (rung, description) = match way {
        Way::BuiltIn(Ok(taken)) => (Some(taken.rung), Some(taken.description.clone())),
        Way::BuiltIn(Err(_)) => (None, None),
        Way::Engine(description) => (None, Some(description.clone())),
    };
    Outlook {
        rung,
        description,
        code: obstacle.map_or(0, |error| error.kind().exit_code()),
        check: obstacle.and_then(Error::check).map(str::to_owned),
        reason: obstacle.map(ToString::to_string),
    }
}

impl Host {
    fn this() -> Self {
        let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
        Self {
            kernel: release.unwrap_or_default(),
            platform: Platform::host(),
            uid: nix::unistd::geteuid().as_raw(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::rootfs::Mapping;

    fn failed(area: Area, name: &str, kind: ErrorKind) -> Found {
        Found { area, check: Check::fail(name, &Error::new(kind, "no")) }
    }

    fn judged(taken: &Result<Taken>, found: &[Found]) -> Outlook {
        let way = Way::BuiltIn(taken);
        outlook(&way, obstacle(&way, found).as_ref())
    }

    fn taken() -> Result<Taken> {
        Ok(Taken { rung: Rootless::Root, description: "as root".into(), mapping: Mapping::root() })
    }

    #[test]
    fn the_first_obstacle_of_a_run_decides() {
        let found = [
            failed(Area::Host, "mount-api", ErrorKind::Host),
            failed(Area::Cache, "cache", ErrorKind::Image),
            failed(Area::State, "state", ErrorKind::Usage),
        ];
        let run = judged(&taken(), &found);
        assert_eq!((run.code, run.check.as_deref(), run.rung), (4, Some("cache"), Some(Rootless::Root)));
        let none = Err(Error::new(ErrorKind::Host, "no").of_check("user-namespace"));
        let run = judged(&none, &found);
        assert_eq!((run.code, run.check.as_deref(), run.rung), (5, Some("user-namespace"), None));
        let run = judged(&none, &[failed(Area::Volume, "volume", ErrorKind::Usage)]);
        assert_eq!((run.code, run.check.as_deref()), (2, Some("volume")));
    }

    #[test]
    fn with_an_engine_no_rung_has_to_hold() {
        let way = Way::Engine("by it".into());
        let run = outlook(&way, obstacle(&way, &[failed(Area::Host, "mount-api", ErrorKind::Host)]).as_ref());
        assert_eq!((run.code, run.rung, run.description.as_deref()), (0, None, Some("by it")));
    }

    #[test]
    fn what_only_explains_is_no_obstacle() {
        let run = judged(&taken(), &[failed(Area::Host, "mount-api", ErrorKind::Host)]);
        assert_eq!((run.code, run.check), (0, None));
    }
}
