//! The exact text of what is said of kustomizations and their resources.

use super::*;

#[test]
fn every_fault_of_a_kustomization_has_its_exact_text() {
    let list = "resources: [a.yaml]\n";
    let mut wrong = Vec::new();
    for (content, expected) in [
        ("", "1:1: the file is empty [empty-kustomization]"),
        ("- a", "1:1: expected a mapping, found a list [wrong-type]"),
        (
            "kind: Kustomization",
            "1:1: the kustomization is empty; it lists no `resources` and has no other field [empty-kustomization]",
        ),
        ("resource: [a.yaml]", "1:1: `resource` is no field of a kustomization [unknown-field]"),
        (&format!("{list}metadata: {{nam: x}}"), "2:12: `nam` is no field of `metadata` [unknown-field]"),
        (
            &format!("{list}openapi: {{path: x}}"),
            "2:1: `openapi` is not supported in a kustomization [unsupported-field]",
        ),
        (&format!("{list}---\n{list}"), "3:1: a second document; expected one only [second-document]"),
        ("resources: a.yaml", "1:12: `resources`: expected a list, found a string [wrong-type]"),
        (
            &format!("{list}namePrefix: 1"),
            "2:13: `namePrefix`: expected a string, found a number; put it in quotes [wrong-type]",
        ),
        (
            &format!("{list}commonLabels: [a]"),
            "2:15: `commonLabels`: expected a mapping, found a list [wrong-type]",
        ),
        (
            &format!("{list}commonLabels: {{a: true}}"),
            "2:19: `commonLabels.a`: expected a string, found a boolean; put it in quotes [wrong-type]",
        ),
        (
            &format!("{list}patches: [p.yaml]"),
            "2:11: `patches`: expected a list of mappings, found a string [wrong-type]",
        ),
        (&format!("{list}kind: Other"), "2:7: `kind`: expected Kustomization or Component [wrong-kind]"),
        (
            &format!("{list}apiVersion: v1"),
            "2:13: `apiVersion`: expected kustomize.config.k8s.io/v1beta1 for a Kustomization [wrong-version]",
        ),
        (
            &format!("{list}kind: Component\napiVersion: kustomize.config.k8s.io/v1beta1"),
            "3:13: `apiVersion`: expected kustomize.config.k8s.io/v1alpha1 for a Component [wrong-version]",
        ),
        ("resources: [{a: b}]", "1:13: expected a path, found a mapping [bad-path]"),
        ("resources: ['']", "1:13: expected a path, found an empty string [bad-path]"),
        ("resources: [\"a\\nb\"]", "1:13: a path with control characters in it [bad-path]"),
        (
            "resources: [none.yaml]",
            "1:13: `none.yaml` cannot be read: No such file or directory (os error 2) [unreadable-file]",
        ),
        (
            "resources: [/etc/passwd]",
            "1:13: is an absolute path; kustomizations name their resources relative to themselves [absolute-path]",
        ),
        (
            "resources: [../outside.yaml]",
            "1:13: `../outside.yaml` is a file outside the directory of its kustomization [outside-kustomization]",
        ),
        (
            "resources: [https://registry.example/x]",
            "1:13: is a remote resource, which is not fetched [remote-resource]",
        ),
        ("resources: [..]", "1:13: `..` leads back to a kustomization that is being read [cycle]"),
        ("resources: [plain]", "1:13: `plain` is a directory without a kustomization [no-kustomization]"),
        (
            "resources: [two]",
            "1:13: `two` has more than one kustomization file in it [several-kustomizations]",
        ),
        ("components: [a.yaml]", "1:14: is a file; components are directories [not-a-directory]"),
        ("patches: [{path: plain}]", "1:18: `plain` is a directory; expected a file [unreadable-file]"),
        (
            &format!("{list}sortOptions: {{order: by-name}}"),
            "2:22: `sortOptions.order`: expected fifo or legacy [bad-sort-options]",
        ),
        (
            &format!("{list}sortOptions: {{order: fifo, legacySortOptions: {{}}}}"),
            "2:47: `sortOptions.legacySortOptions` goes with the order `legacy` only [bad-sort-options]",
        ),
        (
            &format!("{list}sortOptions: {{order: legacy, legacySortOptions: {{orderFirst: Pod}}}}"),
            "2:62: `sortOptions.legacySortOptions.orderFirst`: expected a list of kinds [bad-sort-options]",
        ),
        (&format!("{list}sortOptions: {{by: x}}"), "2:15: `by` is no field of `sortOptions` [unknown-field]"),
        (&format!("{list}labels: [{{pair: {{}}}}]"), "2:11: `pair` is no field of `labels` [unknown-field]"),
        (
            &format!("{list}labels: [{{pairs: x}}]"),
            "2:18: `labels.pairs`: expected a mapping, found a string [wrong-type]",
        ),
        (
            &format!("{list}labels: [{{pairs: {{a: 1}}}}]"),
            "2:22: a label or annotation: expected a string, found a number; put it in quotes [wrong-type]",
        ),
        (
            &format!("{list}labels: [{{includeSelectors: x}}]"),
            "2:29: `includeSelectors`: expected true or false, found a string [wrong-type]",
        ),
        (
            &format!("{list}labels: [{{fields: [{{kind: Pod}}]}}]"),
            "2:20: `labels.fields`: `path` is missing [missing-path]",
        ),
        (
            &format!("{list}labels: [{{fields: [{{path: metadata/labels}}]}}]"),
            "2:10: `labels.fields`: `metadata/labels` has to have `create: true` [conflicting-fields]",
        ),
        (
            &format!(
                "{list}labels: [{{includeSelectors: true, fields: [{{path: spec/selector/matchLabels, kind: Job, group: batch, create: true}}]}}]"
            ),
            "2:10: `labels.fields`: `spec/selector/matchLabels` must not have `create: true` [conflicting-fields]",
        ),
    ] {
        let text = format!(
            "{}\n-- outside.yaml\n{MAP}\n-- site/plain/x\n\n-- site/two/kustomization.yml\n\n-- site/two/Kustomization\n",
            with_map(content)
        );
        wrong.extend(differing(&text, format!("site/kustomization.yaml:{expected}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fault_of_resources_has_its_exact_text() {
    let mut wrong = Vec::new();
    for (kustomization, resources, expected) in [
        ("", "a: [", "a.yaml:1:4 (document 1): not YAML: unclosed bracket '[' [bad-yaml]"),
        ("", "- a", "a.yaml:1:1 (document 1): expected a mapping, found a list [bad-object]"),
        ("", "kind: A\nmetadata: {name: a}", "a.yaml:1:1 (document 1): `apiVersion` is missing [bad-object]"),
        (
            "",
            "apiVersion: v1\nmetadata: {name: a}",
            "a.yaml:1:1 (document 1): `kind` is missing [bad-object]",
        ),
        ("", "apiVersion: v1\nkind: A", "a.yaml:1:1 (document 1): `metadata` is missing [bad-object]"),
        (
            "",
            "apiVersion: v1\nkind: A\nmetadata: {}",
            "a.yaml:3:11 (document 1): `metadata.name` is missing [bad-object]",
        ),
        (
            "",
            "apiVersion: v1\nkind: List\nitems: x",
            "a.yaml:3:8 (document 1): `items`: expected a list, found a string [bad-object]",
        ),
        (
            "",
            &format!("{MAP}\n---\n{MAP}"),
            "a.yaml:5:1 (document 2): ConfigMap \"a\" is listed before, at site/a.yaml:1:1 (document 1) [listed-twice]",
        ),
        (
            "namespace: x",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
            "a.yaml:5:1 (document 2): `namespace` makes ConfigMap \"a\" the same as the one at site/a.yaml:1:1 (document 1) [namespace-conflict]",
        ),
        (
            "namespace: x",
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: a}\nspec: x",
            "a.yaml:4:7 (document 1): APIService \"a\" has a scalar where `namespace` goes through [not-a-mapping]",
        ),
        (
            "commonLabels: {x: z}",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: x}",
            "a.yaml:4:18 (document 1): Service \"a\" has no mapping here to put labels or annotations into [not-a-mapping]",
        ),
        (
            "namePrefix: x-",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {volumes: x}",
            "a.yaml:4:17 (document 1): expected a mapping or list on the way to `spec/volumes/configMap/name` [not-a-mapping]",
        ),
        (
            "namePrefix: x-",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nsubjects: [{kind: User}]",
            "a.yaml:4:12 (document 1): a reference without a `name` [unclear-reference]",
        ),
    ] {
        let text = format!(
            "-- site/kustomization.yaml\nresources: [a.yaml]\n{kustomization}\n-- site/a.yaml\n{resources}"
        );
        wrong.extend(differing(&text, format!("site/{expected}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
