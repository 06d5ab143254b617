//! Generators and what puts values into objects. What is rendered is what `kubectl kustomize` 5.5.0 made
//! of the same files.

use super::{faults, rendered};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: d, labels: {app: t}}\n\
                   spec: {text: old, number: 7, none: null, map: {a: b}, list: [1], containers: [{name: a, image: x}]}";

fn site(kustomization: &str) -> String {
    format!(
        "-- site/kustomization.yaml\n{kustomization}\n-- site/pod.yaml\n{POD}\n-- site/f.txt\nhello\n\
         -- site/latin.env\na\u{e9}=b\n-- site/no-key.env\n# c\n=b\n-- site/sub/x\nx\n-- f.txt\nx"
    )
}

/// The message, without the file's name, of each kustomization's only fault.
fn assert_faults(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (kustomization, expected) in cases {
        let faults = faults(&site(kustomization));
        let expected = format!("site/kustomization.yaml:{expected}");
        if faults != [expected.as_str()] {
            wrong.push(format!("\n  expected {expected}\n  found {faults:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn mistakes_in_generators_are_told() {
    assert_faults(&[
        (
            "configMapGenerator: [{name: m, literals: [ab]}]",
            "1:43: a literal is not of the form KEY=VALUE (its text is not shown) [bad-literal]",
        ),
        (
            "configMapGenerator: [{name: m, literals: [a=b, a=c]}]",
            "1:48: `a` is generated twice [repeated-key]",
        ),
        (
            "configMapGenerator: [{literals: [a=b]}]",
            "1:22: `configMapGenerator.name` is missing [missing-field]",
        ),
        (
            "configMapGenerator: [{name: 5}]",
            "1:29: `configMapGenerator.name`: expected a string, found a number; put it in quotes [wrong-type]",
        ),
        (
            "configMapGenerator: [{name: m, type: x}]",
            "1:32: `type` is no field of `configMapGenerator` [unknown-field]",
        ),
        (
            "configMapGenerator: [{name: m, files: [a=b=c]}]",
            "1:40: a file is not of the form PATH or KEY=PATH [bad-file-source]",
        ),
        (
            "configMapGenerator: [{name: m, files: [sub]}]",
            "1:40: `sub` is a directory; expected a file [unreadable-file]",
        ),
        (
            "configMapGenerator: [{name: m, files: [../f.txt]}]",
            "1:40: `../f.txt` is a file outside the directory of its kustomization [outside-kustomization]",
        ),
        (
            "configMapGenerator: [{name: m, env: no-key.env}]",
            "1:37: `no-key.env`: line 2 has no key before its `=` [bad-env-file]",
        ),
        (
            "configMapGenerator: [{name: m, behavior: merge}]",
            "1:22: there is no ConfigMap \"m\" to merge with or to replace [nothing-to-merge]",
        ),
        (
            "configMapGenerator: [{name: m}, {name: m}]",
            "1:33: ConfigMap \"m\" is there already, from site/kustomization.yaml:1:22; set `behavior` to merge or replace [generated-twice]",
        ),
        (
            "configMapGenerator: [{name: m, options: {immutable: 5}}]",
            "1:53: `configMapGenerator.options.immutable`: expected true or false, found a number [wrong-type]",
        ),
        (
            "configMapGenerator: [{name: m, options: {labels: {a: 5}}}]",
            "1:54: `configMapGenerator.options.labels.a`: expected a string, found a number; put it in quotes [wrong-type]",
        ),
        (
            "configMapGenerator: [{name: m, literals: a=b}]",
            "1:42: `configMapGenerator.literals`: expected a list, found a string [wrong-type]",
        ),
    ]);
}

#[test]
fn what_was_several_objects_takes_no_merge() {
    let base = "namePrefix: x\nresources: [a.yaml]";
    let text = format!(
        "-- site/kustomization.yaml\nresources: [../one, ../two]\nconfigMapGenerator: [{{name: m, behavior: merge}}]\n\
         -- one/kustomization.yaml\n{base}\n-- two/kustomization.yaml\n{}\n-- one/a.yaml\n{MAP}\n-- two/a.yaml\n{MAP}",
        base.replace("Prefix: x", "Prefix: y")
    );
    let expected = "site/kustomization.yaml:2:22: there are several resources that are or were ConfigMap \"m\" [ambiguous-merge]";
    assert_eq!(faults(&text), [expected]);
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}";

#[test]
fn files_of_lines_have_to_be_text() {
    let directory = super::tree(&site("configMapGenerator: [{name: m, envs: [latin.env]}]"));
    std::fs::write(directory.path().join("site/latin.env"), b"a\xe9=b\n").unwrap();
    let error = super::read(&directory.path().join("site")).unwrap_err().to_string();
    assert!(
        error.ends_with(":1:39: `latin.env` is not UTF-8; expected lines KEY=VALUE [bad-env-file]"),
        "{error}"
    );
}

#[test]
fn no_fault_of_a_generator_shows_a_value() {
    for item in [
        "literals: [hunter2]",
        "literals: [=hunter2]",
        "literals: [a=hunter2, a=hunter2]",
        "literals: {a: hunter2}",
        "files: [password=hunter2]",
        "files: [password=a=hunter2]",
        "behavior: merge, literals: [a=hunter2]",
    ] {
        let shown = faults(&site(&format!("secretGenerator: [{{name: s, {item}}}]"))).join("\n");
        assert!(!shown.is_empty() && !shown.contains("hunter2"), "{item}: {shown}");
    }
    assert_faults(&[(
        "secretGenerator: [{name: s, files: [password=x]}]",
        "1:37: the file of `password` cannot be read, or is outside (its path is not shown) [unreadable-file]",
    )]);
}

#[test]
fn maps_and_secrets_are_generated_with_their_hashes() {
    let text = "-- site/kustomization.yaml\nresources: [../base]\ngeneratorOptions: {labels: {l: v}}\n\
        configMapGenerator:\n- {name: m, behavior: merge, literals: [b=3, c='4']}\n\
        secretGenerator:\n- {name: s, literals: [pass=word]}\n\
        -- base/kustomization.yaml\nnamePrefix: p-\nconfigMapGenerator:\n- {name: m, literals: [a=<&>, b=2], files: [f.txt]}\n\
        -- base/f.txt\nhello";
    assert_eq!(
        rendered(text),
        "apiVersion: v1\ndata:\n  a: <&>\n  b: \"3\"\n  c: \"4\"\n  f.txt: |\n    hello\nkind: ConfigMap\nmetadata:\n  \
         labels:\n    l: v\n  name: p-m-87f2d46h9t\n---\napiVersion: v1\ndata:\n  pass: d29yZA==\nkind: Secret\nmetadata:\n  \
         labels:\n    l: v\n  name: s-mfh8tdcmdf\ntype: Opaque\n"
    );
}

#[test]
fn mistakes_in_images_and_replicas_are_told() {
    let list = "resources: [pod.yaml]\n";
    let with = |text: &str| format!("{list}{text}");
    assert_faults(&[
        (
            &with("images: [{name: x, newTag: 1.5}]"),
            "2:28: `images.newTag`: expected a string, found a number; put it in quotes [wrong-type]",
        ),
        (
            &with("images: [{name: 'x('}]"),
            "2:10: `images.name`: `x(` is not a name of images [bad-image-name]",
        ),
        (&with("images: [{name: x, tag: a}]"), "2:20: `tag` is no field of `images` [unknown-field]"),
        (
            &with("replicas: [{name: d, count: 1}]"),
            "2:12: `replicas`: nothing named \"d\" has replicas (Deployment, ReplicationController, ReplicaSet, StatefulSet) [no-such-replicas]",
        ),
        (&with("replicas: [{count: 1}]"), "2:12: `replicas.name` is missing [missing-field]"),
        (
            &with("replicas: [{name: d, count: '1'}]"),
            "2:29: `replicas.count`: expected a whole number, found a string [wrong-type]",
        ),
    ]);
    let pod = site(&with("images: [{name: x, newTag: y}]")).replace("image: x", "image: [x]");
    assert_eq!(
        faults(&pod),
        ["site/pod.yaml:4:96 (document 1): `image` of a container in Pod \"d\" is a list [image-not-text]"]
    );
    let deployment = site(&with("replicas: [{name: d, count: 1}]")).replace("kind: Pod", "kind: Deployment");
    let deployment = deployment.replace("spec: {", "spec: 5\nx: {");
    assert_eq!(
        faults(&deployment),
        ["site/pod.yaml:4:7 (document 1): `spec` of Deployment \"d\" is not a mapping [not-a-mapping]"]
    );
}

#[test]
fn mistakes_in_replacements_are_told() {
    let item = |source: &str, target: &str| {
        format!("resources: [pod.yaml]\nreplacements:\n- source: {{{source}}}\n  targets:\n  - {{{target}}}")
    };
    let pod = |path: &str| item("kind: Pod", &format!("select: {{kind: Pod}}, fieldPaths: ['{path}']"));
    let from = |path: &str| item(&format!("kind: Pod, fieldPath: '{path}'"), "select: {}");
    let part = |index: i32| {
        item(
            &format!("kind: Pod, fieldPath: spec.text, options: {{delimiter: ':', index: {index}}}"),
            "select: {}",
        )
    };
    assert_faults(&[
        (
            &item("kind: Foo, name: x, namespace: y", "select: {}"),
            "3:11: `replacements.source`: there is no Foo named \"x\" in namespace \"y\" [no-such-source]",
        ),
        (
            &from("spec.nope"),
            "3:11: `replacements.source`: `spec.nope` is not in Pod \"d\" [no-source-value]",
        ),
        (
            &from("spec.none"),
            "3:11: `replacements.source`: `spec.none` is not in Pod \"d\" [no-source-value]",
        ),
        (
            &from("spec.text.a"),
            "3:11: `replacements.source`: `spec.text.a` of Pod \"d\": expected a mapping on the way, found a string [no-source-value]",
        ),
        (
            &from("spec.list.*"),
            "3:11: `replacements.source`: `spec.list.*` of Pod \"d\": `*` is only for targets [no-source-value]",
        ),
        (
            &part(3),
            "3:11: `replacements.source`: `spec.text` of Pod \"d\": `index` is 3, and the text has 1 part(s) [no-source-value]",
        ),
        (
            &part(3).replace("spec.text", "spec.map"),
            "3:11: `replacements.source`: `spec.map` of Pod \"d\": `delimiter` is for texts, and this is a mapping [no-source-value]",
        ),
        (
            &pod("spec.nope"),
            "5:40: `replacements`: `spec.nope` of Pod \"d\": is not there; `options.create` makes it [bad-replacement]",
        ),
        (
            &pod("spec.map.*"),
            "5:40: `replacements`: `spec.map.*` of Pod \"d\": expected a list on the way, found a mapping [bad-replacement]",
        ),
        (
            &pod("spec.list.7"),
            "5:40: `replacements`: `spec.list.7` of Pod \"d\": item 7 is asked for, and the list has 1 [bad-replacement]",
        ),
        (
            &pod("spec.number"),
            "5:40: `replacements`: `spec.number` of Pod \"d\": there is a number, and the value is none [bad-replacement]",
        ),
        (&pod("spec.[a=(]"), "5:40: `replacements`: `(` in a path is no regular expression [bad-field-path]"),
        (&pod("spec.[a]"), "5:40: `replacements`: `[a]` in a path is not [FIELD=VALUE] [bad-field-path]"),
        (
            &item("kind: Pod", "fieldPaths: [a]"),
            "5:5: `replacements.targets`: `select` is missing; it says which resources are meant [bad-replacement]",
        ),
        (
            &item("kind: Pod", "select: {labelSelector: '='}"),
            "5:30: `replacements`: `labelSelector`: expected a label's key, found `=` [bad-selector]",
        ),
        (
            "resources: [pod.yaml]\nreplacements: [{source: {kind: Pod}}]",
            "2:16: `replacements`: expected `source` and at least one of `targets` [bad-replacement]",
        ),
        (
            "resources: [pod.yaml]\nreplacements: [{path: pod.yaml, targets: []}]",
            "2:16: `replacements`: has both `path` and a replacement [bad-replacement]",
        ),
    ]);
}

#[test]
fn a_file_of_replacements_holds_mappings() {
    let text = site("resources: [pod.yaml]\nreplacements: [{path: f.txt}]");
    assert_eq!(
        faults(&text),
        ["site/f.txt:1:1 (document 1): `replacements`: expected a mapping, found a string [wrong-type]"]
    );
}

#[test]
fn several_sources_are_refused() {
    let text = site("resources: [pod.yaml]\nreplacements: [{source: {kind: Pod}, targets: [{select: {}}]}]");
    let text = text
        .replace("\n-- site/f.txt", &format!("\n---\n{}\n-- site/f.txt", POD.replace("name: d", "name: e")));
    assert_eq!(
        faults(&text),
        [
            "site/kustomization.yaml:2:25: `replacements.source`: there is more than one Pod [ambiguous-source]"
        ]
    );
}

#[test]
fn mistakes_in_vars_are_told() {
    let var = |object: &str, path: &str| {
        format!(
            "resources: [pod.yaml]\nvars:\n- {{name: V, objref: {{{object}}}, fieldref: {{fieldpath: '{path}'}}}}"
        )
    };
    let twice = var("kind: Pod, version: v1, name: d", "spec.text");
    let twice = format!("{twice}\n{}", twice.lines().last().unwrap());
    assert_faults(&[
        (
            &var("kind: Pod, name: d", "spec.text"),
            "3:3: `vars`: no resource fits `objref` of \"V\" (apiVersion, kind and name) [unmapped-var]",
        ),
        (
            &var("kind: Pod, apiVersion: v1, name: d", "spec.nope"),
            "3:3: `vars`: \"V\" takes `spec.nope` of Pod \"d\", which is not there [no-var-value]",
        ),
        (&twice, "4:3: `vars`: \"V\" is there twice [repeated-var]"),
    ]);
    let args = site(&var("kind: Pod, apiVersion: v1, name: d", "spec.text")).replace("image: x", "args: [1]");
    assert_eq!(
        faults(&args),
        [
            "site/pod.yaml:4:96 (document 1): `vars`: `spec/containers/args` of Pod \"d\" is a list with an item that is no text; put it in quotes [bad-var-place]"
        ]
    );
    let text = site(&var("kind: Pod, apiVersion: v1, name: d", "spec.text"));
    let text = text.replace(
        "\n-- site/f.txt",
        &format!("\n---\n{}\n-- site/f.txt", POD.replace("name: d", "name: d, namespace: n")),
    );
    assert_eq!(
        faults(&text),
        [
            "site/kustomization.yaml:3:3: `vars`: 2 resources fit `objref` of \"V\"; name the namespace [ambiguous-var]"
        ]
    );
}

#[test]
fn numbers_that_json_lacks_are_refused() {
    let text = site("resources: [pod.yaml]").replace("number: 7", "number: .inf");
    assert_eq!(
        faults(&text),
        ["site/pod.yaml:4:27 (document 1): a number of Pod \"d\" is infinite, or none [not-a-number]"]
    );
}

#[test]
fn images_replicas_replacements_and_vars_put_values_into_objects() {
    let text = "\
-- site/kustomization.yaml
resources: [a.yaml]
namePrefix: p-
images: [{name: 'r:5000/x', newName: yy, newTag: '2'}, {name: s, tagSuffix: -t}]
replicas: [{name: d, count: 3}]
replacements:
- source: {kind: Deployment, fieldPath: 'spec.template.spec.containers.[name=a].image', options: {delimiter: ':'}}
  targets: [{select: {kind: Deployment}, fieldPaths: ['metadata.annotations.[a.b/c]', spec.paused], options: {create: true}}]
vars: [{name: V, objref: {kind: Deployment, apiVersion: apps/v1, name: d}, fieldref: {fieldpath: spec.replicas}}]
-- site/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {template: {spec: {containers: [{name: a, image: 'r:5000/x:1@sha256:0', args: ['$(V)', 'n=$(V)']}, {name: b, image: s}]}}}";
    let expected = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    a.b/c: yy
  name: p-d
spec:
  paused: yy
  replicas: 3
  template:
    spec:
      containers:
      - args:
        - 3
        - n=3
        image: yy:2
        name: a
      - image: s:-t-t
        name: b
";
    assert_eq!(rendered(text), expected);
}
