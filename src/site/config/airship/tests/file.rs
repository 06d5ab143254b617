//! Which file is read, its form, and the contexts in it.

use super::*;

#[test]
fn the_command_line_goes_before_the_variable_and_that_before_the_home_directory() {
    let home = Home::new();
    home.file("a", "currentContext: a\n").file("b", "currentContext: b\n");
    home.file(".airship/config", "current-context: c\n");
    let (a, b) = (home.path("a"), home.path("b"));
    let current = |file: Option<&Path>, variable: Option<&Path>| {
        let config = around(variable, Some(home.0.path())).load(file, "").unwrap();
        config.current_context().unwrap().to_owned()
    };
    assert_eq!(current(Some(&a), Some(&b)), "a");
    assert_eq!(current(None, Some(&b)), "b");
    assert_eq!(current(None, None), "c");
    let missing = home.path("missing");
    assert_eq!(
        home.shown(around(Some(&b), Some(home.0.path())).load(Some(&missing), "")),
        "reading the airshipctl config: ~/missing: opening it: No such file or directory (os error 2) [airshipctl-config-unreadable]"
    );
}

#[test]
fn without_any_file_all_places_are_told() {
    let home = Home::new();
    assert!(around(None, Some(home.0.path())).find(None).unwrap().is_none());
    assert_eq!(
        home.shown(around(None, Some(home.0.path())).load(None, "")),
        "finding the airshipctl config: tried --airshipconf (not given), $AIRSHIPCONFIG (not set) and ~/.airship/config (not there) [no-airshipctl-config]"
    );
    assert_eq!(
        shown(around(None, None).load(None, "")),
        "finding the airshipctl config: tried --airshipconf (not given), $AIRSHIPCONFIG (not set) and $HOME/.airship/config ($HOME is not set) [no-airshipctl-config]"
    );
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let home = Home::new();
    home.directory(".airship/config");
    nix::unistd::mkfifo(&home.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    home.file("huge", &"#".repeat((1 << 20) + 1));
    std::os::unix::fs::symlink("loop", home.path("loop")).unwrap();
    let around = around(None, Some(home.0.path()));
    for (name, why) in [
        (".airship/config", "it is a directory"),
        ("fifo", "it is not a regular file"),
        ("huge", "it is larger than 1 MiB"),
        ("loop", "opening it: Too many levels of symbolic links (os error 40)"),
    ] {
        assert_eq!(
            home.shown(around.load(Some(&home.path(name)), "")),
            format!("reading the airshipctl config: ~/{name}: {why} [airshipctl-config-unreadable]")
        );
    }
    assert!(around.find(None).is_err(), "a directory in the place of the file is not its absence");
}

#[test]
fn all_faults_of_form_come_at_once() {
    for (text, says) in [
        ("", ": /h/.airship/config:1:1: the file is empty [airshipctl-config]"),
        ("- a\n", ": /h/.airship/config:1:1: expected a mapping, found a list [airshipctl-config]"),
        ("a: [\n", ": /h/.airship/config:1:4: not YAML: unclosed bracket '[' [airshipctl-config]"),
        (
            "a: 1\n---\nb: 2\n",
            ": /h/.airship/config:3:1: a second document; expected one only [airshipctl-config]",
        ),
        ("contexts: {a: {}, a: {}}\n", ": /h/.airship/config:1:19: `a` is there twice [airshipctl-config]"),
        (
            "x: &x {y: *x}\n",
            ": /h/.airship/config:1:11: an alias stands within the node it refers to [airshipctl-config]",
        ),
        (
            "kind: IsoConfiguration\napiVersion: v1\n",
            "\n  /h/.airship/config:1:7: `kind`: expected Config; is this an airshipctl config? [airshipctl-config]\
             \n  /h/.airship/config:2:13: `apiVersion`: expected airshipit.org/v1alpha1; is this an airshipctl config? [airshipctl-config]",
        ),
        (
            "current-context: a\ncurrentContext: b\n",
            ": /h/.airship/config:1:1: `currentContext` is there twice, here as `current-context` [airshipctl-config]",
        ),
        (
            "bootstrapInfo: {a: {}}\nmodules-config: {bootstrapInfo: {a: {}}}\n",
            ": /h/.airship/config:2:34: `bootstrapInfo` \"a\" is there twice [airshipctl-config]",
        ),
        (
            "currentContext: 1\ncontexts: []\nmanifests: {m: {target-path: [x], repositories: {r: }}}\nclusters: {c: {clusterType: x}}\n",
            "\n  /h/.airship/config:1:17: `currentContext`: expected a string, found a number; put it in quotes [airshipctl-config]\
             \n  /h/.airship/config:2:11: `contexts`: expected a mapping, found a list [airshipctl-config]\
             \n  /h/.airship/config:3:51: `manifests.m.repositories.r`: expected a mapping, found null [airshipctl-config]\
             \n  /h/.airship/config:3:30: `manifests.m.targetPath`: expected a string, found a list [airshipctl-config]\
             \n  /h/.airship/config:4:29: `clusters.c.clusterType`: expected a mapping, found a string [airshipctl-config]",
        ),
    ] {
        assert_eq!(shown(parse(text)), format!("reading the airshipctl config{says}"), "{text}");
    }
}

#[test]
fn what_is_not_known_is_ignored() {
    let config = config(
        "users: 3\nmanagementConfiguration: []\nclusters: {c: {x: y}}\ncontexts: {c: {cluster-kubeconf: []}}\n",
    );
    assert_eq!(config.contexts().count(), 1);
}

#[test]
fn of_many_entries_few_are_named() {
    let names: String = (0..60_000).map(|number| format!("a{number}: {{}}\n ")).collect();
    let text = format!("contexts:\n {names}\nmanifests:\n {names}\ncurrentContext: x\n");
    // how long they take is measured by `scripts/bench.sh render`
    assert!(shown(config(&text).select(None)).contains("and 59990 more"));
}

#[test]
fn an_unknown_context_is_told_with_those_there_are() {
    let text = "currentContext: b\ncontexts: {a: {}, c: {manifest: m}}\nmanifests: {n: {}}\n";
    let config = config(text);
    assert_eq!(
        shown(config.select(None)),
        "choosing the context: /h/.airship/config:1:17: there is no context \"b\"; there are \"a\" and \"c\" [unknown-context]"
    );
    assert_eq!(
        shown(config.select(Some("d"))),
        "choosing the context: /h/.airship/config: there is no context \"d\"; there are \"a\" and \"c\" [unknown-context]"
    );
    assert_eq!(
        shown(config.select(Some("a")).unwrap().documents()),
        "choosing the context: /h/.airship/config:2:12: context \"a\" names no `manifest` [no-manifest]"
    );
    assert_eq!(
        shown(config.select(Some("c")).unwrap().documents()),
        "choosing the context: /h/.airship/config:2:33: there is no manifest \"m\"; there is \"n\" [unknown-manifest]"
    );
    let error = self::config("contexts: {}\ncurrentContext: \"\"\n").select(None).unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("choose one with --context NAME, or for good with `airshipctl config use-context NAME`")
    );
    assert_eq!(
        shown::<()>(Err(error)),
        "choosing the context: /h/.airship/config: `currentContext` is not set; there are none [no-current-context]"
    );
}
