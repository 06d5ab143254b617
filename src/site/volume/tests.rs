//! The run is stopped before each single change of the disk, and so is its recovery.

use std::collections::BTreeMap;
use std::fs;

use super::directory::crash;
use super::*;

/// A volume with the outputs of an earlier run, and a run directory.
struct Site {
    _root: tempfile::TempDir,
    host: PathBuf,
    run: PathBuf,
}

/// Names and contents at the top of a directory.
type Listing = BTreeMap<String, String>;

impl Site {
    fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (host, run) = (root.path().join("volume"), root.path().join("run"));
        fs::create_dir(&host).unwrap();
        fs::create_dir(&run).unwrap();
        Self { host, run, _root: root }
    }

    fn with_older_outputs() -> Self {
        let site = Self::empty();
        site.write("site.iso", "older image");
        site.write("site.iso.files", "older list");
        site.write("out.yaml", &site.metadata("site.iso"));
        site.write("keep.txt", "the user's own");
        site
    }

    fn metadata(&self, image: &str) -> String {
        format!("bootImagePath: {}\n", self.host.join(image).display())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.host.join(name), text).unwrap();
    }

    fn open(&self) -> Volume {
        Volume::open(&self.host, Path::new("/config")).unwrap()
    }

    /// What a builder does: half of it if `whole` is not given.
    fn build(&self, whole: Option<&str>) {
        self.write("site.iso", "half");
        self.write("site.iso.files", "new list");
        self.write(".site.iso.new", "half");
        if let Some(text) = whole {
            fs::remove_file(self.host.join(".site.iso.new")).unwrap();
            self.write("site.iso", text);
            self.write("out.yaml", &self.metadata("site.iso"));
        }
    }

    fn listing(&self) -> Listing {
        let entries = fs::read_dir(&self.host).unwrap().map(|entry| entry.unwrap());
        let read = |entry: fs::DirEntry| {
            let content = fs::read_to_string(entry.path()).unwrap_or_else(|_| "(directory)".into());
            (entry.file_name().into_string().unwrap(), content)
        };
        entries.map(read).collect()
    }
}

fn staging() -> Staging {
    let input = |name: &str| Input { name: name.into(), bytes: b"secret".to_vec() };
    Staging {
        inputs: vec![input("user-data"), input("network-config")],
        outputs: OutputNames { metadata: "out.yaml".into(), image: None },
        inputs_after: InputsAfter::Remove,
    }
}

/// Runs `act` for every number of changes after which it can be stopped; panics if it never ends.
fn at_every_step(mut act: impl FnMut(u32) -> bool) {
    let steps = (0..500).find(|step| !act(*step)).expect("the last step is reached");
    assert!(steps > 3, "nothing was stopped");
}

#[test]
fn a_run_stopped_anywhere_while_staging_is_undone() {
    at_every_step(|step| {
        let site = Site::with_older_outputs();
        let before = site.listing();
        let volume = site.open();
        let (_, stopped) = crash::after(step, || volume.stage(&site.run, &staging()));
        drop(volume);
        recover(&site.run).unwrap();
        assert_eq!(site.listing(), before, "after step {step}");
        recover(&site.run).unwrap();
        assert_eq!(site.listing(), before, "again after step {step}");
        stopped
    });
}

#[test]
fn a_recovery_stopped_anywhere_is_finished_by_the_next() {
    for built in [None, Some("new")] {
        at_every_step(|step| {
            let site = Site::with_older_outputs();
            let before = site.listing();
            site.open().stage(&site.run, &staging()).unwrap();
            site.build(built);
            let (_, stopped) = crash::after(step, || recover(&site.run));
            recover(&site.run).unwrap();
            assert_eq!(site.listing(), before, "after step {step}");
            stopped
        });
    }
}

#[test]
fn a_staging_and_its_recovery_both_stopped_anywhere_are_finished_by_the_next() {
    at_every_step(|first| {
        let mut ended = false;
        at_every_step(|second| {
            let site = Site::with_older_outputs();
            let before = site.listing();
            let volume = site.open();
            ended = crash::after(first, || volume.stage(&site.run, &staging())).1;
            drop(volume);
            let (_, stopped) = crash::after(second, || recover(&site.run));
            recover(&site.run).unwrap();
            assert_eq!(site.listing(), before, "after steps {first} and {second}");
            stopped || second < 4
        });
        ended
    });
}

