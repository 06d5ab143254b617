use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::secret;
use super::*;
use crate::site::document::DocumentSet;

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;
/// Lines with `|` are user-data, in which words like `<KEY>` stand for what a test makes; the other
/// lines, up to the next user-data, are what is said of it. `#` begins a comment.
const GOLDEN: &str = include_str!("golden.txt");

/// What is found in user-data that stands in its Secret as it is, line 1 of it in line 6 of the file.
fn found(user_data: &str) -> Vec<String> {
    let indented: String = user_data
        .split_inclusive('\n')
        .map(|line| if line == "\n" { line.to_owned() } else { format!("    {line}") })
        .collect();
    found_in(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n  userData: |2\n{indented}"
    ))
}

/// The same for user-data in base64.
fn found_in_bytes(user_data: &[u8]) -> Vec<String> {
    let encoded = STANDARD.encode(user_data);
    found_in(&format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata:\n  userData: {encoded}\n"))
}

fn found_in(secret: &str) -> Vec<String> {
    let documents = DocumentSet::parse("s.yaml", secret.as_bytes()).unwrap();
    let mut report = Report::default();
    let value = secret::value(&documents.documents()[0], "userData", &mut report).unwrap();
    user_data(&value, &Facts { host_name: Some("node-0"), now: NOW }, &mut report);
    let errors = report.errors.iter().map(|fault| format!("error: {fault}"));
    let all: Vec<_> = errors.chain(report.warnings.iter().map(|fault| format!("warning: {fault}"))).collect();
    assert!(!all.join("").contains("canary"), "{all:?}");
    all
}

/// A certificate that is valid in these years, indented.
fn certificate(years: (i32, i32), days: (u8, u8)) -> String {
    let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(years.0, 1, days.0);
    parameters.not_after = rcgen::date_time_ymd(years.1, 1, days.1);
    // of a size that is always the same
    parameters.serial_number = Some(42_u64.into());
    // whose signatures, unlike those of elliptic curves in DER, are all of one length
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

/// The words of [`GOLDEN`] and what they stand for; those of several lines are indented.
fn words() -> Vec<(&'static str, String)> {
    let indented = |pem: String| pem.lines().map(|line| format!("{line}\n      ")).collect::<String>();
    let expired = certificate((2020, 2024), (1, 31));
    let key =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode("canary"));
    vec![
        ("<ENCODED>", STANDARD.encode(&expired)),
        ("<EXPIRED>", indented(expired)),
        ("<FUTURE>", indented(certificate((2027, 2030), (1, 1)))),
        ("<SOON>", indented(certificate((2025, 2026), (1, 15)))),
        ("<GOOD>", indented(certificate((2025, 2030), (1, 15)))),
        ("<KEY>", indented(key)),
        ("<LONG>", "x".repeat(60_000)),
    ]
}

/// User-data and what is said of it.
fn cases() -> Vec<(String, Vec<String>)> {
    let (words, mut cases) = (words(), Vec::<(String, Vec<String>)>::new());
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix('|') {
            Some(text) => {
                if cases.last().is_none_or(|(_, said)| !said.is_empty()) {
                    cases.push((String::new(), Vec::new()));
                }
                let text = text.strip_prefix(' ').unwrap_or(text);
                let text =
                    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
                cases.last_mut().unwrap().0 += &(text + "\n");
            }
            None => cases.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    cases
}

#[test]
fn everything_is_said_in_these_words() {
    for (user_data, mut said) in cases() {
        said.retain(|line| line != "nothing");
        let found = found(&user_data);
        assert_eq!(found, said, "{}\n{}", &user_data[..user_data.len().min(2000)], found.join("\n"));
    }
}

#[test]
fn what_cannot_stand_in_a_file_as_it_is_has_the_place_of_its_value() {
    let begin = "s.yaml:5:13 (document 1): ";
    for (user_data, expected) in [
        (
            &b"\xef\xbb\xbf#cloud-config\n{}"[..],
            "error: line 1 of `userData`: begins with a byte order mark, behind which cloud-init does not see what it is; save it without [user-data-bom]",
        ),
        (
            b"\x1f\x8b\x08\x00",
            "warning: line 1 of `userData`: is compressed, and was not checked [user-data-not-checked]",
        ),
        (
            b"#cloud-config\npassword: \xff\xfe",
            "error: line 2 of `userData`: is not UTF-8 [cloud-config-syntax]",
        ),
        (
            b"#cloud-config\npassword: \x00",
            "error: line 2 of `userData`: holds a NUL byte; is it a YAML file? [cloud-config-syntax]",
        ),
        (
            b"#cloud-config\npassword: '\x7f'",
            "error: line 2 of `userData`: not YAML: unexpected character [cloud-config-syntax]",
        ),
        (
            b"\n#!/bin/sh\n",
            "error: line 1 of `userData`: white space before its first line; neither the kernel nor cloud-init will see what it is [leading-space]",
        ),
    ] {
        let expected = expected.replacen(": ", &format!(": {begin}"), 1);
        assert_eq!(found_in_bytes(user_data), [expected]);
    }
    let message = b"\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n";
    let expected = "an empty line before the headers of a MIME message, which end with it [leading-space]";
    assert_eq!(found_in_bytes(message), [format!("error: {begin}line 1 of `userData`: {expected}")]);
    let windows = b"#cloud-config\r\nssh_authorized_keys:\r\n- a\r\n";
    assert_eq!(found_in_bytes(windows), Vec::<String>::new());
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_in_order() {
    let all = found(
        "#cloud-config\nusers: 5\nruncmd: [5]\nwrite_file: []\nhostname: a_b\npassword: canary\nntp: []\n",
    );
    let codes: Vec<&str> =
        all.iter().map(|line| line.rsplit('[').next().unwrap().trim_end_matches(']')).collect();
    let expected = [
        "wrong-type",
        "wrong-type",
        "host-name",
        "wrong-type",
        "unknown-cloud-config-key",
        "host-name-differs",
        "plain-password",
    ];
    assert_eq!(codes, expected, "{all:#?}");
}

#[test]
fn much_of_the_same_is_counted_and_takes_no_longer_than_reading() {
    let keys: String = (0..50_000).map(|n| format!("key{n}: [a, b]\n")).collect();
    let all = found(&format!("#cloud-config\nssh_authorized_keys: [a]\n{keys}"));
    assert_eq!(all.len(), 22, "{all:#?}");
    assert!(all[21].ends_with("`userData`: 49980 more of these [unknown-cloud-config-key]"), "{}", all[21]);
    let blocks = "      -----BEGIN CERTIFICATE-----\n      -----END CERTIFICATE-----\n".repeat(20_000);
    let file = format!("#cloud-config\npassword: $6$a$b\nwrite_files:\n- path: /a\n  content: |\n{blocks}");
    assert_eq!(found(&file).len(), 22);
    let begun = format!(
        "#cloud-config\npassword: $6$a$b\nwrite_files:\n- path: /a\n  content: {}\n",
        "LS0tLS1CRUdJTi!".repeat(50_000)
    );
    assert_eq!(found(&begun).len(), 22);
}

#[test]
fn hostile_messages_come_to_an_end() {
    let nested: String = (0..200)
        .map(|n| format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    let all = found(&nested);
    assert!(
        all.iter().any(|line| line.contains("is nested deeper than 8 messages [mime-limit]")),
        "{all:#?}"
    );
    let parts = "--b\n\n#!/bin/sh\n".repeat(3000);
    let all =
        found(&format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"));
    assert!(all.iter().any(|line| line.contains("has more than 1000 parts [mime-limit]")), "{all:#?}");
    for text in [
        "MIME-Version:",
        "MIME-Version: 1\nContent-Type: multipart/x; boundary=\"\"",
        "MIME-Version: 1\nContent-Transfer-Encoding: quoted-printable\n\n=",
        "MIME-Version: 1\n folded\n\n",
    ] {
        found(text);
    }
}
