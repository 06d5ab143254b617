//! Runs that have left something: what `--debug` kept, what was killed, what still runs. Listed,
//! entered and removed; and the logs of all of them.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::docker;
use super::log;
use super::oci::leftovers::{self, About};
use super::oci::shell;
use super::record::{self, Found, Held, Hold, Status};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

pub use super::oci::shell::Shell;

/// A run that has a record.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub id: String,
    pub status: Status,
    /// The image's reference; `None` where the record cannot be read.
    pub image: Option<String>,
    /// When it was started, in UTC (RFC 3339).
    pub started: Option<String>,
    /// Bytes on disk that removing it frees, without what an engine has of it; `None` where that cannot be told.
    pub size: Option<u64>,
    /// Host side of its volume.
    pub volume: Option<String>,
}

/// What the records of all drivers tell.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    image: Option<String>,
    /// Seconds since 1970.
    started: Option<u64>,
    volume: Option<PathBuf>,
}

/// Everything below the state directory, the oldest first.
///
/// Errors: [`ErrorKind::Usage`] where the directory cannot be read.
pub fn list(state: &Path) -> Result<Vec<Listed>> {
    let mut all: Vec<Listed> = record::all(state)?.iter().map(describe).collect();
    all.sort_by(|one, other| one.started.cmp(&other.started));
    Ok(all)
}

fn describe(found: &Found) -> Listed {
    let size = disk_usage(&found.dir).ok().or_else(|| {
        // files of subordinate ids can be read in their mapping alone
        found.about::<About>().and_then(|about| leftovers::measure(&about.rung, &found.dir).ok())
    });
    let Told { image, started, volume } = found.about().unwrap_or_default();
    let volume = volume.map(|path| path.to_string_lossy().into_owned()).filter(|path| !path.is_empty());
    let (id, started) = (found.id.clone(), started.map(rfc_3339));
    Listed { id, status: found.status(), image, started, size, volume }
}

