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

/// Whether a user can have subordinate ids, as far as files say.
#[derive(Debug)]
pub enum Subordinate {
    /// The ranges of uids and of gids, and the programs to map them.
    Granted { uids: Vec<Range>, gids: Vec<Range> },
    /// Nobody has set anything up, which is nobody's mistake.
    Unset(Error),
    /// Something is set up, and something else is missing.
    Incomplete(Error),
}

const TABLES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
const PROGRAMS: [&str; 2] = ["newuidmap", "newgidmap"];

/// What subuid(5), subgid(5) and the installed programs grant to `uid`.
pub fn subordinate(uid: u32) -> Subordinate {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = user_name(&read("/etc/passwd"), uid);
    let [uids, gids] = TABLES.map(|table| parse_ranges(&read(table), uid, name.as_deref()));
    judge(&name.unwrap_or_else(|| uid.to_string()), uids, gids, |program| find_program(program).is_some())
}

fn judge(user: &str, uids: Vec<Range>, gids: Vec<Range>, is_there: impl Fn(&str) -> bool) -> Subordinate {
    let tables = TABLES.iter().zip([&uids, &gids]);
    let without: Vec<&str> = tables.filter(|(_, found)| found.is_empty()).map(|(table, _)| *table).collect();
    if !without.is_empty() {
        let files = without.join(" and ");
        let error = Error::new(ErrorKind::Host, format!("no subordinate ids for {user} in {files}")).hint(
            format!("add a line such as `{user}:100000:65536`, of ids that nobody else has, to {files}"),
        );
        return match without.len() == TABLES.len() {
            true => Subordinate::Unset(error),
            false => Subordinate::Incomplete(error),
        };
    }
    match PROGRAMS.iter().find(|program| !is_there(program)) {
        Some(program) => Subordinate::Incomplete(
            Error::new(
                ErrorKind::Host,
                format!("{program} is not in PATH, and ids cannot be mapped without it"),
            )
            .hint("apt-get install uidmap (Debian) brings newuidmap and newgidmap"),
        ),
        None => Subordinate::Granted { uids, gids },
    }
}

/// Fails in a user namespace with too few ids for the owners that files of an image have.
pub fn require_all_ids() -> Result<()> {
    for file in ["uid_map", "gid_map"] {
        let path = Path::new("/proc/self").join(file);
        let map = std::fs::read_to_string(&path)
            .doing(ErrorKind::Host, || format!("reading {}", path.display()))?;
        let count = mapped(&map);
        if count < LEAST_IDS {
            let text = format!("being root only of a user namespace that maps {count} ids");
            return Err(Error::new(ErrorKind::Host, text));
        }
    }
    Ok(())
}

/// Below these are the users and groups of a distribution's packages, whose files any image may have.
const LEAST_IDS: u64 = 1000;

/// How many ids a map (user_namespaces(7)) holds.
fn mapped(map: &str) -> u64 {
    map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
}

/// Whether this id has a meaning in this process's user namespace, by its gid map.
pub fn is_group_mapped(gid: u64) -> bool {
    let map = std::fs::read_to_string("/proc/self/gid_map").unwrap_or_default();
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (first, count) = (numbers.next(), numbers.nth(1));
        matches!((first, count), (Some(Ok(first)), Some(Ok(count))) if (first..first + count).contains(&gid))
    })
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

fn find_program(name: &str) -> Option<PathBuf> {
    // cron and su may leave it out
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
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
        let written = std::fs::write(&path, text);
        let read_only =
            written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem);
        let error = written.doing(ErrorKind::Host, || format!("writing {}", path.display()));
        match read_only {
            true => error.map_err(|error| {
                error.hint("ids are mapped through /proc: mount it writable, or run as root")
            }),
            false => error,
        }
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
    fn a_missing_line_and_a_missing_program_are_told_apart() {
        let some = || vec![Range { start: 1000, count: 10 }];
        let text = |found: Subordinate| match found {
            Subordinate::Granted { .. } => "granted".into(),
            Subordinate::Unset(error) => format!("unset {error} {}", error.hint_text().unwrap()),
            Subordinate::Incomplete(error) => format!("incomplete {error} {}", error.hint_text().unwrap()),
        };
        let with = |uids, gids| text(judge("bob", uids, gids, |_| true));
        assert_eq!(with(some(), some()), "granted");
        assert!(
            with(vec![], vec![])
                .starts_with("unset no subordinate ids for bob in /etc/subuid and /etc/subgid")
        );
        let half = with(some(), vec![]);
        assert!(half.starts_with("incomplete no subordinate ids for bob in /etc/subgid"), "{half}");
        assert!(half.contains("`bob:100000:65536`") && !half.contains("subuid"), "{half}");
        let lacking = text(judge("bob", some(), some(), |program| program != "newgidmap"));
        assert!(
            lacking.contains("newgidmap is not in PATH") && lacking.contains("uidmap (Debian)"),
            "{lacking}"
        );
    }

    #[test]
    fn ids_of_a_map_are_counted() {
        assert_eq!(mapped("         0       1000          1\n         1     100000      65536\n"), 65_537);
        assert_eq!(mapped("0 0 4294967295\n"), 4_294_967_295);
        assert_eq!(mapped(""), 0);
    }

    #[test]
    fn names_come_from_passwd_lines() {
        assert_eq!(user_name("root:x:0:0::/:\nbob:x:7:7::/:\n", 7).as_deref(), Some("bob"));
        assert_eq!(user_name("broken\n", 7), None);
    }
}
