//! How registries may be reached: what the command line says, and where people keep the rest.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{credentials, trust};
use crate::error::Result;

/// What a user has said about registries. The default knows of no file at all: access is
/// anonymous, with the system's certificates.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The only file with credentials, instead of those of [`Places`] (`--authfile`).
    pub authfile: Option<PathBuf>,
    /// PEM bundles of certificate authorities, besides the system's (`--ca-file`).
    pub ca_files: Vec<PathBuf>,
    /// Registries, each a host with or without port, with which plain HTTP and any certificate will
    /// do (`--insecure-registry`).
    pub insecure: Vec<String>,
    pub places: Places,
    pub reach: Reach,
}

/// Whether any registry may be asked at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Online,
    /// No socket is opened, no name looked up, no credential helper run (`--offline`).
    Offline,
}

impl Access {
    /// Makes sure that what the user has named can be used, before anything depends on it and also
    /// where nothing will. Fails with [`crate::error::ErrorKind::Usage`].
    pub fn check(&self) -> Result<()> {
        credentials::check(self)?;
        trust::check(self)
    }
}

/// Files and directories that other container tools share; none of them needs to exist.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Files with credentials; the first that has some for a registry wins.
    pub auth_files: Vec<PathBuf>,
    /// `certs.d` directories (containers-certs.d(5)).
    pub certificate_dirs: Vec<PathBuf>,
    /// The `registries.conf` that is named by `$CONTAINERS_REGISTRIES_CONF`, instead of the others;
    /// this one has to be there.
    pub registries_file: Option<PathBuf>,
    /// The first of these that is there is read (containers-registries.conf(5)).
    pub registries_files: Vec<PathBuf>,
    /// Directories whose `*.conf` add to it.
    pub registries_dirs: Vec<PathBuf>,
}

impl Places {
    /// Where podman, skopeo and docker look, in podman's order (containers-auth.json(5)).
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name), nix::unistd::geteuid().as_raw())
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Self {
        let dir = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = dir("HOME");
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let run = dir("XDG_RUNTIME_DIR").map(|dir| dir.join("containers"));
        let run = run.unwrap_or_else(|| format!("/run/containers/{uid}").into());
        let config = dir("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let config = config.map(|dir| dir.join("containers"));
        let docker = dir("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        let auth_files = [
            Some(run.join("auth.json")),
            config.as_ref().map(|dir| dir.join("auth.json")),
            docker.map(|dir| dir.join("config.json")),
        ];
        let certificate_dirs = [
            config.as_ref().map(|dir| dir.join("certs.d")),
            Some("/etc/containers/certs.d".into()),
            Some("/etc/docker/certs.d".into()),
        ];
        let beside = |name: &str| config.as_ref().map(|dir| dir.join(name));
        let registries_files = [beside("registries.conf"), Some("/etc/containers/registries.conf".into())];
        let registries_dirs = [Some("/etc/containers/registries.conf.d".into()), beside("registries.conf.d")];
        Self {
            registries_file: dir("CONTAINERS_REGISTRIES_CONF"),
            registries_files: registries_files.into_iter().flatten().collect(),
            registries_dirs: registries_dirs.into_iter().flatten().collect(),
            auth_files: auth_files.into_iter().flatten().collect(),
            certificate_dirs: certificate_dirs.into_iter().flatten().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth_files(variables: &[(&str, &str)]) -> Vec<String> {
        let find = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, v)| (*v).into());
        let files = Places::of(find, 7).auth_files;
        files.iter().map(|file| file.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn credentials_are_looked_for_where_podman_and_docker_leave_them() {
        assert_eq!(auth_files(&[]), ["/run/containers/7/auth.json"]);
        assert_eq!(
            auth_files(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r"), ("DOCKER_CONFIG", "")]),
            ["/r/containers/auth.json", "/h/.config/containers/auth.json", "/h/.docker/config.json"]
        );
        assert_eq!(
            auth_files(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("DOCKER_CONFIG", "/d")]),
            ["/run/containers/7/auth.json", "/c/containers/auth.json", "/d/config.json"]
        );
    }
}
