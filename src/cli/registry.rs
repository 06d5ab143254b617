//! How registries may be reached, for all commands that pull.

use std::path::PathBuf;

use airshipctl::error::{Error, ErrorKind, Result};
use airshipctl::image::PullPolicy;
use airshipctl::image::registry::{Access, Places, Reach};
use clap::Args;

/// Shared by the commands that pull.
#[derive(Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArgs {
    /// The file with credentials, as `podman login` or `docker login` writes it [default: auth.json
    /// of podman, config.json of docker].
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,
    /// Certificates of authorities, in PEM, to trust besides the system's (may be repeated).
    #[arg(long = "ca-file", value_name = "FILE")]
    ca_files: Vec<PathBuf>,
    /// A registry, HOST or HOST:PORT, with which any certificate and plain HTTP will do (may be
    /// repeated).
    #[arg(long = "insecure-registry", value_name = "HOST")]
    insecure: Vec<String>,
    /// Use no network for the image: no registry, no credential helper, no name lookup.
    #[arg(long, env = "AIRSHIP_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    offline: bool,
}

impl RegistryArgs {
    /// The policy to follow: `given`, or else `default`. Fails for one that needs the network where
    /// that is not to be used.
    pub fn policy(&self, given: Option<PullPolicy>, default: PullPolicy) -> Result<PullPolicy> {
        match (given, self.offline) {
            (Some(PullPolicy::Always), true) => {
                let why = "--pull always asks the registry on every run, which --offline forbids";
                Err(Error::new(ErrorKind::Usage, why)
                    .hint("leave one of them out; $AIRSHIP_OFFLINE counts as --offline"))
            }
            (None, true) => Ok(PullPolicy::Missing),
            (given, _) => Ok(given.unwrap_or(default)),
        }
    }

    /// What was said here, and the places where other tools keep the rest. What is named here must be
    /// good, whether it will be needed or not.
    pub fn access(self) -> Result<Access> {
        // an empty variable is none
        let authfile = self.authfile.filter(|file| !file.as_os_str().is_empty());
        let Self { ca_files, insecure, offline, .. } = self;
        let reach = if offline { Reach::Offline } else { Reach::Online };
        let access = Access { authfile, ca_files, insecure, places: Places::of_environment(), reach };
        access.check().map(|()| access)
    }
}
