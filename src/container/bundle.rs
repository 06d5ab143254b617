//! From an image configuration to config.json (image-spec, conversion.md; runtime-spec, config.md),
//! with the settings that a Docker-compatible engine gives a container.

use std::path::{Path, PathBuf};

use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::{
    Capability, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxDeviceCgroupBuilder, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxResources, Mount, MountBuilder, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder,
};

use super::driver::Environment;
use super::privileges;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::site::config::{Network, Privilege};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `privileged: true` cannot give a user.
const UNPRIVILEGED: &str = "privileged, but not run by root: the builder holds all capabilities over its user \
namespace, not over the host; it cannot make device nodes, mount block devices or loop devices, load modules, \
or open device nodes that this user may not open";

/// Everything config.json is made from.
pub struct Bundle<'a> {
    pub image: &'a ImageConfiguration,
    /// Id of the run; its host name, too.
    pub id: &'a str,
    /// Host and container side of the volume, if there is one.
    pub volume: Option<(&'a Path, &'a Path)>,
    /// What is run instead of the image's own command.
    pub command: Option<&'a [&'a str]>,
    pub environment: &'a Environment,
    pub network: Network,
    pub privilege: Privilege,
    /// Limits on what the container may use.
    pub resources: Option<LinuxResources>,
    pub host: Host<'a>,
}

/// What of this host changes the container.
pub struct Host<'a> {
    /// The cgroup of the run, absolute.
    pub cgroup: &'a Path,
    pub mapping: HostMapping,
    pub devices: DeviceRules,
    /// The capabilities that we hold and may give to a privileged container.
    pub capabilities: &'a [Capability],
    /// Variables that image and driver may override.
    pub environment: &'a Environment,
    /// Files of this host, and where the container sees them, read-only.
    pub files: &'a [(PathBuf, PathBuf)],
}

/// How the ids of the container are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostMapping {
    /// Not at all: the container's root is the host's.
    Root,
    /// In a user namespace with many ids.
    Many,
    /// In a user namespace that has only id 0.
    Single,
}

/// Whether cgroups restrict the use of device nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRules {
    Enforced,
    Absent,
}

