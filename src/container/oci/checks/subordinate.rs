//! Subordinate ids: who has some, who can map them, and the command that gives some.

use nix::unistd::Uid;

use super::Check;
use crate::container::oci::idmap::{find_program, parse_ranges, user_name};

const NAME: &str = "subordinate-ids";
/// As many as useradd(8) gives, from where it begins.
const COUNT: u64 = 65536;
const FIRST: u64 = 100_000;

/// What the host has.
struct Tables {
    uid: u32,
    name: Option<String>,
    subuid: String,
    subgid: String,
}

/// Whether the caller has ranges and the programs that map them; whether they map, the ladder tries.
pub fn subordinate() -> Check {
    let uid = Uid::effective();
    if uid.is_root() {
        return Check::skip(NAME, "root has all ids");
    }
    let missing = ["newuidmap", "newgidmap"].into_iter().find(|name| find_program(name).is_none());
    if let Some(program) = missing {
        return Check::warn(NAME, format!("there is no {program} in $PATH"))
            .with_fix("install newuidmap and newgidmap, as root: apt-get install uidmap");
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = user_name(&read("/etc/passwd"), uid.as_raw());
    Tables { uid: uid.as_raw(), name, subuid: read("/etc/subuid"), subgid: read("/etc/subgid") }.check()
}

impl Tables {
    fn check(&self) -> Check {
        let count = |table: &str| {
            let ranges = parse_ranges(table, self.uid, self.name.as_deref());
            ranges.iter().map(|range| u64::from(range.count)).sum::<u64>()
        };
        let who = self.name.clone().unwrap_or_else(|| self.uid.to_string());
        match (count(&self.subuid), count(&self.subgid)) {
            (0, _) | (_, 0) => {
                let lacking = if count(&self.subuid) == 0 { "/etc/subuid" } else { "/etc/subgid" };
                Check::warn(NAME, format!("{lacking} has no range for {who}")).with_fix(self.fix())
            }
            (uids, gids) => Check::ok(NAME, format!("{who} has {uids} uids and {gids} gids")),
        }
    }

    /// A range behind all that are taken, by the command that knows the files, or by their line.
    fn fix(&self) -> String {
        let taken = self.subuid.lines().chain(self.subgid.lines()).filter_map(end);
        let start = taken.max().unwrap_or(0).max(FIRST);
        match &self.name {
            Some(name) => {
                let range = format!("{start}-{}", start + COUNT - 1);
                format!("as root: usermod --add-subuids {range} --add-subgids {range} {name}")
            }
            None => format!("add the line {}:{start}:{COUNT} to /etc/subuid and /etc/subgid", self.uid),
        }
    }
}

/// The first id behind the range of a line.
fn end(line: &str) -> Option<u64> {
    let mut fields = line.trim().split(':').skip(1);
    let mut number = || fields.next()?.parse::<u32>().ok().map(u64::from);
    Some(number()? + number()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::oci::checks::Status;

    fn of(name: Option<&str>, subuid: &str, subgid: &str) -> Check {
        let (subuid, subgid) = (subuid.to_owned(), subgid.to_owned());
        Tables { uid: 1000, name: name.map(str::to_owned), subuid, subgid }.check()
    }

    #[test]
    fn the_fix_is_a_range_that_nobody_has() {
        let check = of(Some("ann"), "bob:100000:65536\n", "eve:300000:10\n");
        assert_eq!(check.status, Status::Warn);
        assert_eq!(
            check.fix.unwrap(),
            "as root: usermod --add-subuids 300010-365545 --add-subgids 300010-365545 ann"
        );
        assert!(of(None, "", "").fix.unwrap().contains("1000:100000:65536"));
    }

    #[test]
    fn both_files_must_have_a_range() {
        assert!(of(Some("ann"), "ann:1:5\n", "").message.contains("/etc/subgid"));
        assert_eq!(of(Some("ann"), "ann:1:5\n", "1000:7:6\n").message, "ann has 5 uids and 6 gids");
    }
}
