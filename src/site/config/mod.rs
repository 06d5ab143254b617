//! `isogen.yaml`: what the builder container is, and how its files are called; and the airshipctl config,
//! which leads to it and to the documents.

pub mod airship;
mod isogen;
mod medium;
mod patch;
mod selection;
mod volume_mount;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Fault};

pub use selection::SecretSelection;
pub use volume_mount::VolumeMount;

/// Name of the builder's copy of the configuration in the volume; no other file may have it.
pub const BUILDER_CONF: &str = "builder-conf.yaml";
/// Name of cloud-init's meta-data in the volume; no other file may have it.
pub const META_DATA: &str = "meta-data";

/// The configuration of one ISO. A value that exists is valid.
#[derive(Clone, Debug)]
pub struct IsoConfiguration {
    /// What runs, and how.
    pub container: ContainerSection,
    /// Names and sources of the files in the volume.
    pub builder: BuilderSection,
    /// What is odd in it and not wrong.
    pub warnings: Vec<Fault>,
    /// Made while parsing, so that all errors come before anything is pulled.
    builder_conf: Verbatim,
}

/// The configuration's bytes; unknown keys among them may hold anything, so they are not shown.
#[derive(Clone)]
struct Verbatim(Vec<u8>);

impl fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// `container`: what runs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSection {
    /// The directory shared with the builder.
    pub volume: VolumeMount,
    /// The image reference as written; `None` means the reference builder.
    pub image: Option<String>,
    /// The driver; the command line may override it.
    pub runtime: ContainerRuntime,
    pub privilege: Privilege,
    /// `None` leaves the choice to the command line, which has none as its default.
    pub network: Option<Network>,
    /// Rootfs caches that are only read from, in order; relative ones begin where the file is.
    pub additional_rootfs_caches: Vec<PathBuf>,
}

/// `builder`: names of the files in the volume, and where their contents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderSection {
    /// Where the builder finds the user-data.
    pub user_data_file_name: String,
    /// Where the builder finds the network configuration.
    pub network_config_file_name: String,
    /// Where the builder writes `bootImagePath`; `output-metadata.yaml` unless given.
    pub output_metadata_file_name: String,
    /// What the builder shall call the image, for builders that ask.
    pub output_file_name: Option<String>,
    /// Selects the Secret with the user-data.
    pub user_data: SecretSelection,
    /// Selects the BareMetalHost whose network data is used; the key is the Secret's.
    pub network_config: SecretSelection,
}

/// `container.containerRuntime`: the driver that runs the builder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerRuntime {
    /// The built-in driver, without any daemon.
    #[default]
    Oci,
    /// The engine API of Docker.
    Docker,
}

/// `container.privileged`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// The capabilities that Docker gives by default.
    #[default]
    Default,
    /// All that the user running this has.
    Privileged,
}

/// `container.network`: which network the builder sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// No interface but loopback.
    None,
    /// That of this host, proxies included.
    Host,
}

impl ContainerRuntime {
    /// All drivers, in the order in which errors and help list them.
    pub const ALL: [Self; 2] = [Self::Oci, Self::Docker];
}

impl fmt::Display for ContainerRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oci => "oci",
            Self::Docker => "docker",
        })
    }
}

impl FromStr for ContainerRuntime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        named(&Self::ALL, "container runtime", text)
    }
}

impl Network {
    /// All networks, in the order in which errors and help list them.
    pub const ALL: [Self; 2] = [Self::None, Self::Host];
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Host => "host",
        })
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        named(&Self::ALL, "network", text)
    }
}

/// The value that is shown as `text`; the error lists those there are.
fn named<T: Copy + fmt::Display>(all: &[T], what: &str, text: &str) -> Result<T, Error> {
    all.iter().copied().find(|value| value.to_string() == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(T::to_string).collect();
        Error::new(ErrorKind::Usage, format!("unknown {what} {text:?}; there are {}", names.join(" and ")))
    })
}

impl IsoConfiguration {
    /// Reads and checks a configuration. Fails with [`ErrorKind::Usage`] and all faults at once.
    pub fn load(path: &Path) -> Result<Self, Error> {
        isogen::load(path)
    }

    /// Checks the configuration in `bytes`; `file` is its name for messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        isogen::parse(file, bytes, isogen::home().as_deref())
    }

    /// What the builder reads as its configuration: the user's own bytes with nothing but the
    /// volume patched to `host:container`. Re-serialising would change `"no"` and comments.
    pub fn builder_conf(&self) -> Result<Vec<u8>, Error> {
        Ok(self.builder_conf.0.clone())
    }
}

#[cfg(test)]
mod tests;
