//! A look into a container that was kept: its command runs as the builder did, in namespaces of its
//! own, on a fresh layer over what the builder left. Nothing that it changes stays.

use std::fs::DirBuilder;
use std::os::fd::RawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::unistd::dup2;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::limits::MemoryWatch;
use super::run::{NetworkMode, RunTask, Seccomp};
use super::user::User;
use super::worker::{self, Worker};
use super::{Channels, binfmt, cgroup, overlay, reap, run};
use crate::container::oci::capabilities;
use crate::container::oci::protocol::{Up, send};
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// How the directories of shells begin, below that of their run; a number follows.
pub const PREFIX: &str = "shell-";

/// What the helper must know to enter a kept container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShellTask {
    /// The directory of the run that was kept.
    pub run_dir: PathBuf,
    /// The tree under its layer.
    pub rootfs: PathBuf,
    /// Host side of the volume, which is there to be read only.
    pub volume: PathBuf,
    pub network: NetworkMode,
    pub seccomp: Seccomp,
    pub command: Vec<String>,
    /// Further variables, as `NAME=value`.
    pub environment: Vec<String>,
    /// Descriptors of this process that become the command's 0, 1 and 2.
    pub stdio: [RawFd; 3],
}

/// Runs the command and tells how it ended; then nothing of it is left.
pub fn shell(channels: &mut Channels, rung: &Rung, task: &ShellTask) -> Result<serde_json::Value> {
    let own = prepare(task)?;
    let ended = Worker::start(channels, |channels| work(channels, rung, task, &own))
        .and_then(|worker| run::watch(channels, &worker));
    let removed = reap::remove_container(&own.run_dir, &own.id);
    let removed = removed.and_then(|()| reap::remove_tree(&own.run_dir));
    ended.and(removed)?;
    Ok(serde_json::Value::Null)
}

/// The run of the command, with a directory of its own.
fn prepare(task: &ShellTask) -> Result<RunTask> {
    let config = task.run_dir.join("bundle/config.json");
    let spec = Spec::load(&config)
        .doing(ErrorKind::Builder, || format!("reading {}", config.display()))
        .map_err(|error| error.hint("its builder never came so far as to have a container to look into"))?;
    let (number, run_dir) = make_dir(&task.run_dir)?;
    let id = format!("{}-{number}", name(&task.run_dir));
    Ok(RunTask {
        spec: adapt(spec, task, &cgroup::path(Path::new("/"), &id))?,
        id,
        run_dir,
        rootfs: task.rootfs.clone(),
        user: String::new(),
        network: task.network,
        seccomp: task.seccomp,
        volume: Some(task.volume.clone()),
        inputs: Vec::new(),
        stdout: None,
    })
}

/// Another shell of the same run, or what a killed one left, may have the first numbers.
fn make_dir(run_dir: &Path) -> Result<(u32, PathBuf)> {
    let first = std::process::id();
    for number in first..first.saturating_add(1000) {
        let dir = run_dir.join(format!("{PREFIX}{number}"));
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                return made
                    .map(|()| (number, dir.clone()))
                    .doing(ErrorKind::Host, || format!("creating {}", dir.display()));
            }
        }
    }
    Err(Error::new(ErrorKind::Host, format!("too many shells in {}", run_dir.display())))
}

