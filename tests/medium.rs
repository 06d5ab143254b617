//! What the reference builder refuses of its own keys is found before it is pulled: its own checks are the judge.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use airshipctl::error::ErrorKind;
use airshipctl::site::config::IsoConfiguration;

/// By key, values as they stand in YAML.
const VALUES: [(&str, &[&str]); 4] = [
    (
        "label",
        &[
            "SITE",
            "a.b-c_d",
            "''",
            "' '",
            "a b",
            "ä",
            "[a]",
            "{a: b}",
            "12",
            "'12'",
            "true",
            "null",
            "~",
            "",
            "1.5",
            "a/b",
            "\"a\\nb\"",
            "cidata",
            "CIDATA",
            "Config-2",
            "config-22",
            "cidata1",
            "|\n    SITE\n",
            "12345678901234567890123456789012x",
            "x2345678901234567890123456789012",
            "'12345678901234567890123456789012'",
        ],
    ),
    (
        "kernelArgs",
        &[
            "''",
            "[]",
            "{}",
            "null",
            "quiet",
            "quiet  nomodeset",
            "[quiet, 'ds=x;y']",
            "[a b]",
            "['']",
            "[1]",
            "['1']",
            "[null]",
            "[[a]]",
            "[true]",
            "12",
            "1.5",
            "'a\"b'",
            "[\"a\\\\b\"]",
            "[\"it's\"]",
            "$(reboot)",
            "['${x}']",
            "[ä]",
            "['a\u{a0}b']",
            "\"a\\tb\"",
            "\"a\\u0007\"",
            "['!~']",
            ">-\n    a\n    b\n",
            "{a: b}",
        ],
    ),
    (
        "console",
        &[
            "tty0",
            "tty0 ttyS0,115200n8",
            "[tty0, 'ttyS0,115200n8']",
            "['ttyS0,115200']",
            "['ttyS0,9600r']",
            "['ttyS0,9600e7r']",
            "['ttyS0,9600n9']",
            "['ttyS0,']",
            "['ttyS0,n8']",
            "['ttyS0,9600rr']",
            "['ttyS0,9600r8']",
            "[tty]",
            "['0']",
            "[0]",
            "['tty0x']",
            "['t1t2']",
            "['']",
            "[]",
            "hvc0",
            "'ttyS0,1,2'",
            "['ttyé0']",
            "[ttyS0;x]",
            "null",
            "5",
            "{}",
        ],
    ),
    (
        "sourceDateEpoch",
        &[
            "0",
            "1750000000",
            "'1750000000'",
            "4294967295",
            "4294967296",
            "99999999999999999999999",
            "-1",
            "'-1'",
            "1.5",
            "1e3",
            "'+5'",
            "x",
            "''",
            "' 5'",
            "true",
            "null",
            "[1]",
            "{a: 1}",
            "0x10",
            "010",
            "'010'",
            "1_000",
            "+5",
            "2026-01-01",
        ],
    ),
];

fn configuration(image: &str, builder: &str) -> String {
    format!(
        "container:\n  volume: /srv/iso:/config\n{image}builder:\n  userDataFileName: user-data\n  networkConfigFileName: network-config\n{builder}"
    )
}

/// Whether each of the texts, which are sections `builder`, is refused by the builder's script.
fn judged(sections: &[String]) -> Vec<bool> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/builder/refused.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 is installed by scripts/setup.sh");
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(sections).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_the_reference_builder_refuses_is_an_error_and_for_others_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("isogen.yaml");
    let mut cases: Vec<_> =
        VALUES.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value))).collect();
    let mut sections: Vec<_> = cases.iter().map(|(key, value)| format!("  {key}: {value}\n")).collect();
    for words in [60, 70] {
        cases.push((&"kernelArgs", &"words"));
        sections.push(format!("  kernelArgs: {}\n", "a=0123456789012345678901234567 ".repeat(words)));
    }
    let judged = judged(&sections);
    assert!(judged.iter().any(|refused| *refused) && judged.iter().any(|refused| !*refused));
    for (((key, value), section), refused) in cases.iter().zip(&sections).zip(judged) {
        let load = |image| {
            fs::write(&path, configuration(image, section)).unwrap();
            IsoConfiguration::load(&path)
        };
        let (own, other) = (load(""), load("  image: registry.example/isogen:1\n").unwrap());
        assert_eq!((own.is_err(), other.warnings.len()), (refused, refused.into()), "{key}: {value}");
        let Err(error) = own else { continue };
        assert_eq!(error.kind(), ErrorKind::Usage);
        let said =
            format!(":6:{}: `builder.{key}`: the reference builder refuses it; expected ", key.len() + 5);
        // in a list it is the place of the word, and of a block that of its text
        assert!(error.to_string().contains(&said) || value.contains(['[', '\n']), "{error}");
        assert!(error.to_string().ends_with(" [medium-option]"), "{error}");
        assert_eq!(other.warnings[0].code.as_deref(), Some("medium-option"));
    }
}
