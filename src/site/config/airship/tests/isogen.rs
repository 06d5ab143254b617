//! The isogen configuration of a context.

use super::*;

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