impl Bundle<'_> {
    /// config.json without root path and user, which the helper fills in.
    pub fn spec(&self) -> Result<Spec> {
        self.volume.map_or(Ok(()), |(_, inside)| check_destination(inside))?;
        if self.privilege == Privilege::Privileged && self.host.mapping != HostMapping::Root {
            tracing::warn!("{UNPRIVILEGED}");
        }
        let doing = || "describing the container".to_owned();
        let root = RootBuilder::default().path("merged").readonly(false).build();
        SpecBuilder::default()
            .version("1.0.2")
            .hostname(self.id)
            .root(root.doing(ErrorKind::Internal, doing)?)
            .process(self.process()?)
            .mounts(self.mounts()?)
            .linux(self.linux()?)
            .build()
            .doing(ErrorKind::Internal, doing)
    }

    fn process(&self) -> Result<Process> {
        let config = self.image.config().as_ref();
        let cwd = config.and_then(|c| c.working_dir().clone()).filter(|dir| !dir.is_empty());
        let mut process = ProcessBuilder::default()
            .terminal(false)
            .args(self.args()?)
            .env(self.env())
            .cwd(cwd.unwrap_or_else(|| "/".into()))
            .build()
            .doing(ErrorKind::Internal, || "describing the process".into())?;
        let held = self.capabilities().into_iter().collect::<std::collections::HashSet<_>>();
        let capabilities = LinuxCapabilitiesBuilder::default()
            .bounding(held.clone())
            .effective(held.clone())
            .permitted(held)
            .inheritable(std::collections::HashSet::new())
            .ambient(std::collections::HashSet::new())
            .build()
            .doing(ErrorKind::Internal, || "describing capabilities".into())?;
        process.set_capabilities(Some(capabilities));
        // raising a limit needs CAP_SYS_RESOURCE, and Docker sets none
        process.set_rlimits(None);
        // `false` would be taken for a setting (libcontainer tests for presence)
        process.set_no_new_privileges(None);
        Ok(process)
    }

    /// Entrypoint and Cmd, one after the other (image-spec, conversion.md, "Verbatim fields").
    fn args(&self) -> Result<Vec<String>> {
        if let Some(command) = self.command {
            return Ok(strings(command));
        }
        let config = self.image.config().as_ref();
        let entrypoint = config.and_then(|c| c.entrypoint().clone()).unwrap_or_default();
        let cmd = config.and_then(|c| c.cmd().clone()).unwrap_or_default();
        let args: Vec<String> = entrypoint.into_iter().chain(cmd).collect();
        if args.is_empty() {
            return Err(Error::new(ErrorKind::Builder, "the image names neither Entrypoint nor Cmd")
                .hint("is it an ISO builder image?"));
        }
        Ok(args)
    }

    /// The driver's variables over the image's over the defaults.
    fn env(&self) -> Vec<String> {
        let own = [("PATH", PATH), ("HOSTNAME", self.id)];
        let of_image = self.image.config().as_ref().and_then(|c| c.env().clone()).unwrap_or_default();
        let mut merged: Vec<(String, String)> = Vec::new();
        let split = |line: &String| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        let all = own
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.host.environment.iter().cloned())
            .chain(of_image.iter().filter_map(split))
            .chain(self.environment.iter().cloned());
        for (name, value) in all {
            match merged.iter_mut().find(|(known, _)| *known == name) {
                Some(entry) => entry.1 = value,
                None => merged.push((name, value)),
            }
        }
        merged.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn capabilities(&self) -> Vec<Capability> {
        let Host { mapping, devices, capabilities: held, .. } = self.host;
        match self.privilege {
            Privilege::Default => privileges::default_capabilities(held, mapping, devices),
            Privilege::Privileged => held.to_vec(),
        }
    }

    fn mounts(&self) -> Result<Vec<Mount>> {
        let locked = ["nosuid", "noexec", "nodev"];
        let pts: &[&str] = match self.host.mapping {
            // group 5 is not mapped there
            HostMapping::Single => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            _ => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        };
        let mut mounts = vec![
            mount("/proc", "proc", "proc", &locked)?,
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
            mount("/dev/pts", "devpts", "devpts", pts)?,
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"])?,
            mount("/dev/mqueue", "mqueue", "mqueue", &locked)?,
            self.sys()?,
        ];
        if self.network == Network::Host {
            for file in ["/etc/resolv.conf", "/etc/hosts"].into_iter().filter(|file| Path::new(file).exists())
            {
                mounts.push(mount(file, "bind", file, &["rbind", "ro"])?);
            }
        }
        for (file, inside) in self.host.files {
            let locked = ["rbind", "ro", "nosuid", "nodev", "noexec"];
            mounts.push(mount(&inside.to_string_lossy(), "bind", &file.to_string_lossy(), &locked)?);
        }
        if let Some((host, inside)) = self.volume {
            mounts.push(mount(&inside.to_string_lossy(), "bind", &host.to_string_lossy(), &["rbind", "rw"])?);
        }
        Ok(mounts)
    }

    /// A sysfs belongs to a network namespace, and one that is not the container's own cannot be
    /// mounted anew.
    fn sys(&self) -> Result<Mount> {
        let access = if self.privilege == Privilege::Privileged { "rw" } else { "ro" };
        if self.network == Network::Host && self.host.mapping != HostMapping::Root {
            // with all that is mounted below it
            let access = if access == "ro" { "rro" } else { access };
            return mount("/sys", "bind", "/sys", &["rbind", access]);
        }
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access])
    }

    fn linux(&self) -> Result<oci_spec::runtime::Linux> {
        let doing = || "describing isolation".to_owned();
        // user and network namespaces are entered before libcontainer comes in
        let kinds = [
            LinuxNamespaceType::Mount,
            LinuxNamespaceType::Pid,
            LinuxNamespaceType::Ipc,
            LinuxNamespaceType::Uts,
            LinuxNamespaceType::Cgroup,
        ];
        let namespaces = kinds
            .into_iter()
            .map(|kind| LinuxNamespaceBuilder::default().typ(kind).build())
            .collect::<std::result::Result<Vec<_>, _>>()
            .doing(ErrorKind::Internal, doing)?;
        let (masked, readonly) = match self.privilege {
            Privilege::Default => (privileges::masked_paths(), strings(&privileges::READONLY)),
            Privilege::Privileged => (Vec::new(), Vec::new()),
        };
        let allowed = self.privilege == Privilege::Privileged;
        let mut linux = LinuxBuilder::default()
            .namespaces(namespaces)
            .cgroups_path(self.host.cgroup)
            // what the host mounts below the volume during the run stays outside
            .rootfs_propagation("private")
            .masked_paths(masked)
            .readonly_paths(readonly)
            .build()
            .doing(ErrorKind::Internal, doing)?;
        if allowed {
            linux.set_devices(Some(privileges::host_devices(self.host.mapping)));
        }
        let rules = LinuxDeviceCgroupBuilder::default().allow(allowed).access("rwm").build();
        let mut resources = self.resources.clone();
        if self.host.devices == DeviceRules::Enforced {
            let rules = vec![rules.doing(ErrorKind::Internal, doing)?];
            resources.get_or_insert_with(LinuxResources::default).set_devices(Some(rules));
        }
        linux.set_resources(resources);
        Ok(linux)
    }
}

