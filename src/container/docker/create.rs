//! A container as the engine is told to make it: what Docker gives by default, and what a run asks
//! for beyond that.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};

use super::connection::{Connection, Heed, printable, status};
use super::pull::Image;
use crate::container::driver::{Environment, Limits, Run};
use crate::error::{Error, ErrorKind, Result};
use crate::site::config::{Network, Privilege};

/// The label with a run's id, by which people find what is ours.
pub const LABEL: &str = "airshipctl.run";

/// How soon one looks again whether a container that is being removed is gone.
const AGAIN: Duration = Duration::from_millis(50);

/// The container's name for a run's id; known before the container is there.
pub fn name(id: &str) -> String {
    format!("airshipctl-{id}")
}

/// What is to be run.
pub struct Wanted<'a> {
    pub image: &'a Image,
    /// Instead of the image's own command.
    pub command: Option<&'a [&'a str]>,
    /// Instead of the image's own user.
    pub user: Option<&'a str>,
    /// Host and container side.
    pub volume: Option<(&'a Path, &'a Path)>,
    pub environment: &'a Environment,
    pub privilege: Privilege,
    pub network: Network,
    pub limits: Limits,
}

const NOTHING: &Environment = &Environment::new();

impl<'a> Wanted<'a> {
    pub fn builder(image: &'a Image, run: &'a Run<'_>) -> Self {
        Self {
            volume: Some((run.volume.host(), run.volume.container())),
            environment: &run.environment,
            privilege: run.privilege,
            network: run.network,
            limits: run.limits,
            ..Self::command(image, None)
        }
    }

    /// A command with neither volume nor network.
    pub fn command(image: &'a Image, command: Option<&'a [&'a str]>) -> Self {
        Self {
            image,
            command,
            user: None,
            volume: None,
            environment: NOTHING,
            privilege: Privilege::Default,
            network: Network::None,
            limits: Limits::default(),
        }
    }

    fn body(&self, id: &str, has_init: bool) -> ContainerCreateBody {
        let mut words = self.command.into_iter().flatten().map(|word| (*word).to_owned());
        ContainerCreateBody {
            image: Some(self.image.id.clone()),
            entrypoint: self.command.and_then(|_| words.next()).map(|program| vec![program]),
            cmd: self.command.map(|_| words.collect()),
            user: self.user.map(str::to_owned),
            env: Some(self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(HashMap::from([(LABEL.to_owned(), id.to_owned())])),
            host_config: Some(self.host_config(has_init)),
            ..Default::default()
        }
    }

    fn host_config(&self, has_init: bool) -> HostConfig {
        let network = match self.network {
            Network::None => "none",
            Network::Host => "host",
        };
        // as a mount, not as `host:container`: a colon in the path is then harmless, and a directory
        // that the engine does not see is an error and not made
        let mount = |(host, inside): (&Path, &Path)| Mount {
            typ: Some(MountType::BIND),
            source: Some(host.to_string_lossy().into_owned()),
            target: Some(inside.to_string_lossy().into_owned()),
            ..Default::default()
        };
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        HostConfig {
            mounts: self.volume.map(|volume| vec![mount(volume)]),
            network_mode: Some(network.to_owned()),
            privileged: Some(self.privilege == Privilege::Privileged),
            // pid 1 would ignore signals for which it has no handler
            init: has_init.then_some(true),
            memory: self.limits.memory.map(signed),
            // no more swap than memory: docker's default would be as much again
            memory_swap: self.limits.memory.map(signed),
            nano_cpus: self.limits.cpus.map(|thousandths| signed(thousandths.saturating_mul(1_000_000))),
            pids_limit: self.limits.pids.map(signed),
            // we read it as it comes; a second copy would only fill the engine's disk
            log_config: Some(HostConfigLogConfig { typ: Some("none".into()), ..Default::default() }),
            ..Default::default()
        }
    }
}

/// Makes the container of the run `id`; it does not run yet.
pub fn create(connection: &Connection, id: &str, wanted: &Wanted<'_>) -> Result<()> {
    let options = CreateContainerOptionsBuilder::default().name(&name(id)).build();
    let body = wanted.body(id, connection.has_init());
    let request = connection.docker().create_container(Some(options), body);
    // one that is given up may still be made, when nobody removes it any more
    let made = connection.ask(ErrorKind::Builder, Heed::SecondSignal, request);
    let made = made.map_err(|error| volume_unseen(wanted, error).context("creating the container"))?;
    connection.interrupt().check()?;
    for warning in &made.warnings {
        tracing::debug!("the engine warns: {}", printable(warning));
    }
    // the one on swap, which some kernels do not count, says nothing of the kind
    if let Some(warning) = made.warnings.iter().find(|warning| warning.contains("discarded")) {
        let why = format!("limiting the container: the engine says: {}", printable(warning));
        return Err(
            Error::new(ErrorKind::Host, why).hint("leave the limit out, or run where cgroups allow it")
        );
    }
    Ok(())
}

/// Engines on other hosts, and those of which only the socket is in our container, look for the
/// volume in their own file system.
fn volume_unseen(wanted: &Wanted<'_>, error: Error) -> Error {
    let text = error.to_string();
    match wanted.volume {
        Some((host, _)) if text.contains("bind source path does not exist") => unseen(host).because(text),
        _ => error,
    }
}

/// The error for an engine that has another directory there, or none.
pub fn unseen(volume: &Path) -> Error {
    let why = format!("Docker's engine does not see the volume {}", volume.display());
    Error::new(ErrorKind::Host, why).hint(
        "the engine has to run on this host, with the same file system; the built-in driver runs here: --container-runtime oci",
    )
}

/// Ends the container, if it still runs, and removes it. That it is not there is fine.
pub fn remove(connection: &Connection, id: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let name = name(id);
    let request = async {
        loop {
            match connection.docker().remove_container(&name, Some(options.clone())).await {
                // the one who began to remove it may have been killed, but the engine goes on
                Err(error) if status(&error) == Some(409) => tokio::time::sleep(AGAIN).await,
                answer => return answer,
            }
        }
    };
    connection
        .find(ErrorKind::Internal, Heed::Nothing, request)
        .map(drop)
        .map_err(|error| error.context(format!("removing container {name}")))
}