/// Bytes on disk of everything below `dir`, as far as it is there.
pub fn disk_usage(dir: &Path) -> Result<u64> {
    let doing = |path: &Path| format!("measuring {}", path.display());
    let (mut bytes, mut directories) = (0, vec![dir.to_owned()]);
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    while let Some(path) = directories.pop() {
        let entries = match std::fs::read_dir(&path) {
            Err(error) if gone(&error) => continue,
            other => other.doing(ErrorKind::Internal, || doing(&path))?,
        };
        for entry in entries {
            let entry = entry.doing(ErrorKind::Internal, || doing(&path))?;
            // of the entry itself, not of what a symlink leads to
            let found = match entry.metadata() {
                Err(error) if gone(&error) => continue,
                other => other.doing(ErrorKind::Internal, || doing(&entry.path()))?,
            };
            bytes += found.blocks() * 512;
            if found.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

/// The file with what the builder of a run wrote, also where nothing else of the run is left.
///
/// Errors: [`ErrorKind::Usage`], with the candidates, unless exactly one id begins with `prefix`.
pub fn log_of(state: &Path, prefix: &str) -> Result<PathBuf> {
    let mut ids = log::ids(state);
    ids.sort();
    let id = only(&ids, prefix, "log")?;
    Ok(log::path(state, &id))
}

/// Runs a command in a container that was kept, and returns its exit code.
///
/// Errors: [`ErrorKind::Usage`] where the id is not that of a kept container; [`ErrorKind::Builder`]
/// where the command cannot be started.
pub fn enter(state: &Path, prefix: &str, shell: Shell<'_>) -> Result<i32> {
    let found = find(state, prefix)?;
    let doing = || format!("entering container {}", found.id);
    let refuse = |why: &str| Error::new(ErrorKind::Usage, format!("{}: {why}", doing()));
    let lock = hold(&found, Hold::Shared, doing)?;
    if found.status() != Status::Kept {
        return Err(
            refuse("it was killed, and is not kept").hint("`airshipctl container rm` removes what is left")
        );
    }
    let about = read(&found)?;
    if !about.rootfs.is_dir() {
        let gone = format!("its image is not unpacked any more in {}", about.rootfs.display());
        return Err(refuse(&gone).hint(format!("`airshipctl image pull --unpack {}` does that", about.image)));
    }
    shell::enter(&found.dir, &about, lock.as_fd(), shell).map_err(|error| error.context(doing()))
}

/// Removes containers that were kept or killed, all of them or, where an id is wrong or one runs, none.
///
/// Errors: [`ErrorKind::Usage`] for ids that name none, more than one, or one that runs.
pub fn remove(state: &Path, prefixes: &[String]) -> Result<Vec<String>> {
    let mut all: Vec<Found> = Vec::new();
    for prefix in prefixes {
        let found = find(state, prefix)?;
        if !all.contains(&found) {
            all.push(found);
        }
    }
    // held before the first is removed
    let held = all.into_iter().map(|found| {
        let held = hold(&found, Hold::Exclusive, || format!("removing container {}", found.id))?;
        Ok((found, held))
    });
    remove_held(held.collect::<Result<Vec<_>>>()?)
}

/// Removes all that were kept and that nobody looks into.
pub fn remove_kept(state: &Path) -> Result<Vec<String>> {
    let kept = record::all(state)?.into_iter().filter(|found| found.status() == Status::Kept);
    let held = kept.filter_map(|found| {
        let held = found.hold(Hold::Exclusive).ok().flatten();
        if held.is_none() {
            tracing::warn!("container {} is in use and stays", found.id);
        }
        Some((found, held?))
    });
    remove_held(held.collect())
}

/// One that resists does not keep the others from going; the first error is told.
fn remove_held(held: Vec<(Found, Held)>) -> Result<Vec<String>> {
    let (mut removed, mut failed) = (Vec::new(), None);
    for (found, _held) in held {
        match reap(&found) {
            Ok(()) => removed.push(found.id),
            Err(error) => {
                let error = error.context(format!("removing container {}", found.id));
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

fn reap(found: &Found) -> Result<()> {
    if let Some(about) = found.about::<docker::About>() {
        // signals have their default action: the record is there until the end
        return docker::reap(&about, &found.dir, &Interrupt::manual()?);
    }
    let about = read(found)?;
    // from here on it is for the next start, should this be killed
    record::give_up(&found.dir)?;
    leftovers::reap(&about.rung, &found.dir)
}

/// What pruning takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What nobody can want any more.
    Dead,
    /// What `--debug` kept and the logs of all runs that are over, too.
    All,
}

/// What was removed.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// Ids of runs.
    pub containers: Vec<String>,
    /// How many logs.
    pub logs: usize,
}

/// Finishes dead runs, as the next start would, and removes old logs.
///
/// Errors: those of the first run that resists, when all others are done.
pub fn prune(state: &Path, scope: Scope) -> Result<Pruned> {
    let (mut containers, mut failed) = (Vec::new(), None);
    // fails where the directory cannot be read
    record::all(state)?;
    let of_engines = docker::reap_dead(state, &Interrupt::manual()?);
    for reaped in of_engines.into_iter().chain(leftovers::reap_dead(state)) {
        match reaped.result {
            Ok(()) => containers.push(reaped.id),
            Err(error) => {
                failed = failed.or(Some(error.context(format!("removing container {}", reaped.id))))
            }
        }
    }
    let logs = match scope {
        Scope::Dead => log::prune(state, log::KEPT),
        Scope::All => {
            match remove_kept(state) {
                Ok(removed) => containers.extend(removed),
                Err(error) => failed = failed.or(Some(error)),
            }
            log::prune(state, 0)
        }
    };
    failed.map_or(Ok(Pruned { containers, logs }), Err)
}

/// How a kept container is looked into and removed, for people.
pub fn how_to_inspect(state: &Path, id: &str) -> String {
    let is_default = record::state_dir().is_ok_and(|default| default == state);
    let option = if is_default { String::new() } else { format!(" --state-dir {}", quoted(state)) };
    format!(
        "The container is kept; it may hold secrets.\n  look into it: airshipctl container shell{option} {id}\
         \n  its output: airshipctl container logs{option} {id}\n  remove it: airshipctl container rm{option} {id}"
    )
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn find(state: &Path, prefix: &str) -> Result<Found> {
    let mut all = record::all(state)?;
    let ids: Vec<String> = all.iter().map(|found| found.id.clone()).collect();
    let id = only(&ids, prefix, "container")?;
    all.retain(|found| found.id == id);
    all.pop().ok_or_else(|| Error::new(ErrorKind::Internal, format!("container {id} has vanished")))
}

/// The id that `prefix` begins, if it is just one.
fn only(ids: &[String], prefix: &str, what: &str) -> Result<String> {
    let fitting: Vec<&String> = match ids.iter().find(|id| *id == prefix) {
        Some(exact) => vec![exact],
        None => ids.iter().filter(|id| !prefix.is_empty() && id.starts_with(prefix)).collect(),
    };
    let usage = |text: String| Error::new(ErrorKind::Usage, text);
    match (fitting.as_slice(), ids) {
        ([only], _) => Ok((*only).clone()),
        ([], []) => Err(usage(format!("no {what} {prefix:?}: there is none"))
            .hint("--state-dir names the state directory of other runs")),
        ([], all) => {
            Err(usage(format!("no {what} {prefix:?}")).hint(format!("there are {}", some(all.iter()))))
        }
        (several, _) => Err(usage(format!("{what} {prefix:?} is ambiguous"))
            .hint(format!("it begins {}", some(several.iter().copied())))),
    }
}

fn some<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    match ids.len() {
        0..=20 => ids.join(", "),
        more => format!("{} and {} more", ids[..20].join(", "), more - 20),
    }
}

fn hold(found: &Found, hold: Hold, doing: impl Fn() -> String) -> Result<Held> {
    for _ in 0..10 {
        if let Some(held) = found.hold(hold).map_err(|error| error.context(doing()))? {
            return Ok(held);
        }
        if found.status() == Status::Running {
            return Err(Error::new(ErrorKind::Usage, format!("{}: it is running", doing())));
        }
        // whoever lists containers holds each for a moment
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Error::new(ErrorKind::Usage, format!("{}: somebody looks into it", doing())))
}

fn read(found: &Found) -> Result<About> {
    found.about().ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{} is no readable record of a run", found.dir.display()))
            .hint("remove it by hand")
    })
}

/// Seconds since 1970 as a date and time in UTC.
fn rfc_3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // civil_from_days of Howard Hinnant's date algorithms, for days after 1970: years begin in March
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[&str]) -> Vec<String> {
        list.iter().map(|&id| id.to_owned()).collect()
    }

    #[test]
    fn a_prefix_that_only_one_id_has_is_enough() {
        let all = ids(&["abc1", "abd2", "abd"]);
        assert_eq!(only(&all, "abc", "container").unwrap(), "abc1");
        assert_eq!(only(&all, "abd", "container").unwrap(), "abd", "an exact one wins");
        for (wrong, candidates) in
            [("ab", "abc1, abd2, abd"), ("x", "abc1, abd2, abd"), ("", "abc1"), ("../abc1", "abc1")]
        {
            let error = only(&all, wrong, "container").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().unwrap().contains(candidates), "{wrong}: {error:?}");
        }
        assert!(only(&[], "a", "container").unwrap_err().to_string().contains("there is none"));
    }

    #[test]
    fn many_candidates_are_counted() {
        let all: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
        let hint = only(&all, "x", "log").unwrap_err();
        assert!(hint.hint_text().unwrap().ends_with("19 and 30 more"));
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc_3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc_3339(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(rfc_3339(1_794_000_000), "2026-11-06T21:20:00Z");
    }

    #[test]
    fn the_way_in_names_a_state_directory_of_ones_own() {
        let text = how_to_inspect(Path::new("/srv/my state"), "abc");
        assert!(text.contains("look into it: airshipctl container shell --state-dir '/srv/my state' abc\n"));
        assert!(text.ends_with("remove it: airshipctl container rm --state-dir '/srv/my state' abc"));
    }

    #[test]
    fn a_tree_takes_what_its_files_take() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/file"), vec![1; 100_000]).unwrap();
        assert!((100_000..300_000).contains(&disk_usage(dir.path()).unwrap()));
        assert_eq!(disk_usage(&dir.path().join("none")).unwrap(), 0);
    }
}
