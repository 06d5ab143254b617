//! Whole kustomizations: what is rendered, and what is said of mistakes.

mod messages;
mod values;

use std::path::Path;

use super::super::{DocumentSet, Source};
use crate::error::Error;
use crate::site::yaml;

/// A tree of files, written as `-- path` lines, each followed by its content.
fn tree(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for part in format!("\n{text}").split("\n-- ").skip(1) {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{content}\n")).unwrap();
    }
    directory
}

fn read(root: &Path) -> Result<DocumentSet, Error> {
    DocumentSet::read(&Source::Path(root.to_owned()))
}

/// What is rendered, without line breaks between mappings that a test would have to repeat.
fn rendered(text: &str) -> String {
    let directory = tree(text);
    let set = read(&directory.path().join("site")).unwrap_or_else(|error| panic!("{error}"));
    let documents = set.documents().iter().map(|document| yaml::write(document.node()));
    documents.collect::<Vec<_>>().join("---\n")
}

/// All faults of a tree, the temporary directory left out.
fn faults(text: &str) -> Vec<String> {
    let directory = tree(text);
    let error = read(&directory.path().join("site")).expect_err(text);
    let root = format!("{}/", directory.path().display());
    error.fault_list().iter().map(|fault| fault.to_string().replace(&root, "")).collect()
}

/// The first fault of a tree and what it should be, where they differ.
fn differing(text: &str, expected: String) -> Option<(String, String)> {
    let first = faults(text).remove(0);
    (first != expected).then_some((first, expected))
}

/// A tree of one kustomization and `a.yaml` with a ConfigMap `a`.
fn with_map(kustomization: &str) -> String {
    format!("-- site/kustomization.yaml\n{kustomization}\n-- site/a.yaml\n{MAP}")
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}";

#[test]
fn kinds_of_kustomizations_are_listed_where_they_belong() {
    let text = "-- site/kustomization.yaml\nresources: [c]\ncomponents: [b]\n-- site/c/kustomization.yaml\nkind: Component\nresources: []\n-- site/b/kustomization.yaml\nresources: []";
    assert_eq!(
        faults(text),
        [
            "site/c/kustomization.yaml:1:7: `kind`: is a Component, listed under `resources` [wrong-kind]",
            "site/b/kustomization.yaml:1:1: `kind`: expected Component, as listed under `components` [wrong-kind]",
        ]
    );
}

#[test]
fn a_reference_that_could_mean_several_objects_is_refused() {
    let layer = |name: &str| {
        format!(
            "-- site/{name}/kustomization.yaml\nnamePrefix: {name}-\nresources: [a.yaml]\n-- site/{name}/a.yaml\n{MAP}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  volumes:\n  - configMap: {name: a}";
    let text = format!(
        "-- site/kustomization.yaml\nnamePrefix: o-\nresources: [x, z, p.yaml]\n{}{}-- site/p.yaml\n{pod}",
        layer("x"),
        layer("z")
    );
    assert_eq!(
        faults(&text),
        [
            "site/p.yaml:6:23 (document 1): \"a\" could mean ConfigMap \"o-x-a\" or ConfigMap \"o-z-a\" [unclear-reference]"
        ]
    );
}

#[test]
fn objects_of_one_name_are_told_apart_by_their_namespaces() {
    let account = |namespace| {
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a, namespace: {namespace}}}\n---\n")
    };
    let text = format!(
        "-- site/kustomization.yaml\nnamePrefix: o-\nresources: [a.yaml]\n-- site/a.yaml\n{}{}apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b}}\nsubjects:\n- name: a",
        account("x"),
        account("z")
    );
    assert_eq!(
        faults(&text),
        [
            "site/a.yaml:13:3 (document 3): \"a\" could mean ServiceAccount \"o-a\" in \"x\" or ServiceAccount \"o-a\" in \"z\" [unclear-reference]"
        ]
    );
}

#[test]
fn old_spellings_and_any_case_of_fields_are_understood() {
    let text = "-- site/kustomization.yaml\nBases: [../base]\nnameprefix: x-\n-- base/kustomization.yaml\nresources: [a.yaml]\n-- base/a.yaml\n";
    assert!(rendered(&format!("{text}{MAP}")).contains("name: x-a"));
}

