//! The order in which things go to disk, as the kernel saw it: a loss of power at any moment leaves
//! no name without its contents.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use super::common::docker_registry::DockerRegistry;
use super::common::site::{Site, stderr};
use super::process::pull;
use super::sample::{Sample, layers};

/// Calls that change what is on disk.
const CHANGES: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "copy_file_range",
    "ftruncate",
    "fallocate",
    "openat",
    "openat2",
    "mkdirat",
    "symlinkat",
    "linkat",
    "mknodat",
    "unlinkat",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "fremovexattr",
];
const ORDER: &[&str] = &["fsync", "fdatasync", "syncfs", "rename", "renameat", "renameat2"];

/// A system call that succeeded, with the lines of the trace where it began and ended.
struct Call {
    name: String,
    /// The arguments; strace writes files as `fd<path>`.
    text: String,
    start: usize,
    end: usize,
}

struct Trace(Vec<Call>);

impl Trace {
    fn parse(text: &str) -> Self {
        let (mut calls, mut open) = (Vec::new(), HashMap::new());
        for (number, line) in text.lines().enumerate() {
            let (pid, rest) = line.trim_start().split_once(' ').unwrap();
            let rest = rest.trim_start();
            let (start, said) = match rest.strip_prefix("<... ") {
                Some(resumed) => {
                    let Some((start, begun)) = open.remove(pid) else { continue };
                    (start, format!("{begun}{}", resumed.split_once(" resumed>").unwrap().1))
                }
                None => (number, rest.to_owned()),
            };
            if let Some(begun) = said.strip_suffix("<unfinished ...>") {
                open.insert(pid, (start, begun.to_owned()));
                continue;
            }
            let Some((call, result)) = said.rsplit_once(" = ") else { continue };
            let Some((name, text)) = call.split_once('(') else { continue };
            if !result.starts_with('-') {
                let text = text.trim_end().trim_end_matches(')').trim_end().to_owned();
                calls.push(Call { name: name.to_owned(), text, start, end: number });
            }
        }
        Self(calls)
    }

    fn of<'a>(
        &'a self,
        names: &'a [&str],
        has: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Call> {
        self.0.iter().filter(move |call| names.contains(&call.name.as_str()) && has(&call.text))
    }

    /// The end of the last change of a file whose arguments are like this.
    fn last_change<'a>(&'a self, has: impl Fn(&str) -> bool + 'a) -> usize {
        let changes = |text: &str| !text.contains("O_RDONLY") && !text.contains("O_PATH") && has(text);
        self.of(CHANGES, changes).map(|call| call.end).max().expect("nothing was written")
    }

    /// The only rename of one name to the other.
    fn rename(&self, from: &str, to: &str) -> &Call {
        let has = |call: &&Call| call.text.contains(from) && call.text.ends_with(&format!("{to}\""));
        let mut found = self.of(&["rename", "renameat", "renameat2"], |_| true).filter(has);
        let first = found.next().unwrap_or_else(|| panic!("nothing is renamed from {from} to {to}"));
        assert!(found.next().is_none(), "{from} is renamed to {to} twice");
        first
    }

    /// Something is synced that began after one moment and was done before the other.
    fn assert_synced(&self, what: &[&str], how: &[&str], (after, before): (usize, usize)) {
        let is_it = |text: &str| what.iter().any(|path| text.ends_with(&format!("{path}>")));
        let done = self.of(how, is_it).any(|call| call.start > after && call.end < before);
        assert!(done, "{what:?} is not synced between lines {after} and {before} of the trace");
    }
}

const FSYNC: &[&str] = &["fsync", "fdatasync"];

fn traced() -> (Trace, Sample, Site) {
    let registry = DockerRegistry::start();
    let sample = Sample::new(&layers(256 << 10));
    let reference = registry.push("power", "1", &sample.built);
    let site = Site::new();
    let run = pull(&site, &reference);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-s", "0", "-o"]).arg(site.path("trace"));
    // a name that this machine's kernel lacks is no error with a question mark
    let calls: Vec<String> = CHANGES.iter().chain(ORDER).map(|name| format!("?{name}")).collect();
    strace.arg("-e").arg(format!("trace={}", calls.join(",")));
    strace.arg(run.get_program()).args(run.get_args()).env_clear();
    strace.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = strace.output().expect("strace is installed by scripts/setup.sh test");
    assert!(output.status.success(), "{}", stderr(&output));
    (Trace::parse(&fs::read_to_string(site.path("trace")).unwrap()), sample, site)
}

#[test]
fn what_has_a_name_was_on_disk_before() {
    let (trace, sample, site) = traced();
    let named = trace.rename("/.index.json.tmp\"", "/index.json");
    for blob in sample.built.blobs() {
        let hex = blob.digest.strip_prefix("sha256:").unwrap();
        let (partial, place) = (format!("/.partial/sha256-{hex}"), format!("/blobs/sha256/{hex}"));
        let written = trace.last_change(|text| text.contains(&format!("{partial}>")));
        let placed = trace.rename(&format!("{partial}\""), &place);
        trace.assert_synced(&[&partial], FSYNC, (written, placed.start));
        trace.assert_synced(&["/blobs/sha256"], FSYNC, (placed.end, named.start));
    }
    trace.assert_synced(&["/cache/blobs"], FSYNC, (0, named.start));
    let written = trace.last_change(|text| text.contains("/.index.json.tmp>"));
    trace.assert_synced(&["/.index.json.tmp"], FSYNC, (written, named.start));
    trace.assert_synced(&["/cache"], FSYNC, (named.end, usize::MAX));

    let rootfs = fs::read_dir(site.path("cache/rootfs")).unwrap().next().unwrap().unwrap();
    let name = rootfs.file_name().into_string().unwrap();
    let work = format!("/rootfs/.tmp-{name}");
    let published = trace.rename(&format!("\".tmp-{name}\""), &format!("\"{name}"));
    let tree = trace.last_change(|text| text.contains(&work) && !text.contains("record.json"));
    trace.assert_synced(&[&work], &["syncfs"], (tree, published.start));
    let record = trace.last_change(|text| text.contains(&work) && text.contains("record.json"));
    trace.assert_synced(&[&format!("{work}/record.json")], FSYNC, (record, published.start));
    trace.assert_synced(&[&work], FSYNC, (record, published.start));
    trace.assert_synced(&["/cache/rootfs"], FSYNC, (published.end, usize::MAX));
}
