use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const FILE: &str = "/h/.airship/config";

fn parse(text: &str) -> Result<AirshipConfig> {
    AirshipConfig::parse(Path::new(FILE), Some(Path::new("/h")), text.as_bytes())
}

fn config(text: &str) -> AirshipConfig {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown<T>(result: Result<T>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(error.fault_list().iter().all(|fault| fault.code.is_some()), "{error}");
    error.to_string()
}

const CAMEL: &str = "apiVersion: airshipit.org/v1alpha1
kind: Config
currentContext: ctx
contexts:
  ctx: {contextKubeconf: ctx_ephemeral, manifest: man}
manifests:
  man: {targetPath: site, subPath: a/b}
clusters:
  clu: {clusterType: {ephemeral: {bootstrapInfo: boot}}}
bootstrapInfo:
  boot: {isogenConfigPath: isogen.yaml}
";

const INLINE: &str = "container: {volume: /v:/c}, builder: {userDataFileName: u, networkConfigFileName: n}";

/// A directory as home, with files in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.directory(".airship");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn directory(&self, name: &str) -> &Self {
        fs::create_dir_all(self.path(name)).unwrap();
        self
    }

    fn parse(&self, text: &str) -> AirshipConfig {
        let path = self.path(".airship/config");
        AirshipConfig::parse(&path, Some(self.0.path()), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn documents(&self, text: &str) -> Result<PathBuf> {
        self.parse(text).select(None)?.documents()
    }

    fn isogen(&self, text: &str) -> Result<IsoConfiguration> {
        self.parse(text).select(None)?.isogen()
    }

    /// A text without the directory, which is another one each time.
    fn plain(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "~")
    }

    fn shown<T>(&self, result: Result<T>) -> String {
        self.plain(&shown(result))
    }

    /// The volume tells from which of several configurations one is.
    fn volume(&self, text: &str) -> String {
        let configuration = self.isogen(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        configuration.container.volume.host.display().to_string()
    }
}

fn isogen_yaml(volume: &str) -> String {
    format!("container: {{volume: {volume}}}\nbuilder: {{userDataFileName: u, networkConfigFileName: n}}\n")
}

// ---- which file

fn around(variable: Option<&Path>, home: Option<&Path>) -> locate::Surroundings {
    locate::Surroundings { variable: variable.map(Path::to_owned), home: home.map(Path::to_owned) }
}

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

// ---- the form

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
fn many_entries_take_no_longer_than_few() {
    let names: String = (0..60_000).map(|number| format!("a{number}: {{}}\n ")).collect();
    let text = format!("contexts:\n {names}\nmanifests:\n {names}\ncurrentContext: x\n");
    let started = std::time::Instant::now();
    assert!(shown(config(&text).select(None)).contains("and 59990 more"));
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

// ---- the context

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

// ---- the documents

fn with_manifest(manifest: &str) -> String {
    format!("currentContext: c\ncontexts: {{c: {{manifest: m}}}}\nmanifests: {{m: {{{manifest}}}}}\n")
}

#[test]
fn each_shape_has_its_layout() {
    for (manifest, directory) in [
        ("target-path: /T, sub-path: s/t", "T/s/t/ephemeral"),
        ("target-path: /T, sub-path: s/t", "T/s/t/ephemeral/bootstrap"),
        ("targetPath: /T, subPath: s/t", "T/s/t/ephemeral/bootstrap"),
        ("targetPath: ../T", "T/ephemeral/bootstrap"),
        ("targetPath: ~/T, subPath: /s", "T/s/ephemeral/bootstrap"),
        (
            "targetPath: /T, phaseRepositoryName: p, repositories: {p: {url: 'https://registry.example/x/repo.git'}}",
            "T/repo/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: m.yaml, repositories: {p: {url: 'ssh://git@registry.example:29418/repo'}}",
            "T/repo/pre/fix/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: old.yaml, primaryRepositoryName: q, repositories: {p: {}, q: {url: {Scheme: https, Path: /x/repo/}}}",
            "T/repo/ephemeral/bootstrap",
        ),
        (
            "targetPath: /T, metadataPath: none.yaml, subPath: s, repositories: {p: {url: repo}}",
            "T/s/ephemeral/bootstrap",
        ),
    ] {
        let home = Home::new();
        home.directory(directory);
        if manifest.contains("metadataPath") {
            home.file("T/repo/m.yaml", "spec: {phase: {path: p, docEntryPointPrefix: /pre/fix/}}\n");
            home.file("T/old.yaml", "phase: {path: p}\n");
        }
        let target = home.path("T").display().to_string();
        let text = with_manifest(
            &manifest
                .replace("/T,", &format!("{target},"))
                .replace(&format!("~{target}"), "~/T")
                .replace(&format!("..{target}"), "../T"),
        );
        let found = home.documents(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found.canonicalize().unwrap(), home.path(directory).canonicalize().unwrap(), "{text}");
    }
}

#[test]
fn documents_that_are_not_there_are_told_with_all_that_was_tried() {
    let home = Home::new();
    home.file("T/repo/ephemeral", "").file("T/s/ephemeral/bootstrap", "");
    for (manifest, says) in [
        ("", "manifest \"m\" has no `targetPath` [no-target-path]"),
        ("targetPath: ''", "manifest \"m\" has no `targetPath` [no-target-path]"),
        ("target-path: ~/T, sub-path: s", ""),
        (
            "targetPath: ~/T, subPath: s",
            "manifest \"m\" leads to no directory; tried ~/T/s/ephemeral/bootstrap (not a directory) [no-document-root]",
        ),
        (
            "targetPath: ~/T, subPath: s, metadataPath: x, repositories: {r: {url: a/repo}}",
            "manifest \"m\" leads to no directory; tried ~/T/repo/x (not there), ~/T/x (not there), \
             ~/T/repo/ephemeral/bootstrap (Not a directory (os error 20)) and ~/T/s/ephemeral/bootstrap (not a directory) [no-document-root]",
        ),
        (
            "targetPath: ~/T, metadataPath: x",
            "manifest \"m\" does not say with `phaseRepositoryName` which repository has its phases; there are none [no-repository]",
        ),
    ] {
        if says.is_empty() {
            assert!(home.documents(&with_manifest(manifest)).is_ok(), "the oldest layout");
            continue;
        }
        let expected = format!("finding the documents: ~/.airship/config:3:13: {says}");
        assert_eq!(home.shown(home.documents(&with_manifest(manifest))), expected, "{manifest}");
    }
    for (manifest, says) in [
        (
            "targetPath: x, phaseRepositoryName: a, repositories: {b: {}}",
            "3:53: there is no repository \"a\"; there is \"b\" [unknown-repository]",
        ),
        (
            "targetPath: x, phaseRepositoryName: b, repositories: {b: {}}",
            "3:71: repository \"b\" has no `url` that names its directory [no-repository-url]",
        ),
        (
            "targetPath: x, phaseRepositoryName: b, repositories: {b: {url: a/..}}",
            "3:71: repository \"b\" has no `url` that names its directory [no-repository-url]",
        ),
    ] {
        let expected = format!("finding the documents: ~/.airship/config:{says}");
        assert_eq!(home.shown(home.documents(&with_manifest(manifest))), expected, "{manifest}");
    }
    let error = home.documents(&with_manifest("targetPath: x")).unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("name the documents on the command line, or check `targetPath` and `subPath`")
    );
}

#[test]
fn metadata_that_is_wrong_is_told_with_its_place() {
    let home = Home::new();
    let manifest = with_manifest("targetPath: ~/T, metadataPath: x, repositories: {r: {url: repo}}");
    for (text, says) in [
        (
            "phase: {path: [a]}",
            "~/T/repo/x:1:15: `phase.path`: expected a string, found a list [manifest-metadata]",
        ),
        (
            "spec: {phase: a}",
            "~/T/repo/x:1:15: `spec.phase`: expected a mapping, found a string [manifest-metadata]",
        ),
        ("", "~/T/repo/x:1:1: the file is empty [manifest-metadata]"),
    ] {
        home.file("T/repo/x", text);
        assert_eq!(home.shown(home.documents(&manifest)), format!("reading the manifest metadata: {says}"));
    }
    fs::remove_file(home.path("T/repo/x")).unwrap();
    home.directory("T/repo/x");
    assert_eq!(
        home.shown(home.documents(&manifest)),
        "reading the manifest metadata: ~/T/repo/x: it is a directory [manifest-metadata]"
    );
}

// ---- the isogen configuration

fn with_bootstrap(clusters: &str, entries: &str) -> String {
    let entry = |name: &str| format!("{name}: {{isogenConfigPath: ../{name}.yaml}}");
    let entries: Vec<_> = entries.split_whitespace().map(entry).collect();
    format!(
        "currentContext: c\ncontexts: {{c: {{manifest: m}}}}\nmanifests: {{m: {{targetPath: x}}}}\nclusters: {{{clusters}}}\nbootstrapInfo: {{{}}}\n",
        entries.join(", ")
    )
}

fn cluster(name: &str, entry: &str) -> String {
    format!("{name}: {{clusterType: {{ephemeral: {{bootstrapInfo: {entry}}}}}}}")
}

#[test]
fn the_cluster_comes_from_the_kubeconfig_or_is_guessed_in_order() {
    let home = Home::new();
    for name in ["a", "b", "c", "d", "default"] {
        home.file(&format!("{name}.yaml"), &isogen_yaml(&format!("/{name}")));
    }
    let two = [cluster("k", "a"), cluster("c", "b")].join(", ");
    for (clusters, entries, volume) in [
        (two.as_str(), "a b c default", "/b"),
        (&cluster("k", "a"), "a b c default", "/c"),
        (&cluster("k", "a"), "a b default", "/a"),
        ("", "d", "/d"),
        ("", "a default", "/default"),
        (&[cluster("default", "d"), cluster("k", "a")].join(", "), "a d default", "/d"),
        (&cluster("c", "''"), "a default", "/default"),
    ] {
        assert_eq!(home.volume(&with_bootstrap(clusters, entries)), volume, "{clusters} {entries}");
    }
    home.file(
        ".airship/kubeconfig",
        "contexts:\n- {name: z, context: {cluster: x}}\n- {name: c, context: {cluster: k_ephemeral}}\n",
    );
    assert_eq!(home.volume(&with_bootstrap(&two, "a b c default")), "/a");
    let by_name =
        with_bootstrap(&two, "a b").replace("{manifest: m}", "{context-kubeconf: z_target, manifest: m}");
    home.file(".airship/kubeconfig", "contexts:\n- {name: z_target, context: {cluster: k_target}}\n");
    assert_eq!(home.volume(&by_name), "/a");
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_passed_over_with_a_warning() {
    let home = Home::new();
    home.file("d.yaml", &isogen_yaml("/d")).file(".airship/kubeconfig", "users: [{user: {token: hunter2}}\n");
    let found = home.isogen(&with_bootstrap("", "d")).unwrap();
    let warnings: Vec<_> = found.warnings.iter().map(|fault| home.plain(&fault.to_string())).collect();
    assert_eq!(
        warnings,
        [
            "~/.airship/kubeconfig: is passed over: reading it: ~/.airship/kubeconfig:1:8: not YAML: unclosed bracket '[' [kubeconfig-unreadable]"
        ]
    );
}

#[test]
fn an_entry_that_is_not_there_is_told_with_those_there_are() {
    let home = Home::new();
    let text = with_bootstrap(&cluster("c", "x"), "a b");
    assert_eq!(
        home.shown(home.isogen(&text)),
        "finding the isogen configuration: ~/.airship/config:4:57: there is no `bootstrapInfo` \"x\"; there are \"a\" and \"b\" [unknown-bootstrap-info]"
    );
}

#[test]
fn a_configuration_that_is_not_found_is_told_with_all_that_was_tried() {
    let home = Home::new();
    let error = home.isogen(&with_bootstrap("", "a b")).unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("give it with --conf FILE, or name it with `isogenConfigPath` in an entry of `bootstrapInfo`")
    );
    assert_eq!(
        home.shown::<()>(Err(error)),
        "finding the isogen configuration: ~/.airship/config:2:12: context \"c\" leads to none; tried ~/.airship/kubeconfig (not there), \
         cluster and `bootstrapInfo` \"c\" (not there), the only cluster and `bootstrapInfo` (there are 0 and 2), \
         cluster and `bootstrapInfo` \"default\" (not there) and manifest \"m\" (has neither `phaseRepositoryName` nor `metadataPath`) [no-isogen-configuration]"
    );
    home.file(".airship/kubeconfig", "contexts:\n- {name: c, context: {cluster: k_ephemeral}}\n");
    let text = with_bootstrap("", "").replace("bootstrapInfo: {}", "bootstrapInfo: {x: {}}");
    let said = home.shown(home.isogen(&text));
    for part in [
        "cluster \"k\", by ~/.airship/kubeconfig (has no ephemeral `bootstrapInfo`)",
        "`bootstrapInfo` \"x\" (has neither `isogenConfigPath` nor `container` and `builder`)",
    ] {
        assert!(said.contains(part), "{said}");
    }
    home.file(".airship/kubeconfig", "contexts: []\n");
    assert!(home.shown(home.isogen(&text)).contains("~/.airship/kubeconfig (does not have the context)"));
    let none = home.shown(home.isogen("currentContext: c\ncontexts: {c: {}}\n"));
    assert!(none.contains("(has no entries) and the phases (the context names no `manifest`) ["), "{none}");
    let none = home.shown(home.isogen(&with_bootstrap("", "")));
    assert!(none.contains("tried `bootstrapInfo` (has no entries) and manifest"), "{none}");
}

#[test]
fn the_faults_of_a_configuration_have_their_place() {
    let home = Home::new();
    home.file("c.yaml", "container: {}\n");
    let error = home.isogen(&with_bootstrap("", "c")).unwrap_err();
    assert_eq!(
        home.plain(&error.to_string()),
        "finding the isogen configuration: ~/.airship/config:5:39: reading the isogen configuration\
         \n  ~/.airship/../c.yaml:1:12: `container.volume` is missing\
         \n  ~/.airship/../c.yaml:1:1: `builder` is missing"
    );
    let inline = with_bootstrap("", "")
        .replace("bootstrapInfo: {}", "bootstrapInfo:\n  c:\n    container: {volume: x}\n    builder: []");
    let error = home.isogen(&inline).unwrap_err();
    assert_eq!(
        home.plain(&error.to_string()),
        "`bootstrapInfo` \"c\": reading the isogen configuration\
         \n  ~/.airship/config:7:25: `container.volume`: has a relative host side; write it from `/` on\
         \n  ~/.airship/config:8:14: `builder`: expected a mapping, found a list"
    );
    // the airshipctl config is no isogen configuration
    home.file(".airship/config", CAMEL);
    let own = CAMEL.replace("isogenConfigPath: isogen.yaml", "isogenConfigPath: config");
    let said = home.isogen(&own).unwrap_err().to_string();
    assert!(said.contains("config:2:7: `kind`: expected ImageConfiguration or IsoConfiguration"), "{said}");
}

#[test]
fn a_section_of_its_own_is_a_configuration_and_makes_the_builders_copy() {
    let home = Home::new();
    let text = format!(
        "{}modules-config:\n  bootstrap-info:\n    c:\n      container:\n        volume: ~/iso//:/config:z # mine\n        image: \"x\"\n        container-runtime: oci\n        additionalRootfsCaches: [caches]\n        my-key: no\n      builder: {{userDataFileName: u, network-config-file-name: n, extra: \"no\"}}\n",
        with_manifest("")
    );
    let found = home.isogen(&text).unwrap();
    assert_eq!(found.container.additional_rootfs_caches, [home.path(".airship/caches")]);
    assert_eq!(
        home.plain(&String::from_utf8(found.builder_conf().unwrap()).unwrap()),
        "container:\n  volume: ~/iso:/config\n  image: \"x\"\n  containerRuntime: oci\n  additionalRootfsCaches:\n  - caches\n  my-key: no\n\
         builder:\n  userDataFileName: u\n  networkConfigFileName: n\n  extra: \"no\"\n"
    );
    let warnings: Vec<_> = found.warnings.iter().map(|fault| home.plain(&fault.to_string())).collect();
    assert_eq!(
        warnings,
        [
            "~/.airship/config:12:9: unknown key `my-key` in `container` is ignored [unknown-key]",
            "~/.airship/config:13:67: unknown key `extra` in `builder` is ignored [unknown-key]",
        ]
    );
}

#[test]
fn a_path_goes_before_a_section_with_a_warning() {
    let home = Home::new();
    home.file("a.yaml", &isogen_yaml("/a"));
    let text = with_bootstrap("", "a").replace("../a.yaml}", &format!("../a.yaml, {INLINE}}}"));
    let found = home.isogen(&text).unwrap();
    assert_eq!(found.container.volume.host, PathBuf::from("/a"));
    assert_eq!(
        found.warnings.iter().map(|fault| home.plain(&fault.to_string())).collect::<Vec<_>>(),
        [
            "~/.airship/config:5:39: `container` and `builder` beside `isogenConfigPath` are ignored [isogen-config-twice]"
        ]
    );
}

const PHASES: &str =
    "targetPath: ~/T, metadataPath: m.yaml, phaseRepositoryName: r, repositories: {r: {url: repo}}";

fn phase(kind: &str, name: &str, volume: &str) -> String {
    format!(
        "apiVersion: airshipit.org/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n{}---\n",
        isogen_yaml(volume)
    )
}

#[test]
fn a_document_of_the_phases_is_a_configuration() {
    let home = Home::new();
    home.file("T/repo/m.yaml", "phase: {path: phases}\n");
    for kind in ["ImageConfiguration", "IsoConfiguration"] {
        let all = [
            phase("Phase", "isogen", "/no"),
            phase(kind, "other", "/no"),
            phase(kind, "isogen", "~/yes/:/c"),
        ];
        home.file("T/repo/phases/all.yaml", &all.concat());
        let found = home.isogen(&with_manifest(PHASES)).unwrap();
        assert_eq!(found.container.volume.host, home.path("yes"));
        assert_eq!(
            home.plain(&String::from_utf8(found.builder_conf().unwrap()).unwrap()),
            format!(
                "apiVersion: airshipit.org/v1alpha1\nkind: {kind}\nmetadata:\n  name: isogen\ncontainer:\n  volume: ~/yes:/c\n\
                 builder:\n  userDataFileName: u\n  networkConfigFileName: n\n"
            )
        );
    }
}

#[test]
fn phases_without_a_configuration_or_with_two_are_told() {
    let home = Home::new();
    let tried = |what: &str| {
        format!(
            "finding the isogen configuration: ~/.airship/config:2:12: context \"c\" leads to none; tried `bootstrapInfo` (has no entries){what} [no-isogen-configuration]"
        )
    };
    let text = with_manifest(PHASES);
    assert_eq!(
        home.shown(home.isogen(&text)),
        tried(
            ", ~/T/repo/m.yaml (not there), ~/T/m.yaml (not there) and the phases of manifest \"m\" (no metadata names them)"
        )
    );
    home.file("T/repo/m.yaml", "phase: {path: phases}\n");
    assert_eq!(home.shown(home.isogen(&text)), tried(" and ~/T/repo/phases (not there)"));
    home.file("T/repo/phases/all.yaml", &phase("Phase", "isogen", "/no"));
    assert_eq!(
        home.shown(home.isogen(&text)),
        tried(" and ~/T/repo/phases (has no ImageConfiguration or IsoConfiguration \"isogen\")")
    );
    let two = [phase("ImageConfiguration", "isogen", "/a"), phase("IsoConfiguration", "isogen", "/b")];
    home.file("T/repo/phases/all.yaml", &two.concat());
    assert_eq!(
        home.shown(home.isogen(&text)),
        "finding the isogen configuration: ~/T/repo/phases/all.yaml:7:1 (document 2): IsoConfiguration \"isogen\" is a second isogen configuration; \
         the first is at ~/T/repo/phases/all.yaml:1:1 (document 1) [several-isogen-configurations]"
    );
    home.file("T/repo/phases/all.yaml", "a: [\n");
    let error = home.isogen(&text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Documents);
    assert!(
        error
            .to_string()
            .starts_with("finding the isogen configuration in the phases: reading the documents: ")
    );
}

// ---- the current context changed

fn switched(text: &str, name: &str) -> String {
    let patched = config(text).with_current(text.as_bytes(), name).unwrap_or_else(|e| panic!("{text}: {e}"));
    String::from_utf8(patched).unwrap()
}

#[test]
fn nothing_changes_but_the_current_context() {
    let rest = " # keep\ncontexts: {a: {}, 'b c': {manifest: \"no\"}}\n\n# tail";
    for (before, after) in [
        ("currentContext: a", "currentContext: b"),
        ("current-context: 'a'", "current-context: 'b'"),
        ("currentContext: \"a\"", "currentContext: \"b\""),
        ("currentContext: ~", "currentContext: b"),
        ("currentContext: null", "currentContext: b"),
        ("currentContext: \"\"", "currentContext: \"b\""),
        ("currentContext:", "currentContext: b"),
        ("kind: Config", "currentContext: b\nkind: Config"),
        ("\u{feff}kind: Config", "\u{feff}currentContext: b\nkind: Config"),
        ("---\nkind: Config", "---\ncurrentContext: b\nkind: Config"),
        ("x: &x a\ncurrentContext: *x", "x: &x a\ncurrentContext: b"),
    ] {
        assert_eq!(switched(&format!("{before}{rest}"), "b"), format!("{after}{rest}"), "{before}");
    }
    for (name, written) in [
        ("b c", "b c"),
        ("no", "'no'"),
        ("1", "'1'"),
        ("a: b", "'a: b'"),
        ("a #", "'a #'"),
        ("- a", "'- a'"),
        ("\t", "'\t'"),
        ("\u{7}", "\"\\u0007\""),
    ] {
        assert_eq!(switched("currentContext: a\nx: y\n", name), format!("currentContext: {written}\nx: y\n"));
    }
}

#[test]
fn other_styles_stay_as_they_are() {
    for (before, after) in [
        ("{\"currentContext\": \"a\", \"x\": 1}", "{\"currentContext\": \"b\", \"x\": 1}"),
        ("{\"x\": 1}", "{\"currentContext\": \"b\", \"x\": 1}"),
        ("{\n  \"x\": 1\n}\n", "{\n  \"currentContext\": \"b\", \"x\": 1\n}\n"),
        ("kind: Config\r\nx: y\r\n", "currentContext: b\r\nkind: Config\r\nx: y\r\n"),
        ("  x: y\n  z: y\n", "  currentContext: b\n  x: y\n  z: y\n"),
        (
            "contexts:\n  a: {context-kubeconf: a}\n",
            "current-context: b\ncontexts:\n  a: {context-kubeconf: a}\n",
        ),
        ("\u{e9}: \u{e9}\ncurrentContext:\nx: \u{e9}\n", "\u{e9}: \u{e9}\ncurrentContext: b\nx: \u{e9}\n"),
        ("currentContext: |-\n  a\nx: y\n", "currentContext: b\nx: y\n"),
    ] {
        assert_eq!(switched(before, "b"), after, "{before}");
    }
}

#[test]
fn what_cannot_be_changed_in_place_is_told() {
    let text = "x: &x {currentContext: a}\n<<: *x\ncontexts: {}\n";
    let error = config(text).with_current(text.as_bytes(), "b").unwrap_err();
    assert_eq!(
        shown::<()>(Err(error)),
        "changing the current context: /h/.airship/config:1:24: `currentContext` cannot be set in place; write \"b\" there [current-context-not-patched]"
    );
}

#[test]
fn a_file_is_replaced_whole_with_its_mode_and_through_links() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let home = Home::new();
    let text = "currentContext: a\ncontexts: {a: {}, b: {}}\n";
    home.file("real/config", text);
    let real = home.path("real/config");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../real/config", home.path(".airship/config")).unwrap();
    home.file("real/.config.airshipctl.tmp", "left by one that was killed");
    let open = || around(None, Some(home.0.path())).load(None, "").unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&real, Some(1), Some(2)).unwrap();
    }
    let owner = || fs::metadata(&real).map(|found| (found.uid(), found.gid())).unwrap();
    let owner_before = owner();
    let inode = || fs::metadata(&real).unwrap().ino();
    let before = inode();
    assert_eq!(open().use_context("a").unwrap(), Switched::Unchanged);
    assert_eq!(inode(), before, "nothing to write");
    assert_eq!(open().use_context("b").unwrap(), Switched::Changed);
    assert_eq!(fs::read_to_string(&real).unwrap(), text.replace("currentContext: a", "currentContext: b"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(owner(), owner_before);
    assert!(home.path(".airship/config").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_dir(home.path("real")).unwrap().count(), 1, "nothing beside it");
    assert_eq!(
        home.shown(open().use_context("c")),
        "choosing the context: ~/.airship/config: there is no context \"c\"; there are \"a\" and \"b\" [unknown-context]"
    );
    let other = fs::File::open(&real).unwrap();
    other.lock().unwrap();
    assert_eq!(
        home.shown(open().use_context("a")),
        "changing the current context: ~/.airship/config: another process is changing the file [airshipctl-config-busy]"
    );
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_is() {
    let home = Home::new();
    let text = "currentContext: a\ncontexts: {a: {}, b: {}}\n";
    home.file("dir/config", text);
    // a directory in the way of the temporary file, which root cannot write over either
    home.directory("dir/.config.airshipctl.tmp");
    let open = || around(None, Some(home.0.path())).load(Some(&home.path("dir/config")), "").unwrap();
    assert_eq!(
        home.shown(open().use_context("b")),
        "changing the current context: ~/dir/config: writing ~/dir/config: File exists (os error 17) [airshipctl-config-not-written]"
    );
    assert_eq!(fs::read_to_string(home.path("dir/config")).unwrap(), text);
}

// ---- what people see

#[test]
fn the_view_has_todays_spelling() {
    let config = config(
        "current-context: a\ncontexts:\n  a-b: {context-kubeconf: x}\nmanifests: {m: {sub-path: 'no', x-y: no}}\n",
    );
    assert_eq!(
        config.view(),
        "currentContext: a\ncontexts:\n  a-b:\n    contextKubeconf: x\nmanifests:\n  m:\n    subPath: \"no\"\n    x-y: no\n"
    );
    assert_eq!(
        config.view_json().to_string(),
        "{\"currentContext\":\"a\",\"contexts\":{\"a-b\":{\"contextKubeconf\":\"x\"}},\"manifests\":{\"m\":{\"subPath\":\"no\",\"x-y\":false}}}"
    );
}

#[test]
fn the_view_hides_what_is_secret() {
    let text = "
users:
  admin: {token: S3C, username: op, client-key-data: S3C, client-key: /path, auth-provider: {config: {x: S3C}}, odd: [S3C], token:S3C}
  two: {'S3C 1': {'S3C 2': S3C}, 'S3C 3':}
  three: S3C
  four: [S3C]
auth-infos: [{name: op, user: {password: S3C}}]
bootstrapInfo:
  b:
    container:
      env: [{name: TOKEN, value: S3C}, 'API_TOKEN=S3C', HTTP=1]
      registryPassword: 's3c S3C'
      proxy: http://u:S3C@registry.example:3128/x?token=S3C&a=b
      secretName: shown
      keys: {sshPass: S3C, key-pass: 12345678, tokens: [S3C]}
      pem: |
        -----BEGIN RSA PRIVATE KEY-----
        S3C
manifests:
  m:
    repositories:
      r: {url: 'https://S3C@registry.example/r.git', auth: {type: http-basic, http-pass: S3C}}
      s: {url: 'ssh://git@registry.example/r.git', auth: {}}
      t: {url: 'https://u:S3,&?#C@registry.example/r.git'}
      u: {url: {Scheme: https, Path: /r, User: {password: S3C}}}
";
    let config = config(text);
    for view in [config.view(), config.view_json().to_string()] {
        for secret in ["S3", "12345678", "s3c"] {
            assert!(!view.contains(secret), "{view}");
        }
        for word in [
            "/path",
            "op",
            "shown",
            "HTTP=1",
            "a=b",
            "ssh://git@registry.example/r.git",
            "registry.example:3128",
        ] {
            assert!(view.contains(word), "{word}: {view}");
        }
    }
    assert!(!format!("{config:?}").contains("S3C"));
}
