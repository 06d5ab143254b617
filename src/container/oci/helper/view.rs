//! What the kernel lets the mount namespace around a container have, where that is less than a new
//! file system of each kind: inside other containers, whose /proc, /sys and cgroups are masked or
//! read-only, and as root of a user namespace. Found by trying; config.json is made to fit.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use oci_spec::runtime::{Capabilities, Capability, LinuxResources, Mount, MountBuilder, Process, Spec};

use super::cgroup::{self, Cgroups};
use super::check::step;
use super::overlay;
use crate::container::oci::idmap;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub proc: FileSystem,
    pub sys: FileSystem,
    pub cgroups: Cgroups,
}

/// Whose file system a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// One of its own namespaces.
    New,
    /// That of the host, or of the container that we are in, with whatever masks are on it.
    Hosts,
}

impl View {
    /// Sets this mount namespace up. Its pid and network namespaces have to be the final ones.
    pub fn prepare(rung: &Rung) -> Result<Self> {
        let proc = step("proc-mount", || proc(rung))?;
        Ok(Self { proc, sys: sys(), cgroups: step("cgroup-view", || cgroup::prepare(rung))? })
    }

    /// For people, where a container is less apart from the host than usual.
    pub fn warn(&self) {
        if self.proc == FileSystem::Hosts {
            tracing::warn!(
                "/proc is masked here, so the builder sees this one: the processes outside can be listed, not touched, \
                 and their numbers differ from its own"
            );
        }
        if self.sys == FileSystem::Hosts {
            tracing::debug!("/sys is this host's, read-only: the kernel allows no new one");
        }
        if self.cgroups == Cgroups::Absent {
            tracing::warn!("no cgroup can be made here: limits and device rules are absent");
        }
    }

    /// Makes config.json ask for nothing that is not to be had. Fails with [`ErrorKind::Host`] where a
    /// limit was asked for that nothing would enforce.
    pub fn adapt(&self, spec: &mut Spec) -> Result<()> {
        let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
        if self.cgroups == Cgroups::Tried && !resources.is_some_and(limits) && !overlay::in_user_namespace() {
            cgroup::take_version_2()?;
        }
        let fitted =
            spec.mounts().iter().flatten().map(|mount| self.fit(mount)).collect::<Result<Vec<_>>>()?;
        spec.set_mounts(Some(fitted));
        if self.cgroups == Cgroups::Absent {
            without_cgroups(spec)?;
        }
        Ok(())
    }

    fn fit(&self, mount: &Mount) -> Result<Mount> {
        match (mount.typ().as_deref(), self.proc, self.sys) {
            (Some("proc"), FileSystem::Hosts, _) => bind("/proc", &["rbind", "nosuid", "nodev", "noexec"]),
            (Some("sysfs"), _, FileSystem::Hosts) => bind("/sys", &["rbind", access(mount)]),
            (Some("devpts"), ..) => Ok(with_mapped_group(mount)),
            _ => Ok(mount.clone()),
        }
    }
}

/// Read-only means with all that is mounted below it.
fn access(mount: &Mount) -> &'static str {
    let writable = mount.options().iter().flatten().any(|option| option == "rw");
    if writable { "rw" } else { "rro" }
}

fn bind(path: &str, options: &[&str]) -> Result<Mount> {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let mount = MountBuilder::default().destination(path).source(path).typ("bind").options(options);
    mount.build().doing(ErrorKind::Internal, || format!("describing the mount on {path}"))
}

/// A devpts cannot be given to a group that this user namespace does not have.
fn with_mapped_group(mount: &Mount) -> Mount {
    let mut mount = mount.clone();
    let mapped = |option: &String| {
        let group = option.strip_prefix("gid=").and_then(|gid| gid.parse().ok());
        group.is_none_or(idmap::is_group_mapped)
    };
    let options = mount.options().iter().flatten().filter(|option| mapped(option)).cloned().collect();
    mount.set_options(Some(options));
    mount
}

fn without_cgroups(spec: &mut Spec) -> Result<()> {
    let Some(linux) = spec.linux_mut() else { return Ok(()) };
    if linux.resources().as_ref().is_some_and(limits) {
        let error = Error::new(ErrorKind::Host, "limiting the builder: no cgroup can be made here");
        return Err(error.hint("leave the limits out, or run where /sys/fs/cgroup is writable"));
    }
    linux.set_resources(None);
    // nothing restricts the use of device nodes any more, so none may be made
    match spec.process_mut() {
        Some(process) if !overlay::in_user_namespace() => without_mknod(process),
        _ => {}
    }
    Ok(())
}

fn without_mknod(process: &mut Process) {
    let Some(mut held) = process.capabilities().clone() else { return };
    let without = |set: &Option<Capabilities>| {
        set.clone()
            .map(|set| set.into_iter().filter(|one| *one != Capability::Mknod).collect::<Capabilities>())
    };
    let [bounding, effective, permitted] = [held.bounding(), held.effective(), held.permitted()].map(without);
    held.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    process.set_capabilities(Some(held));
}

fn limits(resources: &LinuxResources) -> bool {
    resources.memory().is_some() || resources.cpu().is_some() || resources.pids().is_some()
}

/// Mounts a /proc of this pid namespace. In a user namespace the kernel refuses that while part of the
/// present one is covered (mount_namespaces(7), "Restrictions on mount namespaces"); then that one is
/// kept, if it gives nothing away.
fn proc(rung: &Rung) -> Result<FileSystem> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let refused = match mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>) {
        Ok(()) => return Ok(FileSystem::New),
        Err(errno) => errno,
    };
    let error = Error::caused(ErrorKind::Host, "mounting /proc", &refused);
    let kept = match refused {
        Errno::EPERM => may_be_kept(rung),
        _ => Err("it is no matter of privileges".into()),
    };
    kept.map(|()| FileSystem::Hosts).map_err(|why| {
        error.because(format!("keeping the present one: {why}")).hint(
            "inside a container, /proc must not be masked (Docker: --security-opt systempaths=unconfined)",
        )
    })
}

/// Whether the present /proc may be shown to a container: it works for us, and what it shows of other
/// processes is out of reach. For that the kernel wants a user namespace that is not theirs (ptrace(2),
/// "Ptrace access mode checking").
fn may_be_kept(rung: &Rung) -> std::result::Result<(), String> {
    if !rung.is_rootless() {
        return Err("without a user namespace of its own a container could reach into other processes".into());
    }
    let own = std::fs::read_link("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| format!("/proc/self/mountinfo: {error}"))?;
    let entries = std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let others = entries.flatten().map(|entry| entry.file_name()).filter(|name| **name != *own);
    let pids = others.filter(|name| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    for pid in pids {
        let root = Path::new("/proc").join(pid).join("root");
        if std::fs::read_link(&root).is_ok() {
            return Err(format!("{} is within reach", root.display()));
        }
    }
    Ok(())
}

/// Whether a new sysfs can be mounted, as libcontainer does: without flags. Outside of user namespaces
/// it always can.
fn sys() -> FileSystem {
    if !overlay::in_user_namespace() {
        return FileSystem::New;
    }
    // left where it is, since unmounting takes half a millisecond: /sys is not looked at again then
    match mount(Some("sysfs"), "/sys/kernel", Some("sysfs"), MsFlags::empty(), None::<&str>) {
        Ok(()) => FileSystem::New,
        Err(_) => FileSystem::Hosts,
    }
}
