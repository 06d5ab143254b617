//! Subordinate ids: who has some, who can map them, and the command that gives some.

use nix::unistd::Uid;

use super::Check;
use crate::container::oci::idmap::{self, Range, Subordinate, parse_ranges, user_name};
use crate::error::Error;

const NAME: &str = "subordinate-ids";
/// As many as useradd(8) gives, from where it begins.
const COUNT: u64 = 65536;
const FIRST: u64 = 100_000;

/// Whether the caller has ranges and the programs that map them; whether they map, the ladder tries.
pub fn subordinate() -> Check {
    let uid = Uid::effective().as_raw();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = user_name(&read("/etc/passwd"), uid);
    let tables = Tables { uid, name, subuid: read("/etc/subuid"), subgid: read("/etc/subgid") };
    match idmap::subordinate(uid) {
        Subordinate::Granted { uids, gids } => {
            let count = |ranges: &[Range]| ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
            Check::ok(NAME, format!("{} uids and {} gids", count(&uids), count(&gids)))
        }
        Subordinate::Unset(_) if uid == 0 => Check::skip(NAME, "root has all ids"),
        Subordinate::Unset(error) | Subordinate::Incomplete(error) => tables.lacking(&error),
    }
}

/// What the host has.
struct Tables {
    uid: u32,
    name: Option<String>,
    subuid: String,
    subgid: String,
}

impl Tables {
    fn lacking(&self, error: &Error) -> Check {
        let has_range = |table: &str| !parse_ranges(table, self.uid, self.name.as_deref()).is_empty();
        match has_range(&self.subuid) && has_range(&self.subgid) {
            true => Check::warn_of(NAME, error),
            false => Check::warn_of(NAME, error).with_fix(self.fix()),
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
    use crate::error::ErrorKind;

    fn of(name: Option<&str>, subuid: &str, subgid: &str) -> Check {
        let (subuid, subgid) = (subuid.to_owned(), subgid.to_owned());
        let tables = Tables { uid: 1000, name: name.map(str::to_owned), subuid, subgid };
        tables.lacking(&Error::new(ErrorKind::Host, "no").hint("the hint of a run"))
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
    fn where_both_files_have_a_range_something_else_is_missing() {
        assert!(of(Some("ann"), "ann:1:5\n", "").fix.unwrap().contains("usermod"));
        assert_eq!(of(Some("ann"), "ann:1:5\n", "1000:7:6\n").fix.as_deref(), Some("the hint of a run"));
    }
}
