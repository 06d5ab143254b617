//! The volume as a run sees it: opened, staged, built in by a stand-in for the builder, checked.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use airshipctl::error::{Error, ErrorKind};
use airshipctl::site::volume::{
    Input, InputsAfter, OutputNames, Outputs, Staging, Volume, recover, remove_inputs,
};
use nix::unistd::{Uid, geteuid, setfsuid};
use tempfile::TempDir;

struct Site {
    root: TempDir,
    host: PathBuf,
    run: PathBuf,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (host, run) = (root.path().join("volume"), root.path().join("run"));
        fs::create_dir(&host).unwrap();
        fs::create_dir(&run).unwrap();
        Self { root, host, run }
    }

    fn try_open(&self) -> Result<Volume, Error> {
        Volume::open(&self.host, Path::new("/config"))
    }

    fn open(&self) -> Volume {
        self.try_open().unwrap()
    }

    fn staged(&self) -> Volume {
        let volume = self.open();
        volume.stage(&self.run, &staging()).unwrap();
        volume
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.host.join(name), bytes).unwrap();
    }

    /// Metadata that points to `image`, a path below the volume, with further lines.
    fn point_to(&self, image: &str, more: &str) {
        self.write("out.yaml", format!("bootImagePath: {}\n{more}", self.host.join(image).display()));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.host.join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.host.join(name)).is_ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.host).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn staging() -> Staging {
    Staging {
        inputs: vec![Input {
            name: "user-data".into(),
            bytes: b"#cloud-config\npassword: hunter2\n".to_vec(),
        }],
        outputs: OutputNames { metadata: "out.yaml".into(), image: None },
        inputs_after: InputsAfter::Remove,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, kind: ErrorKind, part: &str) {
    let Err(error) = result else { panic!("accepted, not refused with {part:?}") };
    assert_eq!(error.kind(), kind, "{error}");
    let text = format!("{error} [{}]", error.hint_text().unwrap_or_default());
    assert!(text.contains(part), "{text:?} does not speak of {part:?}");
}

#[track_caller]
fn unusable(host: &Path, part: &str) {
    for result in [Volume::open(host, Path::new("/config")).map(drop), Volume::check(host)] {
        assert!(result.as_ref().is_err_and(|error| error.hint_text().is_some()), "no hint");
        refused(result, ErrorKind::Usage, part);
    }
}

#[test]
fn a_whole_run_leaves_its_outputs_alone_and_private() {
    let site = Site::new();
    let volume = site.staged();
    assert_eq!(mode(&site.host.join("user-data")), 0o600);
    site.write("site.iso", "image");
    site.point_to("site.iso", "architecture: amd64\n");
    let outputs = volume.outputs(&site.run).unwrap();
    let expected = Outputs { image: site.host.join("site.iso"), metadata: site.host.join("out.yaml") };
    assert_eq!(outputs, expected);
    volume.commit(&site.run).unwrap();
    assert_eq!(site.names(), ["out.yaml", "site.iso"]);
    assert_eq!((mode(&outputs.image), mode(&outputs.metadata)), (0o600, 0o600));
    recover(&site.run).unwrap();
    assert_eq!(site.names(), ["out.yaml", "site.iso"]);
}

#[test]
fn a_volume_that_cannot_be_used_is_refused_with_a_hint() {
    let site = Site::new();
    unusable(Path::new("relative/path"), "relative");
    unusable(&site.root.path().join("missing"), "mkdir -p");
    site.write("file", "");
    unusable(&site.host.join("file"), "not a directory");
    assert!(!site.root.path().join("missing").exists(), "it was created");
}

#[test]
fn a_volume_that_is_not_writable_is_refused() {
    let site = Site::new();
    fs::set_permissions(site.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&site.host, fs::Permissions::from_mode(0o555)).unwrap();
    let host = site.host.clone();
    let tried = std::thread::spawn(move || {
        // root is refused nothing; the file system id is the thread's own, and a user keeps theirs
        setfsuid(Uid::from_raw(65534));
        unusable(&host, "not writable");
    });
    tried.join().unwrap();
}

#[test]
fn a_volume_on_a_read_only_file_system_is_refused() {
    const INSIDE: &str = "AIRSHIPCTL_TEST_READ_ONLY";
    if let Ok(host) = std::env::var(INSIDE) {
        let flags = nix::mount::MsFlags::MS_RDONLY;
        nix::mount::mount(Some("none"), host.as_str(), Some("tmpfs"), flags, None::<&str>).unwrap();
        return unusable(Path::new(&host), "read-only");
    }
    let site = Site::new();
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_volume_on_a_read_only_file_system_is_refused"])
        .env(INSIDE, &site.host)
        .status();
    assert!(status.unwrap().success(), "in a mount namespace of its own");
}

#[test]
fn a_dry_run_leaves_no_trace_and_needs_no_lock() {
    let site = Site::new();
    let _held = site.open();
    let before = fs::metadata(&site.host).unwrap();
    Volume::check(&site.host).unwrap();
    let after = fs::metadata(&site.host).unwrap();
    assert_eq!((before.mtime_nsec(), before.ctime_nsec()), (after.mtime_nsec(), after.ctime_nsec()));
}

#[test]
fn a_volume_is_busy_as_long_as_anyone_has_its_lock() {
    let site = Site::new();
    let volume = site.open();
    refused(site.try_open(), ErrorKind::Usage, "busy");
    let helpers = volume.lock().try_clone_to_owned().unwrap();
    drop(volume);
    refused(site.try_open(), ErrorKind::Usage, "wait until");
    drop(helpers);
    site.open();
}

#[test]
fn older_outputs_come_back_when_the_run_fails() {
    let site = Site::new();
    fs::create_dir(site.host.join("images")).unwrap();
    site.write("images/a.iso", "older");
    site.write("fixed.iso", "older fixed");
    site.point_to("images/a.iso", "");
    let older = site.read("out.yaml");
    let volume = site.open();
    let mut staging = staging();
    staging.outputs.image = Some("fixed.iso".into());
    volume.stage(&site.run, &staging).unwrap();
    assert!(!site.has("images/a.iso") && !site.has("fixed.iso") && !site.has("out.yaml"));
    site.write("fixed.iso", "half");
    site.write("images/a.iso", "half");
    site.write("out.yaml", "boot");
    for _ in 0..2 {
        remove_inputs(&site.run).unwrap();
        assert!(!site.has("user-data"));
    }
    for _ in 0..2 {
        recover(&site.run).unwrap();
        assert_eq!(site.names(), ["fixed.iso", "images", "out.yaml"]);
        assert_eq!(site.read("images/a.iso"), "older");
        assert_eq!(site.read("fixed.iso"), "older fixed");
        assert_eq!(site.read("out.yaml"), older);
    }
}

#[test]
fn two_that_recover_the_same_run_at_once_and_a_third_that_opens_do_no_harm() {
    for _ in 0..30 {
        let site = Site::new();
        site.write("a.iso", "older");
        site.point_to("a.iso", "");
        drop(site.staged());
        site.write("a.iso", "half");
        site.point_to("a.iso", "half: true\n");
        std::thread::scope(|scope| {
            let recovering = || recover(&site.run).unwrap();
            scope.spawn(recovering);
            scope.spawn(recovering);
            scope.spawn(|| drop(site.open()));
        });
        assert_eq!(site.names(), ["a.iso", "out.yaml"]);
        assert_eq!((site.read("a.iso").as_str(), site.read("out.yaml").contains("half")), ("older", false));
    }
}

#[test]
fn half_outputs_of_a_failed_first_run_go() {
    let site = Site::new();
    let _volume = site.staged();
    site.write("new.iso", "half");
    site.point_to("new.iso", "");
    recover(&site.run).unwrap();
    assert_eq!(site.names(), [""; 0]);
}

#[test]
fn what_is_beside_an_image_goes_and_comes_back_with_it() {
    let site = Site::new();
    for name in ["site.iso", "site.iso.files", "site.iso.spdx.json", "other.iso.files"] {
        site.write(name, "older");
    }
    site.point_to("site.iso", "");
    let volume = site.staged();
    assert!(site.has("other.iso.files") && !site.has("site.iso.files") && !site.has("site.iso.spdx.json"));
    for name in ["new.iso", "new.iso.files", "new.iso.spdx.json", "site.iso.files"] {
        site.write(name, "new");
    }
    site.point_to("new.iso", "");
    recover(&site.run).unwrap();
    drop(volume);
    assert_eq!(
        site.names(),
        ["other.iso.files", "out.yaml", "site.iso", "site.iso.files", "site.iso.spdx.json"]
    );
    assert_eq!(site.read("site.iso.files"), "older");
}

#[test]
fn what_a_killed_builder_left_under_a_temporary_name_goes_too() {
    let site = Site::new();
    for name in ["download.iso.part", ".mine.iso.new"] {
        site.write(name, "the user's own");
    }
    let _volume = site.staged();
    for name in [".ephemeral.iso.new", ".out.yaml.new", "x.img.tmp", "other.iso", "notes"] {
        site.write(name, "new");
    }
    recover(&site.run).unwrap();
    assert_eq!(site.names(), [".mine.iso.new", "download.iso.part", "notes", "other.iso"]);
}

#[test]
fn metadata_that_points_to_a_kept_input_does_not_take_it_away() {
    let site = Site::new();
    let volume = site.open();
    volume.stage(&site.run, &Staging { inputs_after: InputsAfter::Keep, ..staging() }).unwrap();
    site.point_to("user-data", "");
    recover(&site.run).unwrap();
    assert_eq!(site.names(), ["user-data"]);
}

#[test]
fn a_failed_run_takes_nothing_of_the_users_with_it() {
    let site = Site::new();
    site.write("mine.iso", "mine");
    let _volume = site.staged();
    site.point_to("mine.iso", "");
    recover(&site.run).unwrap();
    assert_eq!(site.names(), ["mine.iso"]);
}

#[test]
fn kept_inputs_stay_however_the_run_ends() {
    for good in [true, false] {
        let site = Site::new();
        let volume = site.open();
        volume.stage(&site.run, &Staging { inputs_after: InputsAfter::Keep, ..staging() }).unwrap();
        remove_inputs(&site.run).unwrap();
        match good {
            true => volume.commit(&site.run).unwrap(),
            false => recover(&site.run).unwrap(),
        }
        assert_eq!(site.names(), ["user-data"]);
    }
}

#[test]
fn an_old_recovery_leaves_the_outputs_of_a_later_run_alone() {
    let site = Site::new();
    site.point_to("a.iso", "");
    drop(site.staged());
    let run = site.root.path().join("second");
    fs::create_dir(&run).unwrap();
    let volume = site.open();
    volume.stage(&run, &staging()).unwrap();
    site.write("a.iso", "second");
    site.point_to("a.iso", "run: 2\n");
    recover(&site.run).unwrap();
    remove_inputs(&site.run).unwrap();
    assert!(site.has("user-data"), "the inputs of the second run");
    volume.outputs(&run).unwrap();
    volume.commit(&run).unwrap();
    recover(&site.run).unwrap();
    assert_eq!(site.names(), ["a.iso", "out.yaml"]);
    assert!(site.read("out.yaml").contains("run: 2"));
}

#[test]
fn a_volume_that_vanished_or_was_replaced_is_reported_and_left_alone() {
    let site = Site::new();
    let moved = site.root.path().join("moved");
    drop(site.staged());
    fs::rename(&site.host, &moved).unwrap();
    refused(recover(&site.run), ErrorKind::Usage, "No such file");
    fs::create_dir(&site.host).unwrap();
    site.write("user-data", "of someone else");
    refused(recover(&site.run), ErrorKind::Usage, "taken its place");
    refused(remove_inputs(&site.run), ErrorKind::Usage, "taken its place");
    assert_eq!(site.names(), ["user-data"]);
    fs::remove_dir_all(&site.host).unwrap();
    fs::rename(&moved, &site.host).unwrap();
    recover(&site.run).unwrap();
    assert_eq!(site.names(), [""; 0]);
}

#[test]
fn every_step_of_a_recovery_is_tried_and_each_failure_told() {
    let site = Site::new();
    site.point_to("a.iso", "");
    site.write("a.iso", "older");
    let volume = site.open();
    let mut staging = staging();
    staging.inputs.push(Input { name: "zz-last".into(), bytes: b"secret".to_vec() });
    volume.stage(&site.run, &staging).unwrap();
    fs::remove_file(site.host.join("user-data")).unwrap();
    fs::create_dir(site.host.join("user-data")).unwrap();
    fs::create_dir(site.host.join("a.iso")).unwrap();
    let error = recover(&site.run).unwrap_err();
    assert_eq!(error.fault_list().len(), 2, "{error}");
    assert!(!site.has("zz-last") && site.has("out.yaml"), "{:?}", site.names());
    fs::remove_dir(site.host.join("user-data")).unwrap();
    fs::remove_dir(site.host.join("a.iso")).unwrap();
    recover(&site.run).unwrap();
    assert_eq!(site.names(), ["a.iso", "out.yaml"]);
    assert_eq!(site.read("a.iso"), "older");
}

#[test]
fn names_that_are_not_plain_or_taken_by_directories_are_refused_before_anything_is_written() {
    let site = Site::new();
    fs::create_dir_all(site.host.join("user-data/mine")).unwrap();
    site.write("out.yaml", "bootImagePath: 7\n");
    let volume = site.open();
    refused(volume.stage(&site.run, &staging()), ErrorKind::Usage, "user-data is a directory");
    for name in ["../x", "a/b", "", ".", "..", "/etc/passwd", ".airshipctl-0123456789abcdef", "out.yaml"] {
        let mut staging = staging();
        staging.inputs[0].name = name.into();
        refused(volume.stage(&site.run, &staging), ErrorKind::Usage, "name");
    }
    assert_eq!(site.names(), ["out.yaml", "user-data"]);
    assert_eq!(fs::read_dir(&site.run).unwrap().count(), 0);
}

#[test]
fn inputs_replace_links_instead_of_writing_through_them() {
    let site = Site::new();
    let outside = site.root.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    symlink(&outside, site.host.join("user-data")).unwrap();
    let _volume = site.staged();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    assert!(site.read("user-data").contains("hunter2"));
}

#[test]
fn secrets_are_neither_in_the_journal_nor_in_debug_output() {
    let site = Site::new();
    let _volume = site.staged();
    let journal = fs::read_to_string(site.run.join("volume.json")).unwrap();
    assert!(journal.contains("user-data") && !journal.contains("hunter2"));
    let debug = format!("{:?}", staging());
    let bytes = format!("{:?}", b"hunter2".to_vec());
    assert!(!debug.contains("hunter2") && !debug.contains(bytes.trim_matches(['[', ']'])), "{debug}");
}

#[test]
fn a_damaged_journal_is_reported() {
    let site = Site::new();
    let _volume = site.staged();
    for text in ["{", "{}", "null"] {
        fs::write(site.run.join("volume.json"), text).unwrap();
        refused(recover(&site.run), ErrorKind::Internal, "journal");
    }
}

#[test]
fn a_journal_whose_names_reach_out_of_the_volume_is_refused() {
    let site = Site::new();
    let _volume = site.staged();
    let path = site.run.join("volume.json");
    let journal = fs::read_to_string(&path).unwrap();
    fs::write(&path, journal.replace("\"user-data\"", "\"../run/volume.json\"")).unwrap();
    refused(recover(&site.run), ErrorKind::Internal, "not a journal");
}

/// What the builder leaves, and a part of the error.
type Bad = (fn(&Site), &'static str);

const BAD_METADATA: &[Bad] = &[
    (|_| (), "was not written by the builder"),
    (|site| site.write("out.yaml", ""), "is empty"),
    (|site| site.write("out.yaml", "# only this\n"), "parsing metadata"),
    (|site| site.write("out.yaml", "- a\n- b\n"), "parsing metadata"),
    (|site| site.write("out.yaml", "just text\n"), "parsing metadata"),
    (|site| site.write("out.yaml", "a: [\n"), "parsing metadata"),
    (|site| site.write("out.yaml", "md5sum: x\n"), "bootImagePath"),
    (|site| site.write("out.yaml", "bootImagePath: [a]\n"), "parsing metadata"),
    (|site| site.write("out.yaml", "bootImagePath: null\n"), "parsing metadata"),
    (|site| site.write("out.yaml", [0xff, 0xfe, 0x00]), "parsing metadata"),
    (|site| site.write("out.yaml", bomb()), "parsing metadata"),
    (|site| site.write("out.yaml", vec![b'#'; (1 << 20) + 1]), "larger than 1 MiB"),
    (|site| fs::create_dir(site.host.join("out.yaml")).unwrap(), "not a regular file"),
    (|site| symlink("/etc/hostname", site.host.join("out.yaml")).unwrap(), "not a regular file"),
    (|site| mkfifo(&site.host.join("out.yaml")), "not a regular file"),
];

const BAD_IMAGE: &[Bad] = &[
    (|site| site.write("out.yaml", "bootImagePath: site.iso\n"), "not an absolute path"),
    (|site| site.write("out.yaml", "bootImagePath: ''\n"), "not an absolute path"),
    (|site| site.write("out.yaml", "bootImagePath: /config/site.iso\n"), "path inside the container"),
    (|site| site.write("out.yaml", "bootImagePath: /etc/passwd\n"), "lies outside"),
    (|site| site.write("out.yaml", "bootImagePath: \"/a\\0b\"\n"), "lies outside"),
    (|site| site.point_to("../run/volume.json", ""), "lies outside"),
    (|site| site.point_to("", ""), "lies outside"),
    (|site| site.point_to("missing.iso", ""), "not there"),
    (|site| image(site, "l.iso", |path| symlink("/etc/passwd", path).unwrap()), "not a regular file"),
    (|site| image(site, "d.iso", |path| fs::create_dir(path).unwrap()), "not a regular file"),
    (|site| image(site, "p.iso", mkfifo), "not a regular file"),
    (|site| image(site, "e.iso", |path| fs::write(path, "").unwrap()), "is empty"),
    (|site| symlink_directory(site), "symbolic link"),
    (|site| site.point_to("stale.iso", ""), "not written by this run"),
    (|site| site.point_to("sub/stale.iso", ""), "not written by this run"),
    (|site| site.point_to("out.yaml", ""), "is no image"),
    (|site| site.point_to("user-data", ""), "is no image"),
    (|site| site.point_to("new.iso", "md5sum: 00000000000000000000000000000000\n"), "the metadata says"),
    (|site| site.point_to("new.iso", "md5sum: abc\n"), "32 hexadecimal digits"),
    (|site| site.point_to("new.iso", "sha256sum: ''\n"), "64 hexadecimal digits"),
];

fn mkfifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
}

fn image(site: &Site, name: &str, make: fn(&Path)) {
    make(&site.host.join(name));
    site.point_to(name, "");
}

fn symlink_directory(site: &Site) {
    symlink("/etc", site.host.join("etc")).unwrap();
    site.point_to("etc/passwd", "");
}

/// A few lines of YAML that would be gigabytes.
fn bomb() -> String {
    let line = |n: u8| {
        let alias = format!("*{}, ", char::from(n - 1)).repeat(9);
        format!("{0}: &{0} [{alias}]\n", char::from(n))
    };
    std::iter::once("a: &a [x]\n".to_owned()).chain((b'b'..=b'k').map(line)).collect()
}

#[test]
fn outputs_that_are_missing_or_wrong_are_refused_and_what_was_there_stays() {
    for (build, part) in BAD_METADATA.iter().chain(BAD_IMAGE) {
        let site = Site::new();
        fs::create_dir(site.host.join("sub")).unwrap();
        site.write("stale.iso", "older");
        site.write("sub/stale.iso", "older");
        // more than the coarsest tick of the clock that stamps files
        std::thread::sleep(Duration::from_millis(15));
        let volume = site.staged();
        site.write("new.iso", "abc");
        build(&site);
        refused(volume.outputs(&site.run), ErrorKind::Output, part);
        assert_eq!((site.read("stale.iso"), site.read("sub/stale.iso")), ("older".into(), "older".into()));
    }
}

#[test]
fn outputs_that_were_only_set_aside_do_not_satisfy_the_run() {
    let site = Site::new();
    site.write("site.iso", "older");
    site.point_to("site.iso", "");
    let volume = site.staged();
    let aside = site.names().into_iter().find(|name| name.starts_with(".airshipctl-")).unwrap();
    site.point_to(&format!("{aside}/1"), "");
    refused(volume.outputs(&site.run), ErrorKind::Output, "lies outside");
}

#[test]
fn an_image_rewritten_in_place_is_of_this_run() {
    let site = Site::new();
    site.write("site.iso", "older");
    std::thread::sleep(Duration::from_millis(15));
    let volume = site.staged();
    site.write("site.iso", "newer");
    site.point_to("site.iso", "");
    volume.outputs(&site.run).unwrap();
}

#[test]
fn an_image_in_a_directory_of_the_volume_is_found() {
    let site = Site::new();
    let volume = site.staged();
    fs::create_dir(site.host.join("images")).unwrap();
    site.write("images/a.iso", "new");
    site.point_to("images/a.iso", "");
    assert_eq!(volume.outputs(&site.run).unwrap().image, site.host.join("images/a.iso"));
}

#[test]
fn outputs_of_another_user_are_refused() {
    if !geteuid().is_root() {
        // past the harness, which keeps what passing tests print; scripts/test.sh counts these lines
        use std::io::Write;
        let why = "only as root: outputs_of_another_user_are_refused: a user makes no files of others";
        return writeln!(std::io::stderr(), "{why}").unwrap();
    }
    for name in ["out.yaml", "n.iso"] {
        let site = Site::new();
        let volume = site.staged();
        site.write("n.iso", "abc");
        site.point_to("n.iso", "");
        std::os::unix::fs::chown(site.host.join(name), Some(1234), None).unwrap();
        refused(volume.outputs(&site.run), ErrorKind::Output, "belongs to user 1234");
    }
}

#[test]
fn checksums_hold_in_any_usual_spelling() {
    const MD5: &str = "900150983CD24FB0d6963f7d28e17f72";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let site = Site::new();
    let volume = site.staged();
    site.write("n.iso", "abc");
    site.point_to("n.iso", &format!("md5sum: {MD5}  n.iso\nsha256sum: \"{SHA256}\"\n"));
    volume.outputs(&site.run).unwrap();
    site.point_to("n.iso", "md5sum: null\n");
    volume.outputs(&site.run).unwrap();
}

#[test]
fn a_checksum_of_digits_only_is_still_text() {
    let site = Site::new();
    let volume = site.staged();
    site.write("n.iso", "abc");
    for digits in ["00000000000000000000000000000012", "123456789012345678901234567890e1"] {
        site.point_to("n.iso", &format!("md5sum: {digits}\n"));
        refused(volume.outputs(&site.run), ErrorKind::Output, digits);
    }
}

#[test]
fn a_volume_reached_through_a_link_may_be_named_either_way() {
    let site = Site::new();
    let link = site.root.path().join("link");
    symlink(&site.host, &link).unwrap();
    let volume = Volume::open(&link, Path::new("/config")).unwrap();
    volume.stage(&site.run, &staging()).unwrap();
    site.write("n.iso", "abc");
    for host in [&link, &site.host] {
        site.write("out.yaml", format!("bootImagePath: {}//./n.iso\n", host.display()));
        assert_eq!(volume.outputs(&site.run).unwrap().image, link.join("n.iso"));
    }
}
