//! How registries may be reached, for all commands that pull.

use std::path::PathBuf;

use airshipctl::error::Result;
use airshipctl::image::registry::{Access, Places};
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
}

impl RegistryArgs {
    /// What was said here, and the places where other tools keep the rest. What is named here must be
    /// good, whether it will be needed or not.
    pub fn access(self) -> Result<Access> {
        // an empty variable is none
        let authfile = self.authfile.filter(|file| !file.as_os_str().is_empty());
        let Self { ca_files, insecure, .. } = self;
        let access = Access { authfile, ca_files, insecure, places: Places::of_environment() };
        access.check().map(|()| access)
    }
}
