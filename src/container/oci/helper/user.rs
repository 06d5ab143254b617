//! The image's `User`, looked up in the container's own files (image-spec, config.md: "User").

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::unistd::{FchownatFlags, fchownat};
use oci_spec::runtime::UserBuilder;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use crate::container::oci::idmap::Range;
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Larger than any real passwd or group file.
const MAX_FILE: u64 = 4 << 20;
/// As in Docker-compatible engines.
const MAX_ID: u32 = i32::MAX as u32;

/// Numbers inside the container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

impl User {
    /// The same in runtime-spec's form.
    pub fn to_spec(&self) -> Result<oci_spec::runtime::User> {
        UserBuilder::default()
            .uid(self.uid)
            .gid(self.gid)
            .additional_gids(self.additional_gids.clone())
            .build()
            .doing(ErrorKind::Internal, || "describing the user".into())
    }
}

impl User {
    /// Ids that are not mapped cannot be taken on.
    fn fit(&mut self, text: &str, uids: u64, gids: u64) -> Result<()> {
        for (what, id, count) in [("user", self.uid, uids), ("group", self.gid, gids)] {
            if u64::from(id) >= count {
                let text = format!(
                    "the image's User {text:?} is {what} {id}, and this host gives the container only {count} ids"
                );
                return Err(Error::new(ErrorKind::Builder, text)
                    .hint("give this user a larger range in /etc/subuid and /etc/subgid, or run as root"));
            }
        }
        self.additional_gids.retain(|&gid| u64::from(gid) < gids);
        Ok(())
    }
}

/// `user`, `uid`, `user:group`, `uid:gid`, or nothing for root. With a single id everybody is 0.
pub fn resolve(root: &Path, text: &str, rung: &Rung) -> Result<User> {
    let mut user = look_up(text, &read(root, "etc/passwd")?, &read(root, "etc/group")?)?;
    if let Rung::Subordinate { uids, gids, .. } = rung {
        let count = |ranges: &[Range]| 1 + ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
        user.fit(text, count(uids), count(gids))?;
    }
    if user.uid != 0 && matches!(rung, Rung::Emulated { .. } | Rung::Single { .. }) {
        tracing::warn!("the image wants user {text}; with a single id the builder runs as 0");
        return Ok(User::default());
    }
    Ok(user)
}

fn look_up(text: &str, passwd: &str, group: &str) -> Result<User> {
    let (name, group_name) = match text.split_once(':') {
        Some((name, group_name)) => (name, Some(group_name)),
        None => (text, None),
    };
    let unknown = |what: &str, name: &str| {
        let table = if what == "user" { (passwd, "/etc/passwd") } else { (group, "/etc/group") };
        let why = if table.0.is_empty() { format!(": it has no {}", table.1) } else { String::new() };
        Error::new(
            ErrorKind::Builder,
            format!("the image's User names {what} {name:?}, which it does not have{why}"),
        )
        .hint(format!("add it to {} of the image, or have User name it by its number", table.1))
    };
    let entry = rows(passwd).find(|row| row[0] == name || (row.get(2) == Some(&name) && !name.is_empty()));
    let number = |row: &[&str], column: usize| row.get(column).and_then(|field| field.parse::<u32>().ok());
    let uid = match &entry {
        Some(row) => number(row, 2),
        None if name.is_empty() => Some(0),
        None => name.parse().ok(),
    };
    let uid = uid.ok_or_else(|| unknown("user", name))?;
    let gid = match group_name.filter(|group_name| !group_name.is_empty()) {
        Some(group_name) => rows(group)
            .find(|row| row[0] == group_name)
            .and_then(|row| number(&row, 2))
            .or_else(|| group_name.parse().ok())
            .ok_or_else(|| unknown("group", group_name))?,
        None => entry.as_ref().and_then(|row| number(row, 3)).unwrap_or(0),
    };
    // setresuid(2) would take 4294967295 for "leave it as it is"
    if let Some(id) = [uid, gid].into_iter().find(|&id| id > MAX_ID) {
        let text = format!("the image's User {text:?} means id {id}, and ids go up to {MAX_ID}");
        return Err(Error::new(ErrorKind::Builder, text).hint("build the image with a User in that range"));
    }
    let additional_gids = match (&entry, group_name) {
        (Some(row), None) => memberships(group, row[0], gid),
        _ => Vec::new(),
    };
    Ok(User { uid, gid, additional_gids })
}

