use super::*;
use crate::site::yaml::{Budget, Origin, parse};

fn node(text: &str, number: u32) -> Node {
    let mut faults = Vec::new();
    let origin = Origin::new("a", None).numbered(number);
    let nodes = parse(&origin, text.as_bytes(), &mut Budget::default(), &mut faults);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    nodes.into_iter().next().unwrap().1
}

fn edited(target: &str, patch: &str) -> Result<Node, String> {
    let mut target = node(target, 1);
    let operations = operations(&node(patch, 2)).map_err(|trouble| trouble.message)?;
    apply(&mut target, &operations).map_err(|trouble| trouble.message)?;
    Ok(target)
}

const TARGET: &str = "{l: [a, b, c], m: {x: 1}, s: foo, z: null}";

#[test]
fn operations_do_what_kustomize_does() {
    for (operation, expected) in [
        ("op: add, path: /l/1, value: q", r#"{"l":["a","q","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: add, path: /l/-, value: q", r#"{"l":["a","b","c","q"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: add, path: /l/-1, value: q", r#"{"l":["a","b","c","q"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: add, path: /l/-4, value: q", r#"{"l":["q","a","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: add, path: /l/01, value: q", r#"{"l":["a","q","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: remove, path: /l/-1", r#"{"l":["a","b"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: remove, path: /z", r#"{"l":["a","b","c"],"m":{"x":1},"s":"foo"}"#),
        ("op: replace, path: /l/-1, value: q", r#"{"l":["a","b","q"],"m":{"x":1},"s":"foo","z":null}"#),
        (
            "op: replace, path: /m/q, value: 0644",
            r#"{"l":["a","b","c"],"m":{"x":1,"q":420},"s":"foo","z":null}"#,
        ),
        ("op: add, path: /m/x", r#"{"l":["a","b","c"],"m":{"x":null},"s":"foo","z":null}"#),
        ("op: add, path: m/y, value: yes", r#"{"l":["a","b","c"],"m":{"x":1},"s":"foo","z":null,"y":true}"#),
        (
            "op: add, path: /m/a~1b~01, value: 2001-01-01",
            r#"{"l":["a","b","c"],"m":{"x":1,"a/b~1":"2001-01-01"},"s":"foo","z":null}"#,
        ),
        ("op: move, from: /l/0, path: /l/-", r#"{"l":["b","c","a"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: move, from: /m/x, path: /l/1", r#"{"l":["a",1,"b","c"],"m":{},"s":"foo","z":null}"#),
        ("op: copy, from: /l/-1, path: /l/0", r#"{"l":["c","a","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
        (
            "op: copy, from: /m, path: /m/y",
            r#"{"l":["a","b","c"],"m":{"x":1,"y":{"x":1}},"s":"foo","z":null}"#,
        ),
        ("op: copy, from: /q, path: /w", r#"{"l":["a","b","c"],"m":{"x":1},"s":"foo","z":null,"w":null}"#),
        ("op: test, path: /m, value: {x: 1.0}", r#"{"l":["a","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
        ("op: test, path: /q, value: null", r#"{"l":["a","b","c"],"m":{"x":1},"s":"foo","z":null}"#),
    ] {
        let result = edited(TARGET, &format!("[{{{operation}}}]"));
        assert_eq!(to_json(&result.expect(operation)).to_string(), expected, "{operation}");
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    for operation in [
        "op: add, path: /l/-5, value: q",
        "op: add, path: /l/4, value: q",
        "op: add, path: /l/x, value: q",
        "op: add, path: /s/x, value: q",
        "op: add, path: /q/r, value: q",
        "op: replace, path: /l/-, value: q",
        "op: replace, path: /l/3, value: q",
        "op: replace, path: /q/r, value: q",
        "op: remove, path: /l/-",
        "op: remove, path: /q",
        "op: test, path: /q/r, value: null",
        "op: test, path: /l/7, value: null",
        "op: test, path: /m/x, value: '1'",
        "op: move, from: /l, path: /l/0",
        "op: move, from: /q, path: /w",
        "op: copy, from: /q/r, path: /w",
    ] {
        assert!(edited(TARGET, &format!("[{{{operation}}}]")).is_err(), "{operation}");
    }
}

#[test]
fn what_did_not_change_keeps_its_place_and_text() {
    let target = "l:\n- a: 0x10\n- b: 1\nm:\n  x: 1\n";
    let patch = "- op: add\n  path: /l/0\n  value:\n    n: 1\n- {op: move, from: /m/x, path: /y}\n";
    let target = edited(target, patch).unwrap();
    let items = target.get("l").and_then(Node::items).unwrap();
    let place = |node: &Node| (node.mark.source, node.mark.line);
    let places: Vec<_> = items.iter().map(|item| place(&item.entries()[0].value)).collect();
    assert_eq!(places, [(2, 4), (1, 2), (1, 3)]);
    assert_eq!(items[1].get("a").and_then(Node::text), Some("0x10"));
    // what was moved is still where it was written
    assert_eq!(target.get("y").map(place), Some((1, 5)));
}

#[test]
fn large_integers_are_rounded_as_kustomize_rounds_them() {
    let target = edited("{big: 12345678901234567890, small: 9007199254740992}", "[]").unwrap();
    assert_eq!(to_json(&target).to_string(), r#"{"big":12345678901234567000,"small":9007199254740992}"#);
}