#[test]
fn items_of_lists_come_after_the_other_documents_of_their_file() {
    let object = |name: &str| format!("{{apiVersion: v1, kind: A, metadata: {{name: {name}}}}}");
    let text = format!(
        "-- site/kustomization.yaml\nresources: [a.yaml]\nsortOptions: {{order: fifo}}\n-- site/a.yaml\napiVersion: v1\nkind: List\nitems:\n- {}\n- {{apiVersion: v1, kind: AList, items: [{}]}}\n---\n{}\n---\n{{}}",
        object("b"),
        object("c"),
        object("d")
    );
    let rendered = rendered(&text);
    let names: Vec<_> = rendered.lines().filter_map(|line| line.strip_prefix("  name: ")).collect();
    assert_eq!(names, ["d", "b", "c"]);
}

#[test]
fn names_are_followed_through_layers_and_namespaces() {
    let text = "-- site/kustomization.yaml
resources: [../base]
nameSuffix: -s
namespace: two
-- base/kustomization.yaml
resources: [a.yaml]
namePrefix: b-
namespace: one
-- base/a.yaml
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa, namespace: zero}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: rb}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cr}
subjects:
- {kind: ServiceAccount, name: sa, namespace: zero}
- {kind: ServiceAccount, name: default}
- {kind: ServiceAccount, name: other, namespace: other}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cr}
---
apiVersion: v1
kind: Namespace
metadata: {name: zero}
";
    let rendered = rendered(text);
    for expected in [
        "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: b-cr-s\n",
        "- kind: ServiceAccount\n  name: b-sa-s\n  namespace: two\n",
        "- kind: ServiceAccount\n  name: default\n  namespace: two\n",
        "- kind: ServiceAccount\n  name: other\n  namespace: other\n",
        "kind: Namespace\nmetadata:\n  name: two\n",
    ] {
        assert!(rendered.contains(expected), "{rendered}");
    }
}

#[test]
fn what_the_build_metadata_wants_is_noted() {
    let text = format!(
        "-- site/kustomization.yaml\nresources: [../base]\nbuildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]\n-- base/kustomization.yaml\nresources: [./a.yaml]\nnamePrefix: x-\n-- base/a.yaml\n{MAP}"
    );
    let expected = "apiVersion: v1
kind: ConfigMap
metadata:
  annotations:
    alpha.config.kubernetes.io/transformations: |
      - configuredIn: ../base/kustomization.yaml
        configuredBy:
          apiVersion: builtin
          kind: PrefixTransformer
    config.kubernetes.io/origin: |
      path: ../base/a.yaml
  labels:
    app.kubernetes.io/managed-by: kustomize-(devel)
  name: x-a
";
    assert_eq!(rendered(&text), expected);
}

#[test]
fn faults_in_inline_text_are_at_their_line_of_the_file() {
    let text = with_map(
        "resources: [a.yaml]\npatches:\n- patch: |\n    a: b\n    c: [\n  target: {kind: ConfigMap}",
    );
    let found = faults(&text);
    assert_eq!(found, ["site/kustomization.yaml:5:8: not YAML: unclosed bracket '[' [bad-yaml]"]);
}

#[test]
fn a_document_that_is_wrong_after_patches_leads_to_the_file_of_the_patch() {
    let text = format!(
        "{}\n-- site/p.yaml\n# the patch\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: a, labels: x}}",
        with_map("resources: [a.yaml]\npatches: [{path: p.yaml}]")
    );
    assert_eq!(
        faults(&text),
        ["site/p.yaml:4:29 (document 1): `metadata.labels`: expected a mapping, found a string [bad-object]"]
    );
}

#[test]
fn what_is_only_there_for_tools_is_left_out() {
    let text = with_map("resources: [a.yaml]")
        + "\n---\n"
        + &MAP.replace("{name: a}", "{name: b, annotations: {config.kubernetes.io/local-config: 'true'}}");
    assert_eq!(rendered(&text), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n");
}

#[test]
fn what_is_nested_too_deep_or_multiplies_is_refused() {
    let deep: String = (0..=128)
        .map(|n| format!("-- site{}/kustomization.yaml\nresources: [x]\n", "/x".repeat(n)))
        .collect();
    let found = faults(&deep);
    assert!(
        found[0].ends_with(":1:13: `x` is nested deeper than 128 kustomizations [too-deep]"),
        "{}",
        found[0].len()
    );
    let maps: String = (0..70).map(|n| MAP.replace("name: a", &format!("name: a{n}")) + "\n---\n").collect();
    let long = "x".repeat(1 << 20);
    for field in
        ["namePrefix: ", "nameSuffix: ", "namespace: ", "commonLabels:\n  a: ", "commonAnnotations:\n  a: "]
    {
        let text =
            format!("-- site/kustomization.yaml\n{field}{long}\nresources: [a.yaml]\n-- site/a.yaml\n{maps}");
        let found = faults(&text);
        assert!(found[0].ends_with(": repeated in 70 places, this is too much [too-much]"), "{field}");
    }
}
