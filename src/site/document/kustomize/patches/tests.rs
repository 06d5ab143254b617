//! Whole kustomizations, and the exact text of every fault.

use crate::site::document::{DocumentSet, Source};
use crate::site::yaml::to_json;

/// Two pods and something of another kind.
const BASE: &str = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: ns, labels: {tier: x}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: ns}
---
apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata: {name: a}
spec: {list: [{name: x, v: 1}], online: true}
";

/// What a kustomization makes of the base, or its faults with paths relative to it.
fn rendered(kustomization: &str, patch: &str) -> Result<Vec<serde_json::Value>, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("base.yaml", BASE);
    write("patch.yaml", patch);
    write("kustomization.yaml", &format!("resources: [base.yaml]\n{kustomization}"));
    let prefix = format!("{}/", directory.path().display());
    match DocumentSet::read(&Source::Path(directory.path().to_owned())) {
        Ok(set) => Ok(set.documents().iter().map(|document| to_json(document.node())).collect()),
        Err(error) => Err(error.fault_list().iter().map(|f| f.to_string().replace(&prefix, "")).collect()),
    }
}

/// The object of a kind and name after patches.
fn object(kustomization: &str, patch: &str, kind: &str, name: &str) -> String {
    let objects = rendered(kustomization, patch).unwrap_or_else(|faults| panic!("{faults:?}"));
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("{objects:?}")).to_string()
}

const BY_PATH: &str = "patches: [{path: patch.yaml}]\n";
const ON_PODS: &str = "patches: [{path: patch.yaml, target: {kind: Pod}}]\n";

#[test]
fn a_patch_without_target_changes_the_object_that_it_names() {
    let patch = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: ns, labels: {tier: null, new: y}}
spec: {containers: [{name: d}, {name: c, args: [x]}]}
";
    let expected =
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"ns","labels":{"new":"y"}},"#;
    let containers = r#""spec":{"containers":[{"name":"d"},{"name":"c","image":"i","args":["x"]}]}}"#;
    assert_eq!(object(BY_PATH, patch, "Pod", "a"), format!("{expected}{containers}"));
    assert_eq!(
        object("patchesStrategicMerge: [patch.yaml]\n", patch, "Pod", "a"),
        // here kustomize makes all labels strings first
        format!("{}{containers}", expected.replace(r#""new""#, r#""tier":"null","new""#)),
    );
}

#[test]
fn a_target_selects_by_patterns_and_selectors() {
    for (target, names) in [
        ("{kind: Pod}", &["a", "b"][..]),
        ("{kind: P.d, name: a|c}", &["a"]),
        ("{name: ''}", &["a", "a", "b"]),
        ("{group: metal3.io, version: v1.*}", &["a"]),
        ("{namespace: s}", &[]),
        ("{namespace: n.|x}", &["a", "b"]),
        ("{namespace: default}", &["a"]),
        ("{labelSelector: 'tier in (x, y),!z'}", &["a"]),
        ("{annotationSelector: tier}", &[]),
        ("{kind: pod}", &[]),
        ("{}", &["a", "a", "b"]),
    ] {
        let patches = format!("patches: [{{path: patch.yaml, target: {target}}}]\n");
        let objects = rendered(&patches, "- {op: add, path: /hit, value: yes}\n").unwrap();
        let hit = objects.iter().filter(|object| object["hit"] == true);
        let mut hit: Vec<_> = hit.map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        hit.sort_unstable();
        assert_eq!(hit, names, "{target}");
    }
}

#[test]
fn names_and_kinds_change_only_where_that_is_allowed() {
    let patch = "apiVersion: v2\nkind: Cow\nmetadata: {name: z, namespace: q}\nmoo: 1\n";
    let on = |options: &str| {
        let patches = format!("patches: [{{path: patch.yaml, target: {{kind: Pod, name: a}}, {options}}}]\n");
        let objects = rendered(&patches, patch).unwrap();
        let object = objects.iter().find(|object| object["moo"] == 1).unwrap();
        format!("{} {} {}", object["apiVersion"], object["kind"], object["metadata"]).replace('"', "")
    };
    let of = |kind: &str, name: &str| format!("v1 {kind} {{name:{name},namespace:ns,labels:{{tier:x}}}}");
    assert_eq!(on(""), of("Pod", "a"));
    assert_eq!(on("options: {allowNameChange: true}"), of("Pod", "z"));
    assert_eq!(on("options: {allowKindChange: yes}"), of("Cow", "a"));
    assert_eq!(on("options: {allowNameChange: true, allowKindChange: true}"), of("Cow", "z"));
}

#[test]
fn objects_are_found_by_the_names_they_had() {
    let patches = "patches:
- {path: patch.yaml, target: {kind: Pod, name: b}}
- patch: |
    apiVersion: v1
    kind: Pod
    metadata: {name: b, namespace: ns}
    old: 1
- patch: '- {op: add, path: /new, value: 1}'
  target: {name: z}
";
    let patch = r#"[{"op": "replace", "path": "/metadata/name", "value": "z"}]"#;
    let expected =
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"z","namespace":"ns"},"old":1,"new":1}"#;
    assert_eq!(object(patches, patch, "Pod", "z"), expected);
}

