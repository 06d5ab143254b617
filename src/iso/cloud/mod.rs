//! The data for cloud-init that are on the volume: a NoCloud seed or an OpenStack config drive.

mod kind;

use std::fmt;
use std::io;

use super::image::{Extent, Image};
use super::volume::{Kind, Tree, Volume};

pub use kind::kind;

/// The files of a NoCloud seed, the required ones first (`DataSourceNoCloud.py`).
const NO_CLOUD: [(&str, Role); 4] = [
    ("user-data", Role::UserData),
    ("meta-data", Role::MetaData),
    ("network-config", Role::NetworkConfig),
    ("vendor-data", Role::VendorData),
];
/// The files of a config drive below [`LATEST`] (`cloudinit/sources/helpers/openstack.py`).
const OPENSTACK: [(&str, Role); 4] = [
    ("user_data", Role::UserData),
    ("meta_data.json", Role::MetaData),
    ("network_data.json", Role::NetworkConfig),
    ("vendor_data.json", Role::VendorData),
];
/// Where a config drive has the newest version of its data.
const LATEST: &str = "openstack/latest";
/// A directory of this name is meant for cloud-init also where a file is missing in it.
const USUAL: &str = "nocloud";
/// A medium has one seed, or one of each kind; of a hostile one with thousands the first tell enough.
const MOST_SEEDS: usize = 32;

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

impl SeedFile {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.extents.iter().fold(0, |sum, extent| sum.saturating_add(extent.length))
    }

    /// What is in it, which is secret; `None` if it is longer than `most` bytes.
    pub fn read(&self, image: &Image, most: u64) -> io::Result<Option<Vec<u8>>> {
        image.contents(&self.extents, most)
    }
}

impl Seed {
    pub fn file(&self, role: Role) -> Option<&SeedFile> {
        self.files.iter().find(|file| file.role == role)
    }

    /// What is missing without which cloud-init does not take the seed.
    pub fn missing(&self) -> Option<Role> {
        let required: &[Role] = match self.source {
            Source::NoCloud => &[Role::UserData, Role::MetaData],
            Source::ConfigDrive => &[Role::MetaData],
        };
        required.iter().copied().find(|role| self.file(*role).is_none())
    }
}

impl Source {
    /// The labels by which cloud-init finds a volume whose root is such a seed.
    fn labels(self) -> [&'static str; 2] {
        match self {
            Self::NoCloud => ["cidata", "CIDATA"],
            Self::ConfigDrive => ["config-2", "CONFIG-2"],
        }
    }

    /// Whether cloud-init looks into the root of a volume with this label.
    pub fn is_label(self, label: &str) -> bool {
        self.labels().contains(&label)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCloud => "NoCloud",
            Self::ConfigDrive => "config drive",
        })
    }
}

/// Every seed on the volume, where cloud-init looks by itself and where live systems lead it: any directory
/// with user-data and meta-data beside each other, and any with `openstack/latest/`. At most 32.
pub fn find(image: &Image, volume: &Volume) -> io::Result<Vec<Seed>> {
    let tree = volume.shown();
    let names = Names { tree, image };
    let directories = tree.entries.iter().filter(|(_, entry)| entry.kind == Kind::Directory);
    let seeds = directories.filter_map(|(directory, _)| {
        names.no_cloud(directory, &volume.about.label).or_else(|| names.config_drive(directory))
    });
    Ok(seeds.take(MOST_SEEDS).collect())
}

/// The names on the volume of an image.
struct Names<'i> {
    tree: &'i Tree,
    image: &'i Image,
}

