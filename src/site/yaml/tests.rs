use super::*;

fn stream(bytes: &[u8]) -> (Numbered, Vec<String>) {
    let mut faults = Vec::new();
    let documents = parse(&Origin::new("f", Some(1)), bytes, &mut Budget::default(), &mut faults);
    (documents, faults.iter().map(ToString::to_string).collect())
}

fn one(text: &str) -> Node {
    let (mut documents, faults) = stream(text.as_bytes());
    assert!(faults.is_empty(), "{text}: {faults:?}");
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).1
}

fn faults(text: &str) -> Vec<String> {
    stream(text.as_bytes()).1
}

#[test]
fn scalars_keep_their_text_and_say_what_kubernetes_takes_them_for() {
    use ScalarKind::{Bool, Null, Number, String};
    for (text, kind, expected) in [
        ("0644", Number, "0644"),
        ("no", Bool, "no"),
        ("True", Bool, "True"),
        ("y", String, "y"),
        ("'no'", String, "no"),
        ("\"a\\tb\"", String, "a\tb"),
        ("~", Null, "~"),
        ("null", Null, "null"),
        ("'null'", String, "null"),
        ("1.5e3", Number, "1.5e3"),
        ("1.2.3", String, "1.2.3"),
        ("0x1F", Number, "0x1F"),
        ("0o17", Number, "0o17"),
        (".inf", Number, ".inf"),
        ("-.inf", Number, "-.inf"),
        ("infinity", String, "infinity"),
        ("1_000", Number, "1_000"),
        ("1e", String, "1e"),
        ("52:54:00:11:22:33", String, "52:54:00:11:22:33"),
        ("2020-01-01", String, "2020-01-01"),
        ("!!str 5", String, "5"),
        ("! 5", String, "5"),
        ("!!int 5", Number, "5"),
        ("!!null x", Null, "x"),
    ] {
        let root = one(&format!("k: {text}\n"));
        let Value::Scalar(scalar) = &root.entries()[0].value.value else { panic!("{text}") };
        assert_eq!((scalar.kind, scalar.text.as_str()), (kind, expected), "{text}");
    }
}

#[test]
fn every_node_knows_its_place_in_the_file() {
    let (documents, faults) = stream("a: 1\n---\n# c\nb:\n  - x\n  - {c: d}\n".as_bytes());
    assert!(faults.is_empty());
    let (number, root) = &documents[1];
    assert_eq!((*number, root.mark), (2, Mark::new(4, 1)));
    let items = root.at(&["b"]).unwrap().items().unwrap();
    assert_eq!(items[0].mark, Mark::new(5, 5));
    assert_eq!(items[1].get("c").unwrap().mark, Mark::new(6, 9));
    assert_eq!(items[1].entries()[0].key_mark, Mark::new(6, 6));
}

#[test]
fn spans_cover_the_bytes_of_scalars_in_the_file() {
    for (text, expected) in [
        ("k: plain # c\n", "plain"),
        ("k: 'sin''gle'\n", "'sin''gle'"),
        ("\u{feff}k: \"d\u{e9}\"\n", "\"d\u{e9}\""),
        ("{\"k\": \"flow\", \"l\": 1}", "\"flow\""),
        ("é: [x]\nk: v\n", "v"),
        ("k: &a v\n", "v"),
        ("z: &a v\nk: *a\n", "*a"),
    ] {
        let root = one(text);
        assert_eq!(&text[bytes(&root.get("k").unwrap().span)], expected, "{text}");
    }
}

#[test]
fn empty_documents_are_counted_and_left_out() {
    let numbers =
        |text: &str| stream(text.as_bytes()).0.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert!(numbers("").is_empty());
    assert!(numbers("# only a comment\n").is_empty());
    assert_eq!(numbers("---\n---\na: 1\n---\n# none\n---\nnull\n---\nb: 1\n...\n"), [2, 5]);
    assert_eq!(numbers("\u{feff}---\na: 1\n"), [1]);
    assert_eq!(numbers("a: 1\r\n---\r\nb: 1\r\n"), [1, 2]);
}

#[test]
fn a_broken_document_is_named_and_the_others_are_still_read() {
    let (documents, faults) = stream(b"a: 1\n---\nb: [1, 2\n---\nc: 3\n---\nd: \"x\n---\ne: 1\n");
    assert_eq!(documents.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("(document 2)"), "{faults:?}");
    assert!(faults[1].contains("(document 4)"), "{faults:?}");
}

#[test]
fn a_stream_of_garbage_gives_a_bounded_number_of_faults() {
    assert!(faults(&"---\na: ]\n".repeat(1000)).len() < 30);
}

