//! The ladder: which rung a run takes on hosts of many kinds, prepared in namespaces of their own, and
//! what it says where it cannot. The builder is a small one, the program the real one.

mod common;
#[path = "ladder/nested.rs"]
mod nested;
#[path = "ladder/unfiltered.rs"]
mod unfiltered;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use common::site::{BUILD, IMAGE, Site, builder, program, stderr};

/// Says what a builder sees of its rung.
const LOOK: &str = "cat /proc/self/uid_map; env\n";
/// A user of whom nobody has heard.
const STRANGER: u32 = 12_345;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn only_as_root(name: &str, why: &str) -> bool {
    if !is_root() {
        not_here(name, why);
    }
    is_root()
}

/// Past the harness, which keeps what passing tests print; scripts/test.sh counts these lines.
fn not_here(name: &str, why: &str) {
    let mut past = std::io::stderr();
    writeln!(past, "only as root: {name}: {why}").unwrap();
}

fn has_subordinate_ids() -> bool {
    let name = Command::new("id").arg("-un").output().unwrap().stdout;
    let name = String::from_utf8(name).unwrap();
    let table = fs::read_to_string("/etc/subuid").unwrap_or_default();
    table.lines().any(|line| line.starts_with(&format!("{}:", name.trim())))
}

/// A run below a shell script that ends with `exec "$@"`, in the namespaces that `unshare` makes.
fn in_state(site: &Site, unshare: &[&str], script: &str, arguments: &[&str]) -> Output {
    let mut wrapper = Command::new("unshare");
    wrapper.args(unshare).args(["sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"]);
    site.below(wrapper, arguments).output().unwrap()
}

/// Mounts of its own: as root with all rights, for others as root of a user namespace.
fn mounts() -> &'static [&'static str] {
    if is_root() { &["-m"] } else { &["-rm"] }
}

fn good(site: &Site, output: &Output) -> String {
    let said = stderr(output);
    assert!(output.status.success(), "{said}");
    site.assert_clean();
    assert_eq!(site.names(), ["out.iso", "output-metadata.yaml"]);
    let log = site.log();
    fs::remove_dir_all(site.path("state/logs")).unwrap();
    format!("{said}{log}")
}

fn bad(output: &Output, code: i32, says: &[&str]) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    says.iter().for_each(|text| assert!(said.contains(text), "{text:?} is not in: {said}"));
    said
}

/// Makes a site somebody else's, with the program in it, and starts the program as that user.
fn as_stranger(site: &Site) -> Vec<String> {
    let own = site.path("airshipctl");
    if fs::hard_link(program(), &own).is_err() {
        fs::copy(program(), &own).unwrap();
    }
    give(&site.path("."));
    let id = STRANGER.to_string();
    let [reuid, regid] = ["--reuid", "--regid"].map(|option| format!("{option}={id}"));
    ["setpriv", &reuid, &regid, "--clear-groups", "--inh-caps=-all"].map(str::to_owned).into()
}