impl Names<'_> {
    fn no_cloud(&self, directory: &str, label: &str) -> Option<Seed> {
        let seed = self.seed(Source::NoCloud, directory, &NO_CLOUD)?;
        let is_meant = directory.rsplit('/').next().is_some_and(|name| name.starts_with(USUAL))
            || (directory == "/" && Source::NoCloud.is_label(label));
        (seed.missing().is_none() || is_meant).then_some(seed)
    }

    fn config_drive(&self, directory: &str) -> Option<Seed> {
        let top = directory.strip_suffix(LATEST).filter(|top| top.ends_with('/'))?;
        let mut seed = self.seed(Source::ConfigDrive, directory, &OPENSTACK)?;
        // the directory that cloud-init is led to
        seed.directory = if top == "/" { top.to_owned() } else { top.trim_end_matches('/').to_owned() };
        Some(seed)
    }

    /// Those of the files that are in the directory; `None` if there is none.
    fn seed(&self, source: Source, directory: &str, files: &[(&str, Role)]) -> Option<Seed> {
        let slash = if directory.ends_with('/') { "" } else { "/" };
        let file = |(name, role): &(&str, Role)| {
            let path = format!("{directory}{slash}{name}");
            let entry = self.tree.get(&path).filter(|entry| entry.kind == Kind::File)?;
            // what the image does not hold nobody can read
            self.image.holds(&entry.extents).then(|| SeedFile {
                role: *role,
                path,
                extents: entry.extents.clone(),
                mode: entry.mode,
            })
        };
        let files: Vec<_> = files.iter().filter_map(file).collect();
        (!files.is_empty()).then(|| Seed { source, directory: directory.to_owned(), files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::volume::{Entry, Joliet};

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for path in paths {
            for (at, _) in path.match_indices('/') {
                let directory = if at == 0 { "/" } else { &path[..at] };
                tree.entries.insert(directory.to_owned(), Entry::of(Kind::Directory));
            }
            tree.entries.insert((*path).to_owned(), Entry::of(Kind::File));
        }
        tree
    }

    fn volume(label: &str, paths: &[&str]) -> Volume {
        Volume { tree: tree(paths), ..Volume::named(label) }
    }

    fn found(volume: &Volume) -> Vec<(Source, String, Vec<Role>)> {
        let image = Image::new(tempfile::tempfile().unwrap()).unwrap();
        let roles = |seed: &Seed| seed.files.iter().map(|file| file.role).collect();
        let seeds = find(&image, volume).unwrap();
        seeds.iter().map(|seed| (seed.source, seed.directory.clone(), roles(seed))).collect()
    }

    const BOTH: [Role; 2] = [Role::UserData, Role::MetaData];

    #[test]
    fn seeds_are_found_wherever_their_files_are_together() {
        let two = |directory: &str| {
            volume("X", &[&format!("{directory}/user-data"), &format!("{directory}/meta-data")])
        };
        for directory in ["/nocloud", "/server", "/var/lib/cloud/seed/nocloud-net"] {
            assert_eq!(found(&two(directory)), [(Source::NoCloud, directory.to_owned(), BOTH.to_vec())]);
        }
        assert_eq!(found(&two("")), [(Source::NoCloud, "/".to_owned(), BOTH.to_vec())]);
    }

    #[test]
    fn a_config_drive_is_named_by_the_directory_that_holds_openstack() {
        for (top, directory) in [("", "/"), ("/config-drive", "/config-drive")] {
            let file = |name: &str| format!("{top}/openstack/latest/{name}");
            let volume =
                volume("X", &[&file("user_data"), &file("network_data.json"), &file("meta_data.json")]);
            let roles = vec![Role::UserData, Role::MetaData, Role::NetworkConfig];
            assert_eq!(found(&volume), [(Source::ConfigDrive, directory.to_owned(), roles)]);
        }
    }

    #[test]
    fn half_a_seed_is_one_only_where_one_has_to_be() {
        assert_eq!(found(&volume("X", &["/etc/user-data", "/a/network-config"])), []);
        assert_eq!(found(&volume("X", &["/user-data"])), []);
        assert_eq!(found(&volume("CIDATA", &["/user-data"])).len(), 1);
        let volume = volume("X", &["/nocloud/user-data"]);
        assert_eq!(found(&volume).len(), 1);
        let image = Image::new(tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(find(&image, &volume).unwrap()[0].missing(), Some(Role::MetaData));
    }

    #[test]
    fn without_rock_ridge_the_names_are_those_of_joliet() {
        let mut volume = volume("cidata", &["/user_dat", "/meta_dat"]);
        volume.rock_ridge = false;
        assert_eq!(found(&volume), []);
        volume.joliet =
            Some(Joliet { label: "cidata".into(), level: 3, tree: tree(&["/user-data", "/meta-data"]) });
        assert_eq!(found(&volume).len(), 1);
    }

    #[test]
    fn of_thousands_of_seeds_the_first_are_told() {
        let paths: Vec<String> = (0..99).map(|n| format!("/nocloud{n}/user-data")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(found(&volume("X", &paths)).len(), MOST_SEEDS);
    }
}