fn memberships(group: &str, name: &str, primary: u32) -> Vec<u32> {
    rows(group)
        .filter(|row| row.get(3).is_some_and(|members| members.split(',').any(|member| member == name)))
        .filter_map(|row| row.get(2)?.parse().ok())
        .filter(|&gid| gid != primary)
        .collect()
}

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.is_empty()).map(|line| line.split(':').collect())
}

/// A file of the container, resolved inside its root; an absent one is empty.
fn read(root: &Path, path: &str) -> Result<String> {
    let doing = || format!("reading /{path} of the image");
    let dir = File::open(root).doing(ErrorKind::Builder, doing)?;
    let open = |flags: OFlags| {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    };
    let found = match open(OFlags::PATH) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(String::new()),
        other => {
            rustix::fs::fstat(other.doing(ErrorKind::Builder, doing)?).doing(ErrorKind::Builder, doing)?
        }
    };
    // opening a device may do something, and a FIFO may wait
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Error::new(ErrorKind::Builder, format!("{}: it is not a regular file", doing())));
    }
    let file = File::from(open(OFlags::RDONLY | OFlags::NONBLOCK).doing(ErrorKind::Builder, doing)?);
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).doing(ErrorKind::Builder, doing)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes the inputs, which only their owner may read, the builder's.
pub fn give_inputs(volume: &Path, inputs: &[String], user: &User) -> Result<()> {
    if user.uid == 0 {
        return Ok(());
    }
    inputs.iter().try_for_each(|name| change_owner(&volume.join(name), user.uid, user.gid))
}

/// Makes what the builder left in the volume the caller's, who is 0 in here.
pub fn take_outputs(volume: &Path) -> Result<()> {
    let doing = || format!("taking over the outputs in {}", volume.display());
    for entry in std::fs::read_dir(volume).doing(ErrorKind::Output, doing)? {
        let path: PathBuf = entry.doing(ErrorKind::Output, doing)?.path();
        let found = std::fs::symlink_metadata(&path).doing(ErrorKind::Output, doing)?;
        if found.is_file() && std::os::unix::fs::MetadataExt::uid(&found) != 0 {
            change_owner(&path, 0, 0)?;
        }
    }
    Ok(())
}

fn change_owner(path: &Path, uid: u32, gid: u32) -> Result<()> {
    fchownat(None, path, Some(uid.into()), Some(gid.into()), FchownatFlags::AT_SYMLINK_NOFOLLOW)
        .doing(ErrorKind::Builder, || format!("changing the owner of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nbuild:x:1000:100::/:\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\ndisk:x:6:build,other\n";

    fn of(text: &str) -> User {
        look_up(text, PASSWD, GROUP).unwrap()
    }

    #[test]
    fn every_form_of_user_is_understood() {
        assert_eq!(of(""), User::default());
        assert_eq!(of("build"), User { uid: 1000, gid: 100, additional_gids: vec![6] });
        assert_eq!(of("1000"), of("build"));
        assert_eq!(of("build:disk"), User { uid: 1000, gid: 6, additional_gids: vec![] });
        assert_eq!(of("7:8"), User { uid: 7, gid: 8, additional_gids: vec![] });
    }

    #[test]
    fn unknown_names_are_errors() {
        for text in
            ["nobody", "build:nogroup", "nobody:users", "99999999999", "-1", "1000:-1", "build:users:x"]
        {
            let error = look_up(text, PASSWD, GROUP).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Builder);
            assert!(error.to_string().contains("does not have"), "{error}");
        }
    }

    #[test]
    fn ids_out_of_range_are_errors() {
        for text in ["4294967295", "2147483648", "0:4294967295"] {
            let error = look_up(text, PASSWD, GROUP).unwrap_err();
            assert!(error.to_string().contains("up to 2147483647"), "{error}");
        }
        let mut user = of("build");
        assert!(user.fit("build", 1001, 101).is_ok() && user.additional_gids == [6]);
        assert!(user.fit("build", 1001, 6).unwrap_err().to_string().contains("only 6 ids"));
        assert!(user.fit("build", 1000, 101).unwrap_err().to_string().contains("only 1000 ids"));
    }

    #[test]
    fn an_image_without_tables_has_numbers_only() {
        assert_eq!(look_up("7", "", "").unwrap(), User { uid: 7, gid: 0, additional_gids: vec![] });
        let error = look_up("build", "", "").unwrap_err();
        assert!(error.to_string().ends_with("it has no /etc/passwd"), "{error}");
    }
}