#[test]
fn deleted_objects_are_gone() {
    let patch = "$patch: delete\nkind: Pod\nmetadata: {name: x}\n";
    let objects = rendered(ON_PODS, patch).unwrap();
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["BareMetalHost"]);
}

#[test]
fn lists_of_kinds_without_schema_are_replaced() {
    let patch = "apiVersion: metal3.io/v1alpha1\nkind: BareMetalHost\nmetadata: {name: a}\n\
                 spec: {list: [{name: y}]}\n";
    let expected = r#""spec":{"list":[{"name":"y"}],"online":true}}"#;
    assert!(object(BY_PATH, patch, "BareMetalHost", "a").ends_with(expected));
}

#[test]
fn a_patch_may_hold_several_objects() {
    let one = |name: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: ns}}\nhit: 1\n")
    };
    let objects = rendered(BY_PATH, &format!("{}---\n{}", one("a"), one("b"))).unwrap();
    assert_eq!(objects.iter().filter(|object| object["hit"] == 1).count(), 2);
    let list = format!("kind: List\nitems:\n- {}", one("b").trim_end().replace('\n', "\n  "));
    assert!(object(BY_PATH, &list, "Pod", "b").contains("hit"));
}

const OPERATION: &str = "- {op: add, path: /a, value: 1}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\n";