#[test]
fn a_key_may_be_there_only_once() {
    assert_eq!(faults("a: 1\nb: 2\na: 3\n"), ["f:3:1 (document 1): `a` is there twice"]);
    assert_eq!(faults("a: {b: 1, 'b': 2, b: 3}\n").len(), 2);
    // a secret in the place of a key is not shown
    let shown = faults("? my secret\n: 1\n? my secret\n: 2\n");
    assert_eq!(shown, ["f:3:3 (document 1): a key is there twice"]);
}

#[test]
fn merge_keys_give_what_the_mapping_itself_lacks() {
    let root = one("base: &b {x: 1, y: 1}\nother: &o {y: 2, z: 2}\nuse:\n  <<: [*b, *o]\n  x: 0\n");
    let text = |key| root.at(&["use", key]).and_then(Node::text);
    assert_eq!((text("x"), text("y"), text("z")), (Some("0"), Some("1"), Some("2")));
    assert_eq!(root.get("use").unwrap().entries().len(), 3);
    assert_eq!(one("'<<': 1\n").get("<<").and_then(Node::text), Some("1"));
    assert!(faults("<<: 1\n")[0].contains("`<<` takes"));
}

#[test]
fn aliases_are_expanded_within_bounds() {
    let root = one("a: &x {k: [v]}\nb: *x\n");
    assert_eq!(root.at(&["b", "k"]).unwrap().items().unwrap()[0].text(), Some("v"));
    assert_eq!(root.get("b").unwrap().mark, Mark::new(2, 4));
    assert!(faults("a: *nothing\n")[0].contains("unknown anchor"));
    assert!(faults("a: &x [*x]\n")[0].contains("within the node"));
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
    }
    assert!(faults(&laughs)[0].contains("bomb"), "{:?}", faults(&laughs));
    // few nodes, much text
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(","));
    assert!(faults(&long)[0].contains("bomb"));
    // chained, each within the depth that the parser sees
    let mut deep = String::from("a0: &a0 x\n");
    for level in 1..20 {
        deep += &format!("a{level}: &a{level} {}*a{} {}\n", "[".repeat(20), level - 1, "]".repeat(20));
    }
    assert!(faults(&deep)[0].contains("nested deeper"), "{:?}", faults(&deep));
}

#[test]
fn a_bomb_ends_the_stream() {
    let anchors = "x".repeat(1 << 20);
    let bomb = format!("a: &a {anchors}\nb: [{}]\n---\nc: 1\n", vec!["*a"; 100].join(","));
    let (documents, faults) = stream(bomb.as_bytes());
    assert_eq!((documents.len(), faults.len()), (0, 1));
}

#[test]
fn depth_is_limited_in_block_and_in_flow() {
    for text in ["[".repeat(200_000), "- ".repeat(100_000), "{a: ".repeat(1000), "? ".repeat(10_000)] {
        let shown = faults(&text);
        assert!(!shown.is_empty());
        assert!(shown[0].contains("nested deeper") || shown[0].contains("key of a mapping"), "{shown:?}");
    }
    let fine = format!("{}x{}", "[".repeat(100), "]".repeat(100));
    one(&fine);
}

#[test]
fn encodings_other_than_utf_8_are_named() {
    let shown = |bytes: &[u8]| stream(bytes).1.join("\n");
    assert!(shown(b"\xff\xfea\0").contains("UTF-16"));
    assert_eq!(shown(b"a: b\nc: d\xe9\n"), "f:2:5 (document 1): is not UTF-8");
    assert_eq!(shown(b"\xef\xbb\xbfa: \xff"), "f:1:4 (document 1): is not UTF-8");
    assert_eq!(
        shown("a\u{e9}: b\u{e9}\0".as_bytes()),
        "f:1:7 (document 1): holds a NUL byte; is it a YAML file?"
    );
    assert!(shown(&[0x1f, 0x8b, 8, 0]).contains("not UTF-8"));
}

#[test]
fn keys_that_are_no_words_are_refused() {
    for text in ["{{ template }}\n", "a: {{ x }}\n", "[a]: b\n", "? {a: b}\n: c\n", "&a a: 1\n*a : 2\n"] {
        assert!(
            faults(text).join("").contains("key of a mapping"),
            "{text}: {:?} {:?}",
            faults(text),
            stream(text.as_bytes()).0
        );
    }
    assert!(faults(": x\n")[0].contains("without a key"));
    assert_eq!(one("1: x\ntrue: y\n").get("true").and_then(Node::text), Some("y"));
}

#[test]
fn tags_that_kubernetes_does_not_know_are_refused() {
    for text in ["a: !secret x\n", "a: !!binary aGk=\n", "a: !!set {}\n", "!!map [a]\n", "a: !!int x\n"] {
        assert!(faults(text)[0].contains("tag"), "{text}");
    }
    one("!!map {a: !!seq [b]}\n");
}