/// A volume over the container's own file systems would take them away.
pub fn check_destination(inside: &Path) -> Result<()> {
    let taken = ["/proc", "/sys", "/dev"].iter().any(|own| inside.starts_with(own));
    if inside == Path::new("/") || taken {
        let text =
            format!("mounting the volume on {} would hide a file system of the container", inside.display());
        return Err(
            Error::new(ErrorKind::Usage, text).hint("choose another container side for container.volume")
        );
    }
    Ok(())
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Result<Mount> {
    MountBuilder::default()
        .destination(destination)
        .typ(kind)
        .source(source)
        .options(strings(options))
        .build()
        .doing(ErrorKind::Internal, || format!("describing the mount on {destination}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder, RootFsBuilder};

    fn image(entrypoint: &[&str], cmd: &[&str], env: &[&str]) -> ImageConfiguration {
        let config =
            ConfigBuilder::default().entrypoint(strings(entrypoint)).cmd(strings(cmd)).env(strings(env));
        let rootfs = RootFsBuilder::default().typ("layers").diff_ids(Vec::<String>::new()).build().unwrap();
        ImageConfigurationBuilder::default()
            .architecture("amd64")
            .os("linux")
            .rootfs(rootfs)
            .config(config.working_dir("/work").build().unwrap())
            .build()
            .unwrap()
    }

    fn host(mapping: HostMapping, devices: DeviceRules) -> Host<'static> {
        let all: &[Capability] = &[Capability::Chown, Capability::Mknod, Capability::SysAdmin];
        static EMPTY: Environment = Environment::new();
        let (environment, files) = (&EMPTY, &[]);
        Host { cgroup: Path::new("/airshipctl-x"), mapping, devices, capabilities: all, environment, files }
    }

    fn bundle<'a>(image: &'a ImageConfiguration, environment: &'a Environment, host: Host<'a>) -> Bundle<'a> {
        Bundle {
            image,
            id: "x",
            volume: Some((Path::new("/srv/iso"), Path::new("/config"))),
            command: None,
            environment,
            network: Network::None,
            privilege: Privilege::Default,
            resources: None,
            host,
        }
    }

    fn bounding(spec: &Spec) -> Vec<Capability> {
        let capabilities = spec.process().as_ref().unwrap().capabilities().clone().unwrap();
        let mut held: Vec<_> = capabilities.bounding().clone().unwrap().into_iter().collect();
        held.sort_by_key(|capability| format!("{capability:?}"));
        held
    }

    #[test]
    fn entrypoint_and_cmd_make_the_command_and_later_variables_win() {
        let image = image(&["/build"], &["--fast"], &["PATH=/bin", "A=image", "B=image"]);
        let environment = vec![("A".to_owned(), "driver".to_owned())];
        let spec =
            bundle(&image, &environment, host(HostMapping::Root, DeviceRules::Enforced)).spec().unwrap();
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.args().clone().unwrap(), ["/build", "--fast"]);
        assert_eq!(process.env().clone().unwrap(), ["PATH=/bin", "HOSTNAME=x", "A=driver", "B=image"]);
        assert_eq!(process.cwd(), Path::new("/work"));
        assert!(process.rlimits().is_none() && process.no_new_privileges().is_none());
    }

    #[test]
    fn mknod_is_for_hosts_that_restrict_devices_and_privileged_has_all_we_hold() {
        let (image, none) = (image(&["/b"], &[], &[]), Environment::new());
        let held =
            |mapping, devices| bounding(&bundle(&image, &none, host(mapping, devices)).spec().unwrap());
        assert_eq!(held(HostMapping::Root, DeviceRules::Enforced), [Capability::Chown, Capability::Mknod]);
        assert_eq!(held(HostMapping::Root, DeviceRules::Absent), [Capability::Chown]);
        assert_eq!(held(HostMapping::Single, DeviceRules::Absent), [Capability::Chown, Capability::Mknod]);
        let mut privileged = bundle(&image, &none, host(HostMapping::Root, DeviceRules::Enforced));
        privileged.privilege = Privilege::Privileged;
        let spec = privileged.spec().unwrap();
        assert_eq!(bounding(&spec).len(), 3);
        assert_eq!(spec.linux().as_ref().unwrap().masked_paths().clone().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_single_id_has_no_group_5_and_the_hosts_network_brings_name_resolution() {
        let (image, none) = (image(&["/b"], &[], &[]), Environment::new());
        let mounts = |mapping, network| {
            let mut bundle = bundle(&image, &none, host(mapping, DeviceRules::Absent));
            bundle.network = network;
            let mounts = bundle.spec().unwrap().mounts().clone().unwrap();
            serde_json::to_string(&mounts).unwrap()
        };
        assert!(mounts(HostMapping::Many, Network::None).contains("gid=5"));
        assert!(!mounts(HostMapping::Single, Network::None).contains("gid=5"));
        assert!(!mounts(HostMapping::Root, Network::None).contains("/etc/hosts"));
        assert!(mounts(HostMapping::Root, Network::Host).contains("/etc/hosts"));
    }

    #[test]
    fn an_image_without_a_command_and_a_volume_over_proc_are_refused() {
        let (empty, some, none) = (image(&[], &[], &[]), image(&["/b"], &[], &[]), Environment::new());
        let of = |image| bundle(image, &none, host(HostMapping::Root, DeviceRules::Enforced));
        assert_eq!(of(&empty).spec().unwrap_err().kind(), ErrorKind::Builder);
        for inside in ["/", "/proc", "/sys/x", "/dev/shm"] {
            let mut bundle = of(&some);
            bundle.volume = Some((Path::new("/srv/iso"), Path::new(inside)));
            assert_eq!(bundle.spec().unwrap_err().kind(), ErrorKind::Usage, "{inside}");
        }
    }
}
