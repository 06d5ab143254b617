//! From a machine with a registry to one without any network: a file, a pipe or a plain copy of the
//! cache carries all that a run needs.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::docker_registry::DockerRegistry;
use common::image::Built;
use common::site::{BUILD, Site, builder, iso, program, stderr, stdout};
use nix::unistd::geteuid;

/// Who works on the far machine where root runs the test: nobody that anything knows.
const USER: &str = "54321";

/// The machine with a network: what it has pulled from a registry that is gone by now.
struct Near {
    site: Site,
    image: Built,
    reference: String,
}

impl Near {
    fn new() -> Self {
        let (site, registry, image) = (Site::new(), DockerRegistry::start(), builder(BUILD).build());
        let reference = registry.push("team/builder", "1", &image);
        site.configure(&reference, "");
        // a run, so that unpacked images are in the way too
        site.succeed(&[]);
        // whose layers need not be there: they are the pull's
        let pulled = site.command(&["image", "pull", &reference]).output().unwrap();
        assert!(pulled.status.success(), "{}", stderr(&pulled));
        Self { site, image, reference }
    }

    fn save(&self) -> PathBuf {
        let file = self.site.path("builder.tar");
        let arguments = ["image", "save", &self.reference, file.to_str().unwrap()];
        let saved = self.site.command(&arguments).output().unwrap();
        assert!(saved.status.success(), "{}", stderr(&saved));
        file
    }
}

/// The machine without: a user with a site and the program, and no interface.
struct Far<'n> {
    site: Site,
    near: &'n Near,
}

impl<'n> Far<'n> {
    fn new(near: &'n Near) -> Self {
        let site = Site::new();
        site.configure(&near.reference, "");
        // where the user can reach it
        fs::copy(program(), site.path("airshipctl")).unwrap();
        let far = Self { site, near };
        far.settle();
        far
    }

    /// All that is there is the user's.
    fn settle(&self) {
        if geteuid().is_root() {
            let owner = format!("{USER}:{USER}");
            let status = Command::new("chown").arg("-R").arg(owner).arg(self.site.path("")).status().unwrap();
            assert!(status.success());
        }
    }

    /// A program below the namespace and the user: root becomes one, a user stays who he is.
    fn wrapped(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        match geteuid().is_root() {
            true => command.args(["--net", "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]),
            false => command.args(["--map-current-user", "--net"]),
        };
        let own = self.site.command(&[]);
        command.arg(program).args(arguments).env_clear();
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).current_dir(self.site.path(""));
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.wrapped(self.site.path("airshipctl").to_str().unwrap(), arguments)
    }

    fn good(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        output
    }

    /// The machine has no network, the image is whole and the registry's own, and the ISO is made.
    fn makes_the_iso(&self) {
        let interfaces = self.wrapped("cat", &["/proc/net/dev"]).output().unwrap();
        let interfaces = stdout(&interfaces);
        let names: Vec<&str> =
            interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
        assert_eq!(names, ["lo"], "{interfaces}");
        let run = ["bootstrap", "isogen", "--conf", "isogen.yaml", "site.yaml"];
        let asked = self.command(&run).args(["--pull", "always"]).output().unwrap();
        assert_eq!(asked.status.code(), Some(4), "a registry was reached: {}", stderr(&asked));
        self.good(&["image", "verify", "--deep"]);
        let listed = stdout(&self.good(&["image", "ls"]));
        assert!(listed.contains(&self.near.reference), "{listed}");
        assert!(listed.contains(&self.near.image.manifest.digest), "{listed}");
        let output = self.good(&run);
        let path = self.site.volume().join("out.iso");
        assert_eq!(stdout(&output), format!("{}\n", path.display()));
        assert_eq!(fs::read(&path).unwrap(), iso());
        let found = fs::metadata(&path).unwrap();
        let user = if geteuid().is_root() { USER.parse().unwrap() } else { geteuid().as_raw() };
        assert_eq!((found.uid(), found.permissions().mode() & 0o777), (user, 0o600));
        self.site.assert_clean();
    }
}

#[test]
fn one_file_carries_all_that_a_run_needs() {
    let near = Near::new();
    let far = Far::new(&near);
    let carried = far.site.path("carried.tar");
    fs::copy(near.save(), &carried).unwrap();
    far.settle();
    far.good(&["image", "load", carried.to_str().unwrap()]);
    // it is loaded: the medium may go
    fs::remove_file(carried).unwrap();
    far.makes_the_iso();
}

#[test]
fn the_file_may_come_through_a_pipe() {
    let near = Near::new();
    let far = Far::new(&near);
    let archive = fs::read(near.save()).unwrap();
    let mut command = far.command(&["image", "load", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    far.makes_the_iso();
}

#[test]
fn saving_into_a_pipe_and_loading_from_it_needs_no_file() {
    let near = Near::new();
    let far = Far::new(&near);
    let mut save = near.site.command(&["image", "save", &near.reference, "-"]);
    let mut save = save.stdout(Stdio::piped()).spawn().unwrap();
    let mut load = far.command(&["image", "load", "-"]);
    let output = load.stdin(save.stdout.take().unwrap()).output().unwrap();
    assert!(save.wait().unwrap().success() && output.status.success(), "{}", stderr(&output));
    far.makes_the_iso();
}

#[test]
fn the_directory_of_the_cache_may_simply_be_copied() {
    let near = Near::new();
    let far = Far::new(&near);
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(near.site.path("cache")).arg(far.site.path("cache"));
    assert!(copy.status().unwrap().success());
    far.settle();
    far.makes_the_iso();
}

#[test]
fn a_file_cut_short_on_the_way_is_refused_and_leaves_nothing() {
    let near = Near::new();
    let far = Far::new(&near);
    let archive = fs::read(near.save()).unwrap();
    let carried = far.site.path("carried.tar");
    fs::write(&carried, &archive[..archive.len() / 2]).unwrap();
    far.settle();
    let output = far.command(&["image", "load", carried.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("carried.tar"), "{}", stderr(&output));
    assert_eq!(stdout(&far.good(&["image", "ls"])), "");
}