#[test]
fn a_commit_stopped_anywhere_leaves_the_new_or_the_older_outputs_but_no_mixture() {
    let mut kinds = [0, 0];
    at_every_step(|step| {
        let site = Site::with_older_outputs();
        let before = site.listing();
        let volume = site.open();
        volume.stage(&site.run, &staging()).unwrap();
        site.build(Some("new image"));
        volume.outputs(&site.run).unwrap();
        let (_, stopped) = crash::after(step, || volume.commit(&site.run));
        drop(volume);
        recover(&site.run).unwrap();
        let mut new = before.clone();
        new.insert("site.iso".into(), "new image".into());
        new.insert("site.iso.files".into(), "new list".into());
        let is_new = site.listing() == new;
        assert!(is_new || site.listing() == before, "after step {step}: {:?}", site.listing());
        kinds[usize::from(is_new)] += 1;
        stopped
    });
    assert!(kinds[0] > 0 && kinds[1] > 0, "both happen: {kinds:?}");
}

#[test]
fn without_its_run_directory_a_killed_run_is_undone_by_the_next_one_in_the_volume() {
    at_every_step(|step| {
        let site = Site::with_older_outputs();
        let before = site.listing();
        let volume = site.open();
        let (_, stopped) = crash::after(step, || volume.stage(&site.run, &staging()));
        drop(volume);
        fs::remove_dir_all(&site.run).unwrap();
        let (_, _) = crash::after(step, || Volume::open(&site.host, Path::new("/config")).map(drop));
        drop(site.open());
        assert_eq!(site.listing(), before, "after step {step}");
        stopped
    });
}

#[test]
fn no_secret_is_on_disk_before_the_journal_is() {
    at_every_step(|step| {
        let site = Site::with_older_outputs();
        let volume = site.open();
        let (_, stopped) = crash::after(step, || volume.stage(&site.run, &staging()));
        let secret = site.listing().values().any(|content| content == "secret");
        assert!(!secret || site.run.join("volume.json").exists(), "after step {step}");
        stopped
    });
}

#[test]
fn a_rejection_stopped_anywhere_keeps_the_image_or_not_and_brings_back_the_older_outputs() {
    let mut kinds = [0, 0];
    at_every_step(|step| {
        let site = Site::with_older_outputs();
        site.write("site.iso.rejected", "older still");
        let before = site.listing();
        let volume = site.open();
        volume.stage(&site.run, &staging()).unwrap();
        site.build(Some("new image"));
        let image = volume.outputs(&site.run).unwrap().image;
        let end = || volume.reject(&site.run, &image).and_then(|_| recover(&site.run));
        let (_, stopped) = crash::after(step, end);
        drop(volume);
        recover(&site.run).unwrap();
        let mut kept = before.clone();
        kept.insert("site.iso.rejected".into(), "new image".into());
        let is_kept = site.listing() == kept;
        assert!(is_kept || site.listing() == before, "after step {step}: {:?}", site.listing());
        kinds[usize::from(is_kept)] += 1;
        stopped
    });
    assert!(kinds[0] > 0 && kinds[1] > 0, "both happen: {kinds:?}");
}

#[test]
fn an_image_is_not_kept_under_the_name_of_another_file_of_the_run() {
    for (name, is_directory) in [("site.iso.rejected", true), ("out.yaml", false)] {
        let site = Site::empty();
        let metadata = if is_directory { "out.yaml" } else { "site.iso.rejected" };
        let mut staging = staging();
        staging.outputs.metadata = metadata.into();
        if is_directory {
            fs::create_dir(site.host.join(name)).unwrap();
        }
        let volume = site.open();
        volume.stage(&site.run, &staging).unwrap();
        site.build(Some("new image"));
        fs::rename(site.host.join("out.yaml"), site.host.join(metadata)).unwrap();
        let image = volume.outputs(&site.run).unwrap().image;
        let error = volume.reject(&site.run, &image).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Output);
        let expected = if is_directory {
            "what has that name is no file"
        } else {
            "another file of this run has that name"
        };
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(image.exists());
    }
}
