use super::*;

fn faults(text: &str) -> Vec<String> {
    let error = DocumentSet::parse("-", text.as_bytes()).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Documents);
    error.fault_list().iter().map(ToString::to_string).collect()
}

const STREAM: &str = "apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata:
  name: a
  labels: {role: ephemeral, flag: true}
  annotations: {note: x}
---
apiVersion: v1
kind: Secret
metadata: {name: a, namespace: site}
---
apiVersion: v1
kind: Secret
metadata: {name: a.b}
namespace: misplaced
";

fn selected(selector: &Selector) -> Vec<usize> {
    let set = DocumentSet::parse("-", STREAM.as_bytes()).unwrap();
    set.select(selector).map(|document| document.position().document.unwrap()).collect()
}

#[test]
fn documents_know_what_they_are_and_where_they_came_from() {
    let set = DocumentSet::parse("-", STREAM.as_bytes()).unwrap();
    let [host, secret, homeless] = set.documents() else { panic!() };
    assert_eq!((host.group(), host.version(), host.kind()), ("metal3.io", "v1alpha1", "BareMetalHost"));
    assert_eq!((secret.group(), secret.version()), ("", "v1"));
    assert_eq!((host.label("flag"), host.annotation("note")), (Some("true"), Some("x")));
    assert_eq!((secret.namespace(), secret.effective_namespace()), (Some("site"), "site"));
    assert_eq!((homeless.namespace(), homeless.effective_namespace()), (None, "default"));
    assert_eq!(secret.position().to_string(), "-:8:1 (document 2)");
}

#[test]
fn every_part_of_a_selector_has_to_match() {
    let some = |text: &str| Some(text.to_owned());
    let none = Selector::default();
    for (selector, expected) in [
        (none.clone(), vec![1, 2, 3]),
        (Selector { kind: some("Secret"), ..none.clone() }, vec![2, 3]),
        (Selector { kind: some("secret"), ..none.clone() }, vec![]),
        (Selector { group: some("metal3.io"), ..none.clone() }, vec![1]),
        (Selector { group: some(""), ..none.clone() }, vec![2, 3]),
        (Selector { version: some("v1"), ..none.clone() }, vec![2, 3]),
        (Selector { name: some("a"), ..none.clone() }, vec![1, 2]),
        (Selector { name: some("a.b"), ..none.clone() }, vec![3]),
        (Selector { name: some("a?b"), ..none.clone() }, vec![]),
        (Selector { name: some(".*"), ..none.clone() }, vec![]),
        (Selector { namespace: some("default"), ..none.clone() }, vec![1, 3]),
        (Selector { namespace: some("site"), name: some("a"), ..none.clone() }, vec![2]),
        (Selector { labels: LabelSelector::parse("role,flag=true").unwrap(), ..none.clone() }, vec![1]),
        (Selector { annotations: LabelSelector::parse("!note").unwrap(), ..none.clone() }, vec![2, 3]),
    ] {
        assert_eq!(selected(&selector), expected, "{selector}");
    }
}

#[test]
fn lists_are_flattened_and_their_items_keep_their_places() {
    let set = DocumentSet::parse(
        "-",
        b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n- apiVersion: v1\n  kind: SecretList\n  items: [{apiVersion: v1, kind: Secret, metadata: {name: b}}]\n",
    )
    .unwrap();
    let shown: Vec<_> = set.documents().iter().map(|d| format!("{d} {}", d.position().line)).collect();
    assert_eq!(shown, ["Secret \"a\" 4", "Secret \"b\" 7"]);
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    for (text, expected) in [
        ("", vec!["-: holds no document"]),
        ("---\n# nothing\n---\n", vec!["-: holds no document"]),
        ("- a\n", vec!["-:1:1 (document 1): expected a mapping, found a list"]),
        (
            "kind: A\n---\napiVersion: v1\n---\nmetadata: x\n",
            vec![
                "-:1:1 (document 1): `apiVersion` is missing",
                "-:3:1 (document 2): `kind` is missing",
                "-:5:1 (document 3): `apiVersion` is missing",
                "-:5:1 (document 3): `kind` is missing",
                "-:5:11 (document 3): `metadata`: expected a mapping, found a string",
            ],
        ),
        (
            "apiVersion: v1\nkind: List\nitems: [x]\n",
            vec!["-:3:9 (document 1): expected a mapping, found a string"],
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {labels: [a]}\n",
            vec!["-:3:20 (document 1): `metadata.labels`: expected a mapping, found a list"],
        ),
    ] {
        assert_eq!(faults(text), expected, "{text}");
    }
}

#[test]
fn an_input_without_end_is_refused() {
    let error = DocumentSet::from_reader("-", std::io::repeat(b'#')).unwrap_err();
    assert_eq!(error.to_string(), "reading the documents: -: is larger than 128 MiB");
}

#[test]
fn a_reader_that_fails_is_a_fault_of_its_file() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    let error = DocumentSet::from_reader("-", Broken).unwrap_err();
    assert_eq!(error.to_string(), "reading the documents: -: cannot be read: disk on fire");
}

#[test]
fn debug_output_shows_kind_name_and_place_only() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: hunter2-canary}\n";
    let set = DocumentSet::parse("-", text.as_bytes()).unwrap();
    assert!(!format!("{set:?}").contains("canary"));
    assert!(format!("{set:?}").contains("Secret \"a\""));
}