fn name(run_dir: &Path) -> String {
    run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The builder's config.json with another command, and the volume for reading.
fn adapt(mut spec: Spec, task: &ShellTask, cgroup: &Path) -> Result<Spec> {
    let broken = || Error::new(ErrorKind::Internal, "the kept config.json has no process");
    let process = spec.process_mut().as_mut().ok_or_else(broken)?;
    process.set_args(Some(task.command.clone()));
    if task.seccomp.profile {
        capabilities::take_back(process);
    }
    let mut environment = process.env().clone().unwrap_or_default();
    environment.extend(task.environment.iter().cloned());
    process.set_env(Some(environment));
    if let Some(linux) = spec.linux_mut() {
        linux.set_cgroups_path(Some(cgroup.to_owned()));
        // the limits were the builder's; where it had its cgroup is perhaps not open to this process
        if let Some(resources) = linux.resources_mut() {
            resources.set_memory(None).set_cpu(None).set_pids(None);
        }
    }
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    // a volume may be gone long since
    mounts.retain(|mount| mount.source().as_ref() != Some(&task.volume) || task.volume.is_dir());
    for mount in mounts.iter_mut().filter(|mount| mount.source().as_ref() == Some(&task.volume)) {
        mount.set_options(Some(vec!["rbind".into(), "ro".into()]));
    }
    spec.set_mounts(Some(mounts));
    Ok(spec)
}

fn work(channels: &mut Channels, rung: &Rung, task: &ShellTask, own: &RunTask) -> Result<()> {
    // before this process has a /proc of its own
    let emulators = binfmt::registered(Path::new(binfmt::DIR));
    let mut own = own.clone();
    worker::namespaces(rung, own.network)?.adapt(&mut own.spec)?;
    own.seccomp = own.seccomp.to_be_had(rung);
    let children = worker::child_signals()?;
    let memory = MemoryWatch::start();
    let upper = task.run_dir.join("overlay/upper");
    let lowers: Vec<&Path> =
        [upper.as_path(), own.rootfs.as_path()].into_iter().filter(|dir| dir.is_dir()).collect();
    let root = overlay::mount_over(&lowers, &own.run_dir)?;
    // 0 may see everything; whoever the builder was is one `su` away
    run::write_config(&own, &root, &User::default())?;
    for (fd, number) in task.stdio.iter().zip(0..) {
        dup2(*fd, number).doing(ErrorKind::Internal, || "handing on standard input and output".into())?;
    }
    let container = worker::create(&own, &channels.up, emulators)?;
    let init = worker::init_of(&container)?;
    worker::start(&container)?;
    send(&channels.up, &Up::Started)?;
    match worker::wait(channels, &children, init)? {
        Some(code) => {
            let out_of_memory = memory.out_of_memory(&own.spec);
            send(&channels.up, &Up::Exited { code, out_of_memory })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Mount, MountBuilder, SpecBuilder};

    fn bind(source: &Path) -> Mount {
        let options = vec!["rbind".to_owned(), "rw".to_owned()];
        MountBuilder::default().destination("/config").source(source).options(options).build().unwrap()
    }

    fn task(volume: &Path) -> ShellTask {
        ShellTask {
            run_dir: "/state/runs/x".into(),
            rootfs: "/rootfs".into(),
            volume: volume.to_owned(),
            network: NetworkMode::None,
            seccomp: Seccomp::default(),
            command: vec!["/bin/ls".into()],
            environment: vec!["TERM=vt100".into()],
            stdio: [0, 1, 2],
        }
    }

    #[test]
    fn the_command_changes_and_the_volume_is_for_reading() {
        let volume = tempfile::tempdir().unwrap();
        let spec = SpecBuilder::default().mounts(vec![bind(volume.path()), bind(Path::new("/proc"))]).build();
        let adapted = adapt(spec.unwrap(), &task(volume.path()), Path::new("/c")).unwrap();
        let process = adapted.process().clone().unwrap();
        assert_eq!(process.args().clone().unwrap(), ["/bin/ls"]);
        assert!(process.env().clone().unwrap().contains(&"TERM=vt100".to_owned()));
        let mounts = adapted.mounts().clone().unwrap();
        assert_eq!(mounts[0].options().clone().unwrap(), ["rbind", "ro"]);
        assert_eq!(mounts[1].options().clone().unwrap(), ["rbind", "rw"]);
        assert_eq!(adapted.linux().clone().unwrap().cgroups_path().clone().unwrap(), Path::new("/c"));
    }

    #[test]
    fn a_volume_that_is_gone_is_left_out() {
        let spec = SpecBuilder::default().mounts(vec![bind(Path::new("/no/such"))]).build().unwrap();
        let adapted = adapt(spec, &task(Path::new("/no/such")), Path::new("/c")).unwrap();
        assert!(adapted.mounts().clone().unwrap().is_empty());
    }
}