#[test]
fn the_budget_counts_over_several_streams() {
    let mut budget = Budget { nodes: 5, ..Budget::default() };
    let mut faults = Vec::new();
    let origin = Origin::new("f", None);
    parse(&origin, b"[a, b]", &mut budget, &mut faults);
    assert!(faults.is_empty());
    parse(&origin, b"[a, b]", &mut budget, &mut faults);
    assert_eq!(faults.len(), 1);
    let mut budget = Budget { bytes: 3, ..Budget::default() };
    parse(&origin, b"[a, b]", &mut budget, &mut faults);
    assert!(faults[1].to_string().contains("larger than"), "{}", faults[1]);
}

#[test]
fn no_message_or_debug_output_shows_a_value() {
    const CANARY: &str = "hunter2-canary";
    for text in [
        "a: \"hunter2-canary\n",
        "hunter2-canary: x: y\n",
        "a: !hunter2-canary x\n",
        "a: !!int hunter2-canary\n",
        "a: *hunter2-canary\n",
        "a: hunter2-canary\n b: c\n",
        "a: 'hunter2-canary' hunter2-canary\n",
        "a: |0\n hunter2-canary\n",
        "a: @hunter2-canary\n",
        "[hunter2-canary]: [\n",
    ] {
        let shown = faults(text).join("\n");
        assert!(!shown.is_empty(), "{text}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let root = one("a: hunter2-canary\n");
    assert!(!format!("{root:?} {:?}", root.get("a")).contains(CANARY));
}

#[test]
fn mangled_input_never_panics() {
    let seed = "a: &x {k: [v, 'q', \"d\\n\"]}\nb: *x\nc: |-\n  t\n---\n- !!str 1\n- <<: *x\n  k: >\n   f\n...\n%YAML 1.2\n---\n? p\n: é\n";
    let pieces = [
        ":", "-", "\n", "  ", "*x", "&x ", "[", "]", "{", "}", "|", "'", "\"", "---\n", "<<: ", "!!int ",
        "\u{feff}",
    ];
    // xorshift: the same inputs in every run
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..3000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=random(6) {
            let at = random(text.len());
            let piece = pieces[random(pieces.len())];
            let end = (at + random(4)).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        let (documents, faults) = stream(text.as_bytes());
        assert!(documents.len() < 50 && faults.len() < 50);
    }
}

#[test]
#[ignore = "a measurement: cargo test --lib site::yaml -- --ignored --nocapture"]
fn five_megabytes_are_read_in_reasonable_time() {
    let document = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels:\n    a: b\ndata:\n  key: value\n---\n";
    let text = document.repeat((5 << 20) / document.len());
    let start = std::time::Instant::now();
    let (documents, faults) = stream(text.as_bytes());
    println!("{} bytes, {} documents, {:?}", text.len(), documents.len(), start.elapsed());
    assert!(faults.is_empty());
}

fn bytes(span: &std::ops::Range<u32>) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

#[test]
fn what_is_too_much_is_told_with_its_limit() {
    let told = |budget: Budget| {
        let (mut budget, mut faults) = (budget, Vec::new());
        parse(&Origin::new("f", None), b"a: &a [x, y]\nb: *a\n", &mut budget, &mut faults);
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let bomb = "holds more than 2000000 values or 64 MiB, aliases expanded; a YAML bomb?";
    assert_eq!(told(Budget { copied_nodes: 5, ..Budget::default() }), [format!("f:2:4: {bomb}")]);
    assert_eq!(told(Budget { copied_text: 3, ..Budget::default() }), [format!("f:2:4: {bomb}")]);
    assert_eq!(told(Budget { nodes: 3, ..Budget::default() }), ["f:2:4: holds more than 8000000 values"]);
    assert_eq!(told(Budget { bytes: 3, ..Budget::default() }), ["f: is larger than 128 MiB"]);
    assert_eq!(told(Budget::default()), [""; 0]);
}

#[test]
fn for_cloud_init_the_last_of_equal_keys_counts_and_its_tags_are_known() {
    let text = b"a: 1\nb: !!binary aGk=\nc: !!str 5\na: 2\n---\n";
    let mut faults = Vec::new();
    let origin = Origin::new("x", None);
    let found = parse_as(Dialect::CloudInit, &origin, text, &mut Budget::default(), &mut faults);
    let root = &found[0].1;
    assert_eq!((found.len(), root.get("a").and_then(Node::text)), (2, Some("2")));
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["x:1:1: `a` is there again further down; only the last counts [duplicate-key]"]
    );
    for key in ["b", "c"] {
        let style =
            |node: &Node| matches!(&node.value, Value::Scalar(scalar) if scalar.style == Style::Quoted);
        assert!(root.get(key).is_some_and(style), "{key}");
    }
    assert_eq!(parse(&origin, b"a: !!binary aGk=\n", &mut Budget::default(), &mut Vec::new()).len(), 0);
}
