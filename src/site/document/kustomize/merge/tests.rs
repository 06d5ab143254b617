use super::*;
use crate::site::yaml::{Budget, Origin, parse, to_json};

fn node(text: &str, number: u32) -> Node {
    let mut faults = Vec::new();
    let origin = Origin::new("a", None).numbered(number);
    let nodes = parse(&origin, text.as_bytes(), &mut Budget::default(), &mut faults);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    nodes.into_iter().next().unwrap().1
}

const POD: &str = "apiVersion: v1\nkind: Pod\n";

/// What becomes of a pod with these fields; of those alone.
fn merged(target: &str, patch: &str) -> String {
    let (mut target, patch) = (node(&format!("{POD}{target}"), 1), node(&format!("{POD}{patch}"), 2));
    match merge(&mut target, &patch) {
        Ok(Merged::Kept) => {
            to_json(&target).to_string().replace(r#""apiVersion":"v1","kind":"Pod","#, "").replace('"', "")
        }
        Ok(Merged::Deleted) => "deleted".into(),
        Err(trouble) => format!("{} {}:{}", trouble.code, trouble.mark.line, trouble.mark.column),
    }
}

/// The right column is what kustomize 5.5 made of it.
const FIELDS: &[(&str, &str, &str)] = &[
    ("x: {a: 1, b: 2}", "x: {b: 3, c: 4}", "{x:{a:1,b:3,c:4}}"),
    ("x: {a: 1}", "x: {a: null}", "{x:{}}"),
    ("x: {a: 1}", "x: null\ny: 1", "{y:1}"),
    ("x: {a: ~, b: null, c: , d: 1}\ny:", "q: 1", "{x:{a:null,b:null,d:1},q:1}"),
    ("x: ~", "x: {a: {b: null, c: 1}}", "{x:{a:{c:1}}}"),
    ("q: 1", "x: {a: null, l: [{b: null}]}", "{q:1,x:{l:[{b:null}]}}"),
    ("x: [1, 2]", "x: [3]", "{x:[3]}"),
    ("x: [1]", "x: [{$patch: replace}, 3]", "{x:[{$patch:replace},3]}"),
    ("x: {a: 1}", "x: {$patch: replace, b: 1}\ny: {$patch: replace, c: 1}", "{x:{b:1},y:{c:1}}"),
    ("x: {a: 1}", "x: {$patch: delete}\ny: {$patch: delete}\nz: {$patch: merge, c: 1}", "{z:{c:1}}"),
    ("x: {a: 1}", "$patch: delete", "deleted"),
    ("x: {a: 1}", "$patch: replace\nb: 1", "{x:{a:1}}"),
    ("x: {a: 1}", "x: {$patch: foo}", "patch-bad-directive 3:13"),
    ("x: {a: 1}", "y: {$patch: foo}", "{x:{a:1},y:{$patch:foo}}"),
    ("x: {a: 1}", "y: {z: {$patch: foo}}", "patch-bad-directive 3:17"),
    ("x: {a: 1}", "x: [1]", "patch-type-conflict 3:4"),
    ("x: {a: 1}", "x: 1", "patch-type-conflict 3:4"),
    ("x: 1", "x: {a: 1}", "patch-type-conflict 3:4"),
    ("x: {a: 1}", "x: {$retainKeys: [b], b: 2}", "{x:{a:1,$retainKeys:[b],b:2}}"),
    ("x: {a: [1]}", "x: {$deleteFromPrimitiveList/a: [1]}", "{x:{a:[1],$deleteFromPrimitiveList/a:[1]}}"),
];

#[test]
fn fields_are_merged_as_kustomize_merges_them() {
    for (target, patch, expected) in FIELDS {
        assert_eq!(&merged(target, patch), expected, "{target} with {patch}");
    }
}

const CONTAINERS: &[(&str, &str, &str)] = &[
    (
        "{name: c, v: 1}, {name: d}",
        "{name: x}, {name: d, w: 1}, {name: y}",
        "{name:x},{name:d,w:1},{name:y},{name:c,v:1}",
    ),
    ("{name: c}, {name: d}", "{name: d, $patch: delete}", "{name:c}"),
    ("{name: c}, {name: d, v: 1}", "{name: d, $patch: replace, w: 1}", "{name:d,v:1},{name:c}"),
    ("{name: c}", "{$patch: replace}, {name: d}", "{name:d}"),
    ("{name: c}", "{name: d, x: null}", "{name:d},{name:c}"),
    ("{name: c}", "", "{name:c}"),
    // what has no key takes those away that have one
    ("{name: c}", "{image: x}", ""),
    (
        "{name: c, env: [{name: A}, {value: x}, {name: B}]}",
        "{name: c, env: [{name: N}]}",
        "{name:c,env:[{value:x}]}",
    ),
    ("null, {name: c, env: [null, {name: A}]}", "{name: c}", "{name:c,env:[]}"),
    // of those with one key the first is patched, and the last is kept
    (
        "{name: c, env: [{name: A, v: 1}, {name: A, v: 2}]}",
        "{name: c, env: [{name: A, v: 5}]}",
        "{name:c,env:[{name:A,v:2}]}",
    ),
    ("{name: c, args: [a]}", "{name: c, args: [b]}", "{name:c,args:[b]}"),
    (
        "{name: c, ports: [{containerPort: 80}, {containerPort: 81}]}",
        "{name: c, ports: [{containerPort: 81, name: x}, {containerPort: 82}]}",
        "{name:c,ports:[{containerPort:81,name:x},{containerPort:82},{containerPort:80}]}",
    ),
    (
        "{name: c, ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]}",
        "{name: c, ports: [{containerPort: 80, protocol: TCP, name: x}, {containerPort: 81, protocol: TCP}, {containerPort: 90}]}",
        "{name:c,ports:[{containerPort:81,protocol:TCP},{containerPort:90},{containerPort:80},{containerPort:81,protocol:UDP}]}",
    ),
    (
        "{name: c, ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]}",
        "{name: c, ports: [{containerPort: 80, name: x}]}",
        "{name:c,ports:[{containerPort:80,protocol:TCP},{containerPort:80,protocol:UDP}]}",
    ),
];

#[test]
fn items_are_merged_by_their_keys_as_kustomize_merges_them() {
    for (target, patch, expected) in CONTAINERS {
        let list = |items: &str| format!("spec: {{containers: [{items}]}}");
        let expected = format!("{{spec:{{containers:[{expected}]}}}}");
        assert_eq!(merged(&list(target), &list(patch)), expected, "{target} with {patch}");
    }
    let scalars = merged("spec: {containers: [foo, {name: c}]}", "spec: {containers: [{name: c}]}");
    assert_eq!(scalars, "patch-type-conflict 3:21");
}

#[test]
fn lists_as_a_whole_follow_their_directives() {
    let containers = "spec: {containers: [{name: c}]}";
    for (patch, expected) in [
        ("{containers: [{$patch: delete}, {name: d}]}", "{spec:{}}"),
        ("{containers: [{$patch: merge}, {name: d}]}", "{spec:{containers:[{name:d},{name:c}]}}"),
        ("{containers: null}", "{spec:{}}"),
        (
            "{initContainers: [{$patch: replace}, {name: d}]}",
            "{spec:{containers:[{name:c}],initContainers:[{$patch:replace}]}}",
        ),
        ("{tolerations: [{key: a}]}", "{spec:{containers:[{name:c}],tolerations:[{key:a}]}}"),
    ] {
        assert_eq!(merged(containers, &format!("spec: {patch}")), expected, "{patch}");
    }
}

#[test]
fn sets_are_united_with_what_the_patch_has_first() {
    let finalizers = |list: &str| format!("metadata: {{finalizers: [{list}]}}");
    assert_eq!(merged(&finalizers("a, b"), &finalizers("c, b, d")), "{metadata:{finalizers:[c,b,d,a]}}");
    assert_eq!(merged(&finalizers("a, a"), "q: 1"), "{metadata:{finalizers:[a]},q:1}");
}

#[test]
fn what_replaces_a_quoted_string_is_a_string() {
    let (mut target, patch) = (node("a: \"1\"\nb: 1\nc: x", 1), node("a: 2\nb: \"0644\"\nc: 3", 2));
    merge(&mut target, &patch).unwrap();
    assert_eq!(to_json(&target).to_string(), r#"{"a":"2","b":"0644","c":3}"#);
}

#[test]
fn objects_within_objects_without_schema_are_known_by_their_kind() {
    let list = |name: &str| {
        format!("template: {{apiVersion: v1, kind: Pod, spec: {{volumes: [{{name: {name}}}]}}}}")
    };
    let (mut target, patch) = (node(&list("a"), 1), node(&list("b"), 2));
    merge(&mut target, &patch).unwrap();
    let volumes = target.at(&["template", "spec", "volumes"]).unwrap();
    assert_eq!(to_json(volumes).to_string(), r#"[{"name":"b"},{"name":"a"}]"#);
}

#[test]
fn every_node_has_the_place_that_it_came_from() {
    let mut target = node("apiVersion: v1\nkind: Pod\nspec: {volumes: [{name: a, x: 1}], y: 1}", 1);
    let patch = node("kind: Pod\nspec: {volumes: [{name: b}, {name: a, z: 1}], y: 2}", 2);
    merge(&mut target, &patch).unwrap();
    let volumes = target.at(&["spec", "volumes"]).and_then(Node::items).unwrap();
    let place = |node: &Node| (node.mark.source, node.mark.line);
    assert_eq!((place(&volumes[0]), place(&volumes[1])), ((2, 2), (1, 3)));
    assert_eq!(place(volumes[1].get("z").unwrap()), (2, 2));
    assert_eq!(place(volumes[1].get("x").unwrap()), (1, 3));
    assert_eq!(place(target.at(&["spec", "y"]).unwrap()), (2, 2));
}
