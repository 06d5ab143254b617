//! What is known about a rootfs: the mapping it belongs to and the record that says it is complete.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::{Digest, sha256_hex};

/// Version of the record and of what unpacking means; another one is not trusted but replaced.
pub(super) const VERSION: u32 = 1;

/// Which id mapping a rootfs was unpacked in; part of its directory's name: `root`,
/// `u<uid>-single` or `u<uid>-map-<hash>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mapping(String);

impl Mapping {
    /// Unpacked by root, outside of any user namespace.
    pub fn root() -> Self {
        Self("root".into())
    }

    /// A user namespace in which only `uid` exists, as 0.
    pub fn single(uid: u32) -> Self {
        Self(format!("u{uid}-single"))
    }

    /// A user namespace with subordinate ids; `ranges` is any text that determines them, such as
    /// the lines of uid_map and gid_map: other ranges own other files, so they get another rootfs.
    pub fn mapped(uid: u32, ranges: &str) -> Self {
        let hash = sha256_hex(ranges.as_bytes());
        Self(format!("u{uid}-map-{}", &hash[..12]))
    }
}

impl FromStr for Mapping {
    type Err = Error;

    /// Accepts exactly the three forms, so that no name is the beginning of another one's and none
    /// leaves its directory.
    fn from_str(name: &str) -> Result<Self> {
        let decimal = |text: &str| text.parse::<u32>().is_ok_and(|uid| uid.to_string() == text);
        let hash = |text: &str| (8..=64).contains(&text.len()) && text.bytes().all(is_lower_hex);
        let good = match name.strip_prefix('u').and_then(|rest| rest.split_once('-')) {
            Some((uid, "single")) => decimal(uid),
            Some((uid, rest)) => decimal(uid) && rest.strip_prefix("map-").is_some_and(hash),
            None => name == "root",
        };
        match good {
            true => Ok(Self(name.to_owned())),
            false => {
                Err(Error::new(ErrorKind::Internal, format!("{name:?} is not the name of an id mapping")))
            }
        }
    }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl TryFrom<String> for Mapping {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Mapping> for String {
    fn from(mapping: Mapping) -> Self {
        mapping.0
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose the unpacked files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// Root or a mapped user namespace: ids, devices and xattrs as in the layer.
    Keep,
    /// A single id: everything belongs to the caller, devices are left out.
    Own,
}

/// How many things of the layers the rootfs lacks, because this mapping cannot have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Device nodes: not permitted in a user namespace; 0:0 is never made (overlayfs's whiteout).
    pub devices: u64,
    /// Entries that belong to the caller instead of the ids in the layer.
    pub owners: u64,
    /// `security.capability` attributes that were refused.
    pub capabilities: u64,
    /// POSIX access control lists that were refused.
    pub acls: u64,
    /// All other extended attributes, those included that are dropped on purpose.
    pub xattrs: u64,
}

impl Skipped {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The completion record, `record.json`: a directory without a valid one is not a rootfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub mapping: Mapping,
    pub chain_id: Digest,
    /// The layers' uncompressed digests, lowest first.
    pub diff_ids: Vec<Digest>,
    pub ownership: Ownership,
    /// Archive entries applied, whiteouts included.
    pub entries: u64,
    /// Bytes of file content in all layers, holes included.
    pub bytes: u64,
    pub skipped: Skipped,
    /// Name and version of the program that unpacked it.
    pub tool: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_mapping_are_accepted() {
        for mapping in [Mapping::root(), Mapping::single(1000), Mapping::mapped(1000, "0 1000 1")] {
            assert_eq!(mapping.to_string().parse::<Mapping>().unwrap(), mapping);
        }
    }

    #[test]
    fn anything_else_is_not_a_mapping() {
        for name in
            ["", "u", "root/..", "u1-map-", "u01-single", "u1-singles", "u1-map-../../x", "u+1-single", "R"]
        {
            assert!(name.parse::<Mapping>().is_err(), "{name}");
        }
    }
}
