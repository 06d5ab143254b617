//! Id maps of a user namespace: the subordinate ranges of a user, and the writing of the maps.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// A range of subordinate ids, as a line of subuid(5) grants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub start: u32,
    pub count: u32,
}

/// The user's ranges of subordinate uids and gids; `None` unless both exist and newuidmap(1) and
/// newgidmap(1) are there to map them.
pub fn subordinate_ranges(uid: u32) -> Option<(Vec<Range>, Vec<Range>)> {
    find_program("newuidmap")?;
    find_program("newgidmap")?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = user_name(&read("/etc/passwd"), uid);
    let uids = parse_ranges(&read("/etc/subuid"), uid, name.as_deref());
    let gids = parse_ranges(&read("/etc/subgid"), uid, name.as_deref());
    (!uids.is_empty() && !gids.is_empty()).then_some((uids, gids))
}

/// Read by hand: a static executable cannot load the name service's modules.
pub(super) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

pub(super) fn parse_ranges(table: &str, uid: u32, name: Option<&str>) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let ours = Some(owner) == name || owner.parse() == Ok(uid);
        let range = Range { start: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
        (ours && range.count > 0 && range.start.checked_add(range.count).is_some()).then_some(range)
    };
    table.lines().filter_map(range).collect()
}

pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Has newuidmap(1) and newgidmap(1) write the maps of `pid`. Only for [`Rung::Subordinate`].
pub fn write_subordinate(rung: &Rung, pid: i32) -> Result<()> {
    let Rung::Subordinate { uid, gid, uids, gids } = rung else {
        return Err(Error::new(ErrorKind::Internal, "asked to map ids that are not subordinate"));
    };
    map_with("newuidmap", pid, *uid, uids)?;
    map_with("newgidmap", pid, *gid, gids)
}

fn map_with(program: &str, pid: i32, id: u32, ranges: &[Range]) -> Result<()> {
    let doing = || format!("mapping subordinate ids with {program}");
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(map_arguments(id, ranges).iter().map(u32::to_string))
        .output()
        .doing(ErrorKind::Host, doing)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(ErrorKind::Host, format!("{}: {said}", doing()))
        .hint(format!("{program} must be setuid root (or hold its capability) and the ranges of /etc/subuid and /etc/subgid free")))
}

/// 0 is the caller, 1 and up are the ranges one after the other.
fn map_arguments(id: u32, ranges: &[Range]) -> Vec<u32> {
    let mut arguments = vec![0, id, 1];
    let mut inside = 1;
    for range in ranges {
        arguments.extend([inside, range.start, range.count]);
        inside += range.count;
    }
    arguments
}

/// Maps the caller alone, from inside its new user namespace. The kernel wants setgroups(2)
/// denied first (user_namespaces(7)).
pub fn write_single(uid: u32, gid: u32) -> Result<()> {
    let write = |file: &str, text: String| {
        let path = Path::new("/proc/self").join(file);
        std::fs::write(&path, text).doing(ErrorKind::Host, || format!("writing {}", path.display()))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let table = "other:1:5\nalice:100000:65536\n1000:300000:10\nbad\nalice:x:1\nalice:5:0\n";
        let found = parse_ranges(table, 1000, Some("alice"));
        assert_eq!(found, [Range { start: 100_000, count: 65_536 }, Range { start: 300_000, count: 10 }]);
        assert!(parse_ranges(table, 1, None).is_empty());
    }

    #[test]
    fn a_range_that_overflows_is_no_range() {
        assert!(parse_ranges("a:4294967295:2", 0, Some("a")).is_empty());
    }

    #[test]
    fn maps_put_the_caller_at_0_and_the_ranges_above() {
        let ranges = [Range { start: 1000, count: 10 }, Range { start: 5000, count: 20 }];
        assert_eq!(map_arguments(7, &ranges), [0, 7, 1, 1, 1000, 10, 11, 5000, 20]);
    }

    #[test]
    fn names_come_from_passwd_lines() {
        assert_eq!(user_name("root:x:0:0::/:\nbob:x:7:7::/:\n", 7).as_deref(), Some("bob"));
        assert_eq!(user_name("broken\n", 7), None);
    }
}
