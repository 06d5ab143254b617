//! Where no seccomp filter can be loaded: a single id does without the profile, and nobody else.

use nix::libc::{ENOSYS, EPERM};
use serde_json::Value;

use super::common::compiled::without_filters;
use super::common::site::{BUILD, IMAGE, Site, stdout};
use super::{bad, good, is_root};

const WITHOUT: &str = "the builder runs without the seccomp profile";
const STATUS: &str = "cat /proc/self/status\n";

#[test]
fn a_single_id_runs_without_the_profile_and_one_warning_says_so() {
    let site = Site::with_builder(&format!("{STATUS}{BUILD}"));
    for (errno, says) in [(ENOSYS, "Function not implemented"), (EPERM, "Operation not permitted")] {
        for arguments in [&[][..], &["--rootless", "single"]] {
            let told = good(&site, &site.below(without_filters(&site, errno), arguments).output().unwrap());
            assert!(told.contains("Containers run in a user namespace with a single id\n"), "{told}");
            let warnings: Vec<_> = told.lines().filter(|line| line.contains(WITHOUT)).collect();
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{told}");
            // capabilities are given up all the same
            let field = |name: &str| {
                told.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            let bounding = field("CapBnd:").unwrap();
            assert!(["00000000a80425fb", "00000000a00425fb"].contains(&&*bounding), "{told}");
            assert_eq!(field("Seccomp_filters:").unwrap_or_else(|| "1".into()), "1", "ours is not there");
        }
    }
    let told = good(&site, &site.run(&["--rootless", "single"]));
    assert!(!told.contains(WITHOUT), "{told}");
}

#[test]
fn what_holds_more_than_a_single_id_does_not_run_without() {
    let site = Site::with_builder(BUILD);
    let rungs: &[&str] = if is_root() { &["root", "emulate"] } else { &["emulate"] };
    for rung in rungs {
        let output = site.below(without_filters(&site, ENOSYS), &["--rootless", rung]).output().unwrap();
        bad(
            &output,
            5,
            &["loading a seccomp filter: Function not implemented", "hint: a filter around this program"],
        );
        assert!(site.names().is_empty(), "{:?}", site.names());
        site.assert_clean();
    }
}

#[test]
fn a_privileged_builder_with_a_single_id_has_no_profile_to_miss() {
    let site = Site::with_builder(BUILD);
    site.configure(IMAGE, "  privileged: true\n");
    let told = good(&site, &site.below(without_filters(&site, ENOSYS), &[]).output().unwrap());
    assert!(!told.contains(WITHOUT), "{told}");
}

#[test]
fn doctor_foretells_the_single_id() {
    let site = Site::with_builder(BUILD);
    let command = site.command(&["doctor", "--output", "json", "--conf", "isogen.yaml"]);
    let mut below = without_filters(&site, EPERM);
    below.arg(command.get_program()).args(command.get_args()).env_clear();
    below.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = below.current_dir(site.path("")).output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stdout(&output)));
    assert_eq!((&report["code"], &report["run"]["rung"]), (&0.into(), &"single".into()), "{report:#}");
    for rung in report["rungs"].as_array().unwrap() {
        assert_eq!(rung["holds"] == true, rung["rung"] == "single", "{report:#}");
        let step = |it: &&Value| it["name"] == "seccomp-filter";
        let status = rung["checks"].as_array().unwrap().iter().find(step).map(|it| &it["status"]);
        let expected = if rung["rung"] == "single" { "warn" } else { "fail" };
        assert!(status.is_none_or(|status| status == expected), "{report:#}");
    }
}
