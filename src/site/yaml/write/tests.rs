//! The texts on the right are what `kubectl kustomize` (5.5.0) made of those on the left.

use super::*;
use crate::site::yaml::{Budget, Mark, Origin, parse};

fn one(text: &str) -> Node {
    let mut faults = Vec::new();
    let mut nodes = parse(&Origin::new("x", None), text.as_bytes(), &mut Budget::default(), &mut faults);
    assert!(faults.is_empty(), "{faults:?}: {text}");
    nodes.remove(0).1
}

#[test]
fn documents_are_written_byte_for_byte_as_kustomize_writes_them() {
    let written = write(&one(include_str!("../../../../tests/fixtures/yaml/read.yaml")));
    let expected = include_str!("../../../../tests/fixtures/yaml/written.yaml");
    for (ours, theirs) in written.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(written, expected);
}

#[test]
fn what_yaml_1_1_alone_takes_for_something_else_is_quoted_or_escaped() {
    // kustomize writes the first two plain and the others raw, and other programs read them differently
    for (value, written) in [
        ("=", "\"=\""),
        ("<<", "\"<<\""),
        ("a\u{2028}b", "\"a\\Lb\""),
        ("a\u{2029}\nb", "\"a\\P\\nb\""),
        ("a\u{85}b", "\"a\\Nb\""),
        ("2020-99-99", "\"2020-99-99\""),
        ("2001-12-14 21:59:43.10 -5", "\"2001-12-14 21:59:43.10 -5\""),
        ("0x_", "\"0x_\""),
        ("._1", "\"._1\""),
        ("\u{7f}", "\"\\x7F\""),
    ] {
        let mut node = Node::empty_mapping(Mark::default());
        node.set("k", Node::of_text(value, Mark::default()));
        assert_eq!(write(&node), format!("k: {written}\n"));
    }
}

#[test]
fn infinities_keep_their_words() {
    assert_eq!(write(&one("[.inf, -.Inf, .nan]")), "- .inf\n- -.Inf\n- .nan\n");
}

/// Texts put together from what is hard for writers and readers; the same in every run.
fn nasty_texts() -> Vec<String> {
    const PIECES: [&str; 40] = [
        "a",
        "b c",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r",
        ":",
        ": ",
        " #",
        "#",
        "-",
        "- ",
        "?",
        "'",
        "\"",
        "\\",
        "%",
        "0",
        "1",
        "12",
        "_",
        ".",
        "e",
        "0x",
        "0o",
        "é",
        "\u{1F600}",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\u{a0}",
        "\u{7}",
        "null",
        "true",
        "no",
        "---",
        "...",
        "wide words that go on beyond the width of the line ",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    (0..6000).map(|_| (0..=random(7)).map(|_| PIECES[random(PIECES.len())]).collect()).collect()
}

fn nasty_document() -> Node {
    let mut root = Node::empty_mapping(Mark::default());
    let mut items = Vec::new();
    for text in nasty_texts() {
        let value = Node::of_text(text.as_str(), Mark::default());
        let mut item = Node::empty_mapping(Mark::default());
        item.set(&text, value.clone());
        items.extend([value.clone(), item]);
        root.set(&text, value);
    }
    root.set("items", Node::sequence(items, Mark::default()));
    root
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let document = nasty_document();
    assert!(one(&write(&document)).same_as(&document));
}

#[test]
fn a_reader_of_yaml_1_1_reads_the_same() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let document = nasty_document();
    let input = format!("{}\n{}", to_json(&document), write(&document));
    let script = "import json, sys, yaml\n\
        expected = json.loads(sys.stdin.readline())\n\
        assert yaml.safe_load(sys.stdin.read()) == expected";
    let mut python = Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(python.wait().unwrap().success());
}
