//! What a container may see and do of its host: Docker's lists for the default, and what
//! `privileged: true` adds.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use nix::unistd::{AccessFlags, access};
use oci_spec::runtime::{Capability, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};

use super::bundle::{DeviceRules, HostMapping};

/// Parts of /proc and /sys that tell about the host or control it. Interrupts, power and thermal
/// counters let one container watch what another computes (GHSA-6fw5-f8r9-fgfm, GHSA-jq35-85cj-fj4p).
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// What may be read but not written.
pub const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const PROCESSORS: &str = "/sys/devices/system/cpu";

/// The paths to hide, with those of each processor.
pub fn masked_paths() -> Vec<String> {
    let entries = fs::read_dir(PROCESSORS).into_iter().flatten().flatten();
    let thermal = entries.map(|entry| entry.path().join("thermal_throttle")).filter(|path| path.exists());
    let fixed = MASKED.iter().map(|path| (*path).to_owned());
    fixed.chain(thermal.map(|path| path.to_string_lossy().into_owned())).collect()
}

/// Docker's fourteen, as far as we hold them. MKNOD only where device rules keep the nodes harmless:
/// in a user namespace the kernel refuses to make them anyhow.
pub fn default_capabilities(
    held: &[Capability],
    mapping: HostMapping,
    devices: DeviceRules,
) -> Vec<Capability> {
    let mut all = vec![
        Capability::Chown,
        Capability::DacOverride,
        Capability::Fsetid,
        Capability::Fowner,
        Capability::NetRaw,
        Capability::Setgid,
        Capability::Setuid,
        Capability::Setfcap,
        Capability::Setpcap,
        Capability::NetBindService,
        Capability::SysChroot,
        Capability::Kill,
        Capability::AuditWrite,
    ];
    if mapping != HostMapping::Root || devices == DeviceRules::Enforced {
        all.push(Capability::Mknod);
    }
    all.retain(|capability| held.contains(capability));
    all
}

/// Directories of /dev that are no devices or that a container has of its own.
const OWN_DIRECTORIES: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
/// Nodes that every container gets.
const OWN_NODES: [&str; 9] =
    ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "initctl"];

/// The host's device nodes for a privileged container: as root all, else those that this user may
/// read and write. A node that vanishes meanwhile is left out.
pub fn host_devices(mapping: HostMapping) -> Vec<LinuxDevice> {
    devices_below(Path::new("/dev"), mapping)
}

fn devices_below(directory: &Path, mapping: HostMapping) -> Vec<LinuxDevice> {
    let (mut found, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let is_own = |names: &[&str]| names.iter().any(|own| name == *own);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_own(&OWN_DIRECTORIES) => directories.push(path),
                Ok(kind) if (kind.is_char_device() || kind.is_block_device()) && !is_own(&OWN_NODES) => {
                    found.extend(device(path, mapping));
                }
                _ => {}
            }
        }
    }
    found
}

fn device(path: PathBuf, mapping: HostMapping) -> Option<LinuxDevice> {
    let usable = || access(&path, AccessFlags::R_OK | AccessFlags::W_OK).is_ok();
    if mapping != HostMapping::Root && !usable() {
        return None;
    }
    let node = fs::symlink_metadata(&path).ok()?;
    let kind = if node.file_type().is_block_device() { LinuxDeviceType::B } else { LinuxDeviceType::C };
    LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(major(node.rdev()) as i64)
        .minor(minor(node.rdev()) as i64)
        .file_mode(node.mode() & 0o7777)
        .uid(node.uid())
        .gid(node.gid())
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_own_nodes_are_not_the_hosts() {
        for mapping in [HostMapping::Root, HostMapping::Single] {
            let devices = host_devices(mapping);
            assert!(devices.iter().all(|device| device.path().starts_with("/dev")));
            assert!(devices.iter().all(|device| !device.path().starts_with("/dev/pts")));
            assert!(devices.iter().all(|device| device.path() != Path::new("/dev/null")));
        }
    }

    #[test]
    fn what_is_masked_is_what_docker_masks() {
        let paths = masked_paths();
        assert!(paths.iter().any(|path| path == "/proc/interrupts"));
        assert!(paths.iter().skip(MASKED.len()).all(|path| path.ends_with("/thermal_throttle")));
    }
}