#[test]
fn every_fault_says_what_is_wrong_and_where() {
    let item = |rest: &str| format!("patches: [{{path: patch.yaml{rest}}}]\n");
    let named = |name: &str| format!("{POD}metadata: {{name: {name}}}\n");
    let merged = |rest: &str| format!("{POD}metadata: {{name: a, namespace: ns}}\n{rest}\n");
    let two = format!("{}---\n{}", merged(""), merged(""));
    let mut wrong = Vec::new();
    for (kustomization, patch, expected) in [
        (
            item(""),
            named("c"),
            "patch.yaml:1:1 (document 1): no resource is Pod \"c\" of v1 in namespace \"default\" [patch-without-match]",
        ),
        (
            item(", target: {kind: Pod}"),
            two,
            "kustomization.yaml:2:11: a patch of several documents cannot have a `target` [patch-of-several-objects]",
        ),
        (
            item(""),
            OPERATION.into(),
            "kustomization.yaml:2:11: a JSON patch needs a `target` [patch-without-target]",
        ),
        (
            "patchesJson6902: [{path: patch.yaml}]\n".into(),
            OPERATION.into(),
            "kustomization.yaml:2:19: `target` is missing [patch-without-target]",
        ),
        (
            "patchesJson6902: [{path: patch.yaml, target: {kind: Pod}}]\n".into(),
            OPERATION.into(),
            "kustomization.yaml:2:19: `target`: `name` is missing [patch-without-target]",
        ),
        (
            "patchesJson6902: [{path: patch.yaml, target: {kind: Pod, name: a}}]\n".into(),
            named("a"),
            "kustomization.yaml:2:19: is no JSON patch; put it into `patches` [patch-unreadable]",
        ),
        (
            "patches: [{target: {kind: Pod}}]\n".into(),
            String::new(),
            "kustomization.yaml:2:11: has neither `path` nor `patch` [patch-without-content]",
        ),
        (
            item(", patch: x"),
            named("a"),
            "kustomization.yaml:2:37: `path` and `patch` exclude each other [patch-with-two-contents]",
        ),
        (
            "patches: [{patch: [a]}]\n".into(),
            String::new(),
            "kustomization.yaml:2:19: `patch` is a list; expected a string [patch-unreadable]",
        ),
        (item(""), String::new(), "kustomization.yaml:2:18: holds no patch [patch-empty]"),
        (
            item(", target: {kind: Pod}"),
            "# x\n".into(),
            "kustomization.yaml:2:18: holds no patch [patch-empty]",
        ),
        (item(", target: {kind: Pod}"), "[]".into(), "kustomization.yaml:2:18: holds no patch [patch-empty]"),
        (
            "patchesStrategicMerge: [patch.yaml]\n".into(),
            "# x\n".into(),
            "kustomization.yaml:2:25: holds no patch [patch-empty]",
        ),
        (
            item(""),
            "foo".into(),
            "patch.yaml:1:1 (document 1): expected an object or a list of operations, found a string [patch-unreadable]",
        ),
        (
            item(""),
            "metadata: {name: a}".into(),
            "patch.yaml:1:1 (document 1): `kind` is missing [patch-unreadable]",
        ),
        (item(""), POD.into(), "patch.yaml:1:1 (document 1): `metadata.name` is missing [patch-unreadable]"),
        (
            item(""),
            "[{op: add}]".into(),
            "kustomization.yaml:2:18: a patch that begins with `[` has to be JSON; begin each operation with `- ` [patch-unreadable]",
        ),
        (
            item(", target: {kind: Pod, foo: x}"),
            named("a"),
            "kustomization.yaml:2:50: `foo` is not known in a target [patch-bad-target]",
        ),
        (
            item(", target: foo"),
            named("a"),
            "kustomization.yaml:2:38: `target` is a string; expected a mapping [patch-bad-target]",
        ),
        (
            item(", target: {name: 1}"),
            named("a"),
            "kustomization.yaml:2:45: `name` is a number; expected a string [patch-bad-target]",
        ),
        (
            item(", target: {name: '('}"),
            named("a"),
            "kustomization.yaml:2:45: `name` is not a regular expression [patch-bad-target]",
        ),
        (
            item(", target: {labelSelector: a b}"),
            named("a"),
            "kustomization.yaml:2:54: `labelSelector`: expected one of = == != in notin > <, found `b` [patch-bad-target]",
        ),
        (
            item(", options: {allowNameChange: 1}"),
            named("a"),
            "kustomization.yaml:2:57: expected true or false, found a number [patch-bad-options]",
        ),
        (
            item(", options: x"),
            named("a"),
            "kustomization.yaml:2:39: `options` is a string; expected a mapping [patch-bad-options]",
        ),
        (
            item(", foo: x"),
            merged(""),
            "kustomization.yaml:2:30: `foo` is no field of `patches` [unknown-field]",
        ),
        (
            item(""),
            merged("spec: [a]"),
            "patch.yaml:4:7 (document 1): a list where the object has a mapping, at base.yaml:4:7 (document 1) [patch-type-conflict]",
        ),
        (
            "patches:\n- {patch: '- {op: add, path: /spec/containers/0, value: x}', target: {name: a, kind: Pod}}\n- {path: patch.yaml}\n".into(),
            merged("spec: {containers: [{name: c}]}"),
            "kustomization.yaml:3:11: patching Pod \"a\": a string in a list whose items are mappings [patch-type-conflict]",
        ),
        (
            item(""),
            merged("spec: {$patch: foo}"),
            "patch.yaml:4:16 (document 1): patching Pod \"a\": `$patch` is none of replace, delete and merge [patch-bad-directive]",
        ),
        (
            item(", target: {kind: Pod}, options: {allowNameChange: true}"),
            named("z"),
            "patch.yaml:1:1 (document 1): Pod \"z\" is there already [patch-makes-duplicate]",
        ),
    ] {
        let faults = rendered(&kustomization, &patch).expect_err(expected);
        if faults != [expected] {
            wrong.push(format!("{faults:?} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_of_a_json_patch_says_what_is_wrong_and_where() {
    for (operation, expected) in [
        ("foo", ":1:3 (document 1): expected an operation, found a string [json-patch-malformed]"),
        ("{path: /a}", ":1:3 (document 1): `op` is missing [json-patch-malformed]"),
        (
            "{op: ADD, path: /a}",
            ":1:3 (document 1): `op` is none of add, remove, replace, move, copy and test [json-patch-malformed]",
        ),
        ("{op: add}", ":1:3 (document 1): `path` is missing [json-patch-malformed]"),
        ("{op: add, path: 5}", ":1:19 (document 1): `path` is a number [json-patch-malformed]"),
        ("{op: add, path: a}", ":1:19 (document 1): `path` has to begin with a slash [json-patch-malformed]"),
        ("{op: move, path: /a}", ":1:3 (document 1): `from` is missing [json-patch-malformed]"),
        ("{op: test, path: /a}", ":1:3 (document 1): `value` is missing [json-patch-malformed]"),
        (
            "{op: add, path: /q/r, value: 1}",
            ":1:3 (document 1): patching Pod \"a\": add at `/q/r`: there is no such place in the object [json-patch-failed]",
        ),
        (
            "{op: add, path: '', value: 1}",
            ":1:3 (document 1): patching Pod \"a\": add at ``: the whole object is there [json-patch-failed]",
        ),
        (
            "{op: replace, path: /spec/containers/7, value: 1}",
            ":1:3 (document 1): patching Pod \"a\": replace at `/spec/containers/7`: there is nothing to replace [json-patch-failed]",
        ),
        (
            "{op: test, path: /kind, value: secret}",
            ":1:3 (document 1): patching Pod \"a\": test at `/kind`: the object has another value there [json-patch-failed]",
        ),
        (
            "{op: move, from: /q, path: /r}",
            ":1:3 (document 1): patching Pod \"a\": move at `/q`: there is no such place in the object [json-patch-failed]",
        ),
        (
            "{op: remove, path: /metadata/name}",
            ": patching Pod \"a\": `metadata.name` is missing [patch-unreadable]",
        ),
    ] {
        let patches = "patches: [{path: patch.yaml, target: {kind: Pod, name: a}}]\n";
        let faults = rendered(patches, &format!("- {operation}\n")).expect_err(expected);
        assert!(faults.len() == 1 && faults[0].ends_with(expected), "{operation}: {faults:?}");
    }
}

#[test]
fn two_objects_of_one_name_make_a_patch_ambiguous() {
    let patches = "patches:
- {patch: '- {op: replace, path: /metadata/name, value: c}', target: {kind: Pod, name: a}}
- {patch: '- {op: replace, path: /metadata/name, value: a}', target: {kind: Pod, name: b}}
- {path: patch.yaml}
";
    let patch = format!("{POD}metadata: {{name: a, namespace: ns}}\n");
    let expected = "patch.yaml:1:1 (document 1): more than one resource is Pod \"a\" of v1 in namespace \"ns\" \
                    [patch-ambiguous]";
    assert_eq!(rendered(patches, &patch).unwrap_err(), [expected]);
}
