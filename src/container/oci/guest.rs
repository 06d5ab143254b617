//! What a builder is told of the rung it stands on, so that programs which try what that forbids can
//! do otherwise.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci_spec::image::ImageConfiguration;

use super::rung::Rung;
use crate::container::driver::Environment;
use crate::error::{Doing, ErrorKind, Result};
use crate::site::config::Privilege;

/// Names apt's configuration file, in addition to those it reads anyhow (apt.conf(5)).
const APT_CONFIG: &str = "APT_CONFIG";
/// In a directory that is empty at every boot.
const APT_CONFIG_INSIDE: &str = "/run/airshipctl/apt.conf";

/// Variables and files for a container, which come before the image's own.
#[derive(Debug, Default)]
pub struct Guest {
    pub environment: Environment,
    /// Files on this host, and where the container sees them, read-only.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// Whether root is emulated: on that rung, but not for a privileged container, which has no filter.
    pub emulation: bool,
}

impl Guest {
    /// What this image gets on this rung; files are written to `run_dir`.
    pub fn prepare(
        rung: &Rung,
        privilege: Privilege,
        image: &ImageConfiguration,
        run_dir: &Path,
    ) -> Result<Self> {
        let mut guest = Self::default();
        if rung.is_rootless() {
            // debootstrap binds device nodes then, which it may not make
            guest.tell("container", "lxc");
        }
        if !matches!(rung, Rung::Emulated { .. }) {
            return Ok(guest);
        }
        if privilege == Privilege::Privileged {
            tracing::warn!(
                "a privileged builder has no root emulation; with a single id it cannot change owners"
            );
            return Ok(guest);
        }
        tracing::warn!(
            "owners of files are not real in the builder: with root emulation all that it makes is root's; a root \
             file system needs `--rootless subid` or root"
        );
        guest.emulation = true;
        guest.tell("ISOGEN_ROOT_EMULATION", "1");
        if !sets(image, APT_CONFIG) {
            guest.configure_apt(run_dir)?;
        }
        Ok(guest)
    }

    fn tell(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// apt gives up being root to download, and then looks whether it has.
    fn configure_apt(&mut self, run_dir: &Path) -> Result<()> {
        let path = run_dir.join("apt.conf");
        let doing = || format!("writing {}", path.display());
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o644).open(&path).doing(ErrorKind::Host, doing)?;
        file.write_all(b"APT::Sandbox::User \"root\";\n").doing(ErrorKind::Host, doing)?;
        self.files.push((path, APT_CONFIG_INSIDE.into()));
        self.tell(APT_CONFIG, APT_CONFIG_INSIDE);
        Ok(())
    }
}

fn sets(image: &ImageConfiguration, name: &str) -> bool {
    let variables = image.config().as_ref().and_then(|config| config.env().as_ref());
    let is_it = |line: &String| line.split_once('=').is_some_and(|(found, _)| found == name);
    variables.is_some_and(|variables| variables.iter().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder, RootFsBuilder};

    fn image(env: &[&str]) -> ImageConfiguration {
        let env: Vec<String> = env.iter().map(|&line| line.to_owned()).collect();
        let rootfs = RootFsBuilder::default().typ("layers").diff_ids(Vec::<String>::new()).build().unwrap();
        ImageConfigurationBuilder::default()
            .architecture("amd64")
            .os("linux")
            .rootfs(rootfs)
            .config(ConfigBuilder::default().env(env).build().unwrap())
            .build()
            .unwrap()
    }

    fn names(rung: &Rung, env: &[&str]) -> Vec<String> {
        names_with(Privilege::Default, rung, env)
    }

    fn names_with(privilege: Privilege, rung: &Rung, env: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let guest = Guest::prepare(rung, privilege, &image(env), dir.path()).unwrap();
        assert_eq!(guest.files.len(), usize::from(dir.path().join("apt.conf").exists()));
        guest.environment.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn each_rung_is_told_what_it_has_to_know() {
        let (uid, gid) = (1000, 1000);
        assert!(names(&Rung::Root, &[]).is_empty());
        assert_eq!(names(&Rung::Single { uid, gid }, &[]), ["container"]);
        let emulated = Rung::Emulated { uid, gid };
        assert_eq!(names(&emulated, &[]), ["container", "ISOGEN_ROOT_EMULATION", "APT_CONFIG"]);
        assert_eq!(names(&emulated, &["APT_CONFIG=/x"]), ["container", "ISOGEN_ROOT_EMULATION"]);
        assert_eq!(names_with(Privilege::Privileged, &emulated, &[]), ["container"]);
    }
}