fn give(path: &Path) {
    let found = fs::symlink_metadata(path).unwrap();
    if std::os::unix::fs::MetadataExt::nlink(&found) > 1 && found.is_file() {
        return;
    }
    std::os::unix::fs::lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    if found.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// The run of a stranger, in a state that root has prepared.
fn strange_run(site: &Site, script: &str, arguments: &[&str]) -> Output {
    let setpriv = as_stranger(site).join(" ");
    let script = format!("{script}\nshift; set -- {setpriv} {}/airshipctl \"$@\"", site.path("").display());
    in_state(site, &["-m"], &script, arguments)
}

// ---- which rung

#[test]
fn a_forced_rung_is_taken_and_named() {
    let site = Site::with_builder(&format!("{LOOK}{BUILD}"));
    let id = nix::unistd::geteuid().as_raw();
    let single = format!("0 {id} 1");
    let mut rungs =
        vec![("emulate", "a single id and root emulation", &*single), ("single", "a single id", &*single)];
    if is_root() {
        rungs.push(("root", "as root", "0 0 4294967295"));
    } else if has_subordinate_ids() {
        rungs.push(("subid", "65536 subordinate ids", &*single));
    }
    for (rung, named, map) in rungs {
        let told = good(&site, &site.run(&["--rootless", rung]));
        assert!(
            told.contains(&format!(
                "Containers run {}",
                if rung == "root" { "as root" } else { "in a user namespace with" }
            )),
            "{told}"
        );
        assert!(told.contains(named), "{told}");
        let maps: Vec<String> =
            told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(
            maps.iter().any(|line| line == map) || nix::unistd::geteuid().is_root() && rung == "root",
            "{told}"
        );
        site.assert_outputs();
    }
}

#[test]
fn a_builder_is_told_what_its_rung_cannot_do() {
    let site = Site::with_builder(&format!("{LOOK}test -z \"$APT_CONFIG\" || cat $APT_CONFIG\n{BUILD}"));
    let emulated = good(&site, &site.run(&["--rootless", "emulate"]));
    for line in [
        "ISOGEN_ROOT_EMULATION=1",
        "container=lxc",
        "APT_CONFIG=/run/airshipctl/apt.conf",
        "APT::Sandbox::User \"root\";",
    ] {
        assert!(emulated.contains(line), "{line}: {emulated}");
    }
    assert!(emulated.contains("warning: owners of files are not real"), "{emulated}");
    let single = good(&site, &site.run(&["--rootless", "single"]));
    assert!(
        single.contains("container=lxc") && !single.contains("APT") && !single.contains("EMULATION"),
        "{single}"
    );
    assert!(!single.contains("owners of files are not real"), "{single}");
    if is_root() {
        let root = good(&site, &site.run(&[]));
        assert!(
            !root.contains("container=") && !root.contains("APT") && !root.contains("EMULATION"),
            "{root}"
        );
    }
}

#[test]
fn an_image_keeps_its_own_variables() {
    let config = serde_json::json!({"Cmd": ["/bin/builder"], "Env": ["container=mine", "APT_CONFIG=/mine"]});
    let image = builder(&format!("{LOOK}ls /run 2>&1 || true\n{BUILD}")).config(config);
    let site = Site::with_image(&image.build());
    let told = good(&site, &site.run(&["--rootless", "emulate"]));
    assert!(told.contains("container=mine") && told.contains("APT_CONFIG=/mine"), "{told}");
    assert!(!told.contains("airshipctl\n"), "no file that nobody reads: {told}");
}

#[test]
fn a_rung_is_unpacked_for_ahead_of_its_run() {
    let site = Site::with_builder(BUILD);
    let pull = |rung: &str| {
        let arguments = ["image", "pull", "--unpack", "--pull", "never", "--rootless", rung, IMAGE];
        site.command(&arguments).output().unwrap()
    };
    let output = pull("single");
    assert!(output.status.success(), "{}", stderr(&output));
    let names: Vec<_> =
        fs::read_dir(site.path("cache/rootfs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().contains("single")), "{names:?}");
    bad(&pull("best"), 2, &["best"]);
    let output = site.command(&["image", "pull", "--rootless", "single", IMAGE]).output().unwrap();
    bad(&output, 2, &["--unpack"]);
}

// ---- a rung that cannot be taken

#[test]
fn root_is_for_root() {
    let site = Site::with_builder(BUILD);
    let output = match is_root() {
        true => strange_run(&site, "", &["--rootless", "root"]),
        false => site.run(&["--rootless", "root"]),
    };
    bad(&output, 2, &["--rootless root is for root", "hint: become root"]);
    bad(&site.run(&["--rootless", "sudo"]), 2, &["auto, root, subid, emulate or single"]);
}

#[test]
fn missing_subordinate_ids_are_named_with_their_file() {
    if !only_as_root("missing_subordinate_ids_are_named_with_their_file", "only root prepares /etc/subuid") {
        return;
    }
    let site = Site::with_builder(BUILD);
    let with = |uids: &str, gids: &str| {
        let script = format!(
            "printf '{uids}' > {0}/subuid; printf '{gids}' > {0}/subgid; mount --bind {0}/subuid /etc/subuid; \
             mount --bind {0}/subgid /etc/subgid",
            site.path("").display()
        );
        let output = strange_run(&site, &script, &["--rootless", "subid"]);
        fs::remove_file(site.path("airshipctl")).unwrap();
        output
    };
    let line = "12345:3000000:65536\\n";
    bad(
        &with("", ""),
        5,
        &["no subordinate ids for 12345 in /etc/subuid and /etc/subgid", "`12345:100000:65536`"],
    );
    let said = bad(&with(line, ""), 5, &["no subordinate ids for 12345 in /etc/subgid"]);
    assert!(!said.contains("/etc/subuid"), "{said}");
    let said = bad(&with("", line), 5, &["no subordinate ids for 12345 in /etc/subuid"]);
    assert!(!said.contains("/etc/subgid"), "{said}");
}

#[test]
fn a_missing_newuidmap_is_named_with_its_package() {
    let site = Site::with_builder(BUILD);
    let (run, line) = (site.path("bin"), "12345:3000000:65536\\n");
    fs::create_dir(&run).unwrap();
    let without = |arguments: &[&str]| -> Output {
        if is_root() {
            let script = format!(
                "printf '{line}' > {0}/sub; mount --bind {0}/sub /etc/subuid; mount --bind {0}/sub /etc/subgid",
                site.path("").display()
            );
            let script =
                format!("{script}; mount --bind /dev/null /usr/bin/newgidmap; PATH=/usr/sbin:/sbin:/bin");
            let script = format!(
                "{script}; rm -rf {0}; mkdir {0}; for p in setpriv unshare; do cp /usr/bin/$p {0}; done; PATH={0}:/usr/sbin",
                run.display()
            );
            let output = strange_run(&site, &script, arguments);
            fs::remove_file(site.path("airshipctl")).unwrap();
            return output;
        }
        site.isogen(arguments).env("PATH", &run).output().unwrap()
    };
    if !is_root() && !has_subordinate_ids() {
        return not_here("a_missing_newuidmap_is_named_with_its_package", "this user has no ids to map");
    }
    bad(
        &without(&["--rootless", "subid"]),
        5,
        &["newuidmap is not in PATH", "hint: ", "apt-get install uidmap"],
    );
    let said = stderr(&without(&[]));
    assert!(
        said.contains("newuidmap is not in PATH") && said.contains("going without subordinate ids"),
        "{said}"
    );
    assert!(said.contains("with a single id"), "{said}");
}

#[test]
fn a_host_without_user_namespaces_says_so_for_each_rung() {
    let site = Site::with_builder(BUILD);
    let limit = "echo 0 > /proc/sys/user/max_user_namespaces";
    let unshare: &[&str] = if is_root() { &["-U", "--map-root-user"] } else { &["-r"] };
    for rung in ["emulate", "single"] {
        let output = in_state(&site, unshare, limit, &["--rootless", rung]);
        bad(
            &output,
            5,
            &["running containers in a user namespace with a single id", "user.max_user_namespaces"],
        );
    }
}

#[test]
fn a_user_without_anything_has_a_container() {
    let site = Site::with_builder(&format!("{LOOK}{BUILD}"));
    if !only_as_root("a_user_without_anything_has_a_container", "that is what all the others show") {
        return;
    }
    let output = strange_run(&site, "", &[]);
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("a single id and root emulation"), "{said}");
    assert!(site.log().contains(&STRANGER.to_string()), "{}", site.log());
    assert_eq!(site.names(), ["out.iso", "output-metadata.yaml"]);
}

#[test]
fn root_of_a_user_namespace_with_one_id_is_no_root() {
    let site = Site::with_builder(BUILD);
    let told = good(&site, &in_state(&site, &["-r"], "", &[]));
    assert!(told.contains("maps 1 ids") && told.contains("trying with less"), "{told}");
    assert!(told.contains("Containers run in a user namespace with a single id"), "{told}");
    bad(&in_state(&site, &["-r"], "", &["--rootless", "root"]), 5, &["maps 1 ids"]);
}

// ---- the trial

/// A run in which a system call goes wrong as strace(1) says.
fn with_fault(site: &Site, inject: &str, arguments: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", inject]);
    site.below(strace, arguments).output().unwrap()
}

#[test]
fn all_that_a_run_needs_is_tried_before_anything_is_unpacked() {
    let site = Site::with_builder(BUILD);
    for (fault, says) in [
        ("inject=pivot_root:error=EINVAL", "the container's root the root"),
        ("inject=seccomp:error=EPERM", "forbids filters"),
        ("inject=mount:error=EACCES", "cutting mounts off"),
    ] {
        bad(&with_fault(&site, fault, &["--rootless", "emulate"]), 5, &[says]);
        assert!(!site.path("cache/rootfs").exists(), "{fault}");
    }
    if is_root() {
        let told = good(&site, &with_fault(&site, "inject=mknod,mknodat:error=EPERM", &[]));
        assert!(told.contains("running containers as root: making a device node: EPERM"), "{told}");
        assert!(
            told.contains("Containers run in a user namespace with a single id and root emulation"),
            "{told}"
        );
    }
}

#[test]
fn a_trial_that_is_killed_is_an_error_of_its_own() {
    let site = Site::with_builder(BUILD);
    let arguments: &[&str] = if is_root() { &[] } else { &["--rootless", "emulate"] };
    let said = bad(&with_fault(&site, "inject=pivot_root:signal=KILL", arguments), 1, &["killed by SIGKILL"]);
    assert!(!said.contains("trying with less") && said.contains("trying out running containers"), "{said}");
}

// ---- cgroups

const ABSENT: &str = "limits and device rules are absent";

#[test]
fn cgroups_of_every_kind_will_do() {
    let site = Site::with_builder(&format!("grep Cap /proc/self/status\n{BUILD}"));
    let read_only = "for dir in /sys/fs/cgroup/*/; do mount -o remount,bind,ro ${dir%/}; done";
    let version_2 = "mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup";
    let states = [
        ("mount -t tmpfs tmpfs /sys/fs/cgroup", true),
        ("mount -t tmpfs -o ro tmpfs /sys/fs/cgroup", true),
        (read_only, true),
        (version_2, false),
        (&*format!("{version_2}; mount -o remount,bind,ro /sys/fs/cgroup"), true),
        ("mount -t tmpfs -o ro tmpfs /sys", true),
        ("mount -t tmpfs tmpfs /sys", true),
    ];
    for (script, absent) in states {
        let told = good(&site, &in_state(&site, mounts(), script, &[]));
        assert_eq!(told.contains(ABSENT), absent && is_root(), "{script}: {told}");
        // without device rules nobody may make device nodes
        assert!(!(absent && is_root() && told.contains("00000000a80425fb")), "{script}: {told}");
        for rung in ["emulate", "single"] {
            good(&site, &in_state(&site, mounts(), script, &["--rootless", rung]));
        }
    }
}

#[test]
fn no_cgroup_is_left_and_the_hosts_are_out_of_reach() {
    let site = Site::with_builder(&format!(
        "if echo $$ > /sys/fs/cgroup/unified/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs; then echo joined; fi\n{BUILD}"
    ));
    let rungs: &[&str] = if is_root() { &["root", "emulate", "single"] } else { &["emulate", "single"] };
    let cgroups = || {
        let found =
            Command::new("find").args(["/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"]).output().unwrap();
        String::from_utf8(found.stdout).unwrap()
    };
    for rung in rungs {
        for network in ["none", "host"] {
            let output = site.run(&["--rootless", rung, "--network", network]);
            let log = fs::read_dir(site.path("state/logs")).unwrap().next().unwrap().unwrap().file_name();
            let id = log.to_str().unwrap().split('.').next().unwrap().to_owned();
            assert!(!cgroups().contains(&id), "{rung}, network {network}, run {id}");
            let told = good(&site, &output);
            assert!(!told.contains("joined"), "{rung}, network {network}: {told}");
        }
    }
}

// ---- /proc

/// Finds processes of others whose root or environment can be seen.
const PEEK: &str = "echo shell is $$
for it in /proc/[0-9]*; do
  if [ -e $it/root/bin/builder ]; then continue; fi
  if ls $it/root/ > /dev/null 2>&1 || [ -n \"$(head -c 1 $it/environ 2> /dev/null)\" ]; then echo leak $it; fi
done
head -c 6 /proc/self/maps > /dev/null
";

/// As Docker masks it.
const MASK: &str = "mount -t tmpfs tmpfs /proc/irq; mount --bind /dev/null /proc/keys; mount --bind /proc/sys /proc/sys; \
     mount -o remount,bind,ro /proc/sys";

#[test]
fn a_masked_proc_is_shown_instead_of_a_new_one() {
    let site = Site::with_builder(&format!("{PEEK}{BUILD}"));
    for privileged in ["", "  privileged: true\n"] {
        site.configure(IMAGE, privileged);
        for rung in ["emulate", "single"] {
            let told = good(&site, &in_user_namespace(&site, MASK, &["--rootless", rung]));
            assert!(told.contains("/proc is masked here") && !told.contains("leak"), "{told}");
            let pid = told.lines().find_map(|line| line.strip_prefix("shell is ")).unwrap();
            assert!(pid.parse::<u32>().unwrap() < 10, "a pid namespace of its own: {told}");
        }
    }
    if is_root() {
        let told = good(&site, &in_state(&site, &["-m"], MASK, &[]));
        assert!(
            told.contains("as root") && !told.contains("/proc is masked"),
            "root may mount a new one: {told}"
        );
    }
}

/// The locks that keep what is covered covered come with a user namespace.
fn in_user_namespace(site: &Site, script: &str, arguments: &[&str]) -> Output {
    in_state(site, &["-rm"], script, arguments)
}

#[test]
fn root_of_a_user_namespace_with_a_masked_proc_steps_down_to_one_of_its_own() {
    if !only_as_root(
        "root_of_a_user_namespace_with_a_masked_proc_steps_down_to_one_of_its_own",
        "it takes many ids",
    ) {
        return;
    }
    let site = Site::with_builder(&format!("{PEEK}{BUILD}"));
    let told = good(&site, &in_large_namespace(&site, MASK, &[]));
    assert!(told.contains("keeping the present one: without a user namespace of its own"), "{told}");
    assert!(told.contains("trying with less") && told.contains("/proc is masked here"), "{told}");
    assert!(!told.contains("leak"), "{told}");
    bad(
        &in_large_namespace(&site, MASK, &["--rootless", "root"]),
        5,
        &["mounting /proc", "systempaths=unconfined"],
    );
    let told = good(&site, &in_large_namespace(&site, "", &["--network", "host"]));
    assert!(told.contains("as root"), "{told}");
}

/// Root of a user namespace with many ids, which root writes from outside, where it has prepared the
/// mounts too.
fn in_large_namespace(site: &Site, script: &str, arguments: &[&str]) -> Output {
    let ready = site.path("ready");
    let _ = fs::remove_file(&ready);
    let ready = ready.display();
    let script = format!(
        "{script}\nunshare -Um sh -ec 'until [ -e {ready} ]; do sleep 0.1; done; exec \"$@\"' sh \"$@\" & pid=$!\n\
         until [ $(readlink /proc/$pid/ns/user) != $(readlink /proc/self/ns/user) ]; do sleep 0.1; done\n\
         for map in uid_map gid_map; do echo 0 0 100000 > /proc/$pid/$map; done\ntouch {ready}\n\
         wait $pid && exit 0 || exit $?"
    );
    in_state(site, &["-m"], &script, arguments)
}

#[test]
fn a_read_only_proc_is_named_where_it_stands_in_the_way() {
    let site = Site::with_builder(BUILD);
    let script = "mount --bind /proc /proc; mount -o remount,bind,ro /proc";
    if is_root() {
        good(&site, &in_state(&site, &["-m"], script, &[]));
    }
    let output = in_user_namespace(&site, script, &["--rootless", "single"]);
    bad(&output, 5, &["writing /proc/self/setgroups", "Read-only", "mount it writable"]);
}
