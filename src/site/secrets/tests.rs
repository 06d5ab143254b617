use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn documents(text: &str) -> DocumentSet {
    DocumentSet::parse("site.yaml", text.as_bytes()).unwrap()
}

fn of(words: &[&str]) -> SecretValues {
    let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    SecretValues::of([words, BTreeSet::new()]).unwrap()
}

/// What is shown of `text`, taken in pieces of this size.
fn shown(secrets: &SecretValues, text: &str, size: usize) -> String {
    let mut filter = secrets.filter();
    let mut shown: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| filter.take(piece)).collect();
    shown.extend(filter.finish());
    String::from_utf8(shown).unwrap()
}

/// A Secret with this user-data.
fn user_data(text: &str) -> SecretValues {
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "u"}, "stringData": {"userData": text},
    });
    SecretValues::gather(&documents(&secret.to_string()), &[]).unwrap()
}

#[test]
fn secrets_are_hidden_wherever_the_stream_is_cut() {
    let secrets = of(&["hunter2hunter2", "correct-horse"]);
    let text = "a hunter2hunter2 b\ncorrect-horsecorrect-horse!\nhunter2hunter, hunter2hunter2";
    for size in 1..text.len() + 1 {
        assert_eq!(shown(&secrets, text, size), "a *** b\n***!\nhunter2hunter, ***", "pieces of {size}");
    }
}

#[test]
fn secrets_that_overlap_are_hidden_from_the_first_byte_to_the_last() {
    let secrets = of(&["abcdefgh", "efghijklmn", "fghijklm"]);
    let text = "x abcdefghijklmn y abcdefghij z";
    for size in 1..text.len() + 1 {
        assert_eq!(shown(&secrets, text, size), "x *** y ***ij z", "pieces of {size}");
    }
}

#[test]
fn complete_lines_are_never_held_back() {
    let secrets = of(&["hunter2hunter2"]);
    let mut filter = secrets.filter();
    assert_eq!(filter.take(b"password: "), b"");
    assert_eq!(filter.take(b"x\nnext: hun"), b"password: x\n");
    assert_eq!(filter.finish(), b"next: hun");
}

#[test]
fn a_stream_without_secrets_passes_as_it_is() {
    let secrets = SecretValues::default();
    assert!(secrets.is_empty());
    assert_eq!(shown(&secrets, "abc\n\nd", 2), "abc\n\nd");
    let secrets = of(&["hunter2hunter2"]);
    let text: String = (0..5000).map(|number| format!("{number} ")).collect();
    assert_eq!(shown(&secrets, &text, 100), text);
}

#[test]
fn much_output_without_a_line_break_takes_little_memory() {
    let secrets = of(&["hunter2hunter2"]);
    let mut filter = secrets.filter();
    let hidden: usize = (0..1000).map(|_| filter.take(&b"hunter2hunter2".repeat(100)).len()).sum();
    assert_eq!(hidden, 3, "all of it is one secret");
    assert!(filter.take(&[b'x'; 1 << 16]).len() > (1 << 16) - 100);
}

#[test]
fn debug_shows_a_count_only() {
    let secrets = of(&["hunter2hunter2"]);
    assert_eq!(format!("{secrets:?}"), "1 secret patterns");
    let mut filter = secrets.filter();
    filter.take(b"hunter2hunt");
    assert!(!format!("{filter:?}").contains("hunt"), "{filter:?}");
}

#[test]
fn cloud_config_is_read_by_its_keys() {
    let secrets = user_data(
        "#cloud-config
password: top-level-1
hostname: node-name-long
chpasswd:
  expire: false
  list: |
    root:listed-word-1
    administrator:listed-word-2
  users:
  - {name: administrator, password: listed-word-3, type: text}
users:
- name: administrator
  plain_text_passwd: plain words of it
  hashed_passwd: $6$rounds=4096$salt$hashhashhashhash
  ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxx1234567890abcdefgABCDEFG me@host]
  lock_passwd: false
write_files:
- {path: /etc/token-file, permissions: '0600', content: opaque-content-1}
- {path: /etc/app.conf, content: \"listen=127.0.0.1:8080\\napi_key=assigned-word-1\\n\"}
- {path: /etc/b, encoding: b64, content: cGFzc3dvcmQ6IGVuY29kZWQtd29yZC0x}
runcmd:
- [kubeadm, join, --token, abcdef.0123456789abcdef, 192.0.2.1:6443]
- echo deploy:piped-word-1 | chpasswd
- curl http://user:url-word-1@registry.example/x
- curl -H 'Authorization: Bearer bearer-word-1' https://registry.example
",
    );
    for secret in [
        "top-level-1",
        "listed-word-1",
        "listed-word-2",
        "listed-word-3",
        "plain words of it",
        "$6$rounds=4096$salt$hashhashhashhash",
        "opaque-content-1",
        "assigned-word-1",
        "encoded-word-1",
        "abcdef.0123456789abcdef",
        "piped-word-1",
        "url-word-1",
        "bearer-word-1",
    ] {
        assert_eq!(shown(&secrets, &format!("<{secret}>"), 7), "<***>", "{secret}");
    }
    for public in [
        "node-name-long",
        "administrator",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxx1234567890abcdefgABCDEFG me@host",
        "/etc/token-file",
        "listen=127.0.0.1:8080",
        "192.0.2.1:6443",
        "https://registry.example",
        "kubeadm join --token",
        "#cloud-config",
        "ssh_authorized_keys:",
    ] {
        assert_eq!(shown(&secrets, public, 7), public);
    }
}

#[test]
fn the_private_halves_of_keys_are_secret_and_the_public_ones_are_not() {
    let line = |c: char| c.to_string().repeat(64);
    let pem = |what: &str, c: char| {
        format!(
            "-----BEGIN {what}-----\n{}\n{}\n-----END {what}-----\n",
            line(c),
            line((c as u8 + 1) as char)
        )
    };
    let content = format!("{}{}", pem("CERTIFICATE", 'A'), pem("RSA PRIVATE KEY", 'C'));
    let indented = content.replace('\n', "\n    ");
    let secrets = user_data(&format!(
        "#cloud-config\nwrite_files:\n- path: /etc/tls.pem\n  content: |\n    {indented}\n"
    ));
    let said = shown(&secrets, &content, 100);
    assert!(said.contains(&line('A')) && said.contains(&line('B')) && !said.contains("CCCC"), "{said}");
    assert!(said.contains("-----BEGIN RSA PRIVATE KEY-----\n***\n***\n-----END"), "{said}");
}

#[test]
fn base64_hides_a_secret_wherever_it_stands_in_what_was_encoded() {
    let secrets = user_data("#cloud-config\npassword: hunter2hunter2\n");
    for before in ["", "a", "ab", "abc", "abcd"] {
        let encoded = STANDARD.encode(format!("{before}hunter2hunter2{before}"));
        let said = shown(&secrets, &encoded, 5);
        assert!(said.contains("***"), "{said}");
        // not more than the bytes beside it are left of it
        assert!(said.len() <= before.len() * 8 / 3 + 3 + 8, "{said}");
    }
}

#[test]
fn base64_hides_a_secret_that_is_wrapped_too() {
    let text = format!("#cloud-config\n{}password: hunter2hunter2\nend: of it\n", "# a comment\n".repeat(9));
    let secrets = user_data(&text);
    for before in 0..80 {
        let encoded = STANDARD.encode(" ".repeat(before) + &text);
        let plain = STANDARD.encode(" ".repeat(before) + text.split("hunter").next().unwrap());
        for (width, separator) in [(76, "\n"), (64, "\r\n"), (60, "\n    ")] {
            let lines: Vec<&str> =
                encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            for size in [1, 7, 1000] {
                let said = shown(&secrets, &(lines.join(separator) + "\nnext\n"), size);
                let packed: String = said.chars().filter(|c| !c.is_whitespace()).collect();
                let (left, _) = packed.split_once("***").unwrap_or_else(|| panic!("{width}: {said}"));
                assert!(left.len() <= plain.len(), "nothing of it is left before: {said}");
                assert!(said.ends_with("\nnext\n"), "{said}");
            }
        }
    }
}

#[test]
fn only_what_may_be_wrapped_waits_for_the_next_line() {
    let secrets = of(&["hunter2hunter2"]);
    let mut filter = secrets.filter();
    let line = format!("sum: {}\n", "0123456789abcdef".repeat(4));
    let first = filter.take(line.as_bytes());
    assert!(first.len() < line.len() - 10);
    let then = filter.take(b"done\n");
    assert_eq!([first, then].concat(), format!("{line}done\n").as_bytes());
    assert_eq!(filter.take(b"a line of usual words\n"), b"a line of usual words\n");
}

#[test]
fn other_secrets_count_by_their_keys_and_by_what_they_look_like() {
    let secrets = SecretValues::gather(
        &documents(
            "apiVersion: v1
kind: Secret
metadata: {name: bmc}
stringData: {username: administrator, password: 'a pass phrase', address: 'https://registry.example', any: Zk3-opaque-9}
data: {token: ZW5jb2RlZC10b2tlbg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plain}
data: {password: not-a-secret-here}
",
        ),
        &[],
    )
    .unwrap();
    let said =
        shown(&secrets, "administrator a pass phrase https://registry.example Zk3-opaque-9 encoded-token", 8);
    assert_eq!(said, "administrator *** https://registry.example *** ***");
    assert_eq!(shown(&secrets, "ZW5jb2RlZC10b2tlbg== not-a-secret-here", 8), "***g== not-a-secret-here");
}

#[test]
fn values_are_found_in_network_data_and_in_encoded_parts_of_mime() {
    let part = STANDARD.encode("#cloud-config\npassword: within-a-part\nhostname: xyz\n");
    let secrets = user_data(&format!(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n{part}\n--b--\n"
    ));
    assert_eq!(shown(&secrets, "within-a-part", 4), "***");
    let network = "version: 2\nwifis: {w0: {access-points: {site: {password: over-the-air}}}}\n";
    let secrets = SecretValues::gather(&DocumentSet::default(), &[network.as_bytes()]).unwrap();
    assert_eq!(shown(&secrets, "w0 over-the-air", 4), "w0 ***");
}

#[test]
fn long_values_are_hidden_whole_in_bounded_patterns() {
    let long = "0123456789abcdefX".repeat(200);
    let secrets = user_data(&format!("#cloud-config\ntoken: {long}\n"));
    assert_eq!(shown(&secrets, &format!("<{long}>"), 300), "<***>");
    assert!(secrets.0.as_ref().unwrap().longest <= LONGEST);
}

#[test]
fn what_is_shorter_than_eight_bytes_is_not_looked_for() {
    assert!(user_data("#cloud-config\npassword: secret7\n").is_empty());
}

#[test]
fn hostile_values_end() {
    let deep = format!("#cloud-config\n{}", "[".repeat(10_000));
    let many: String = (0..2_000).map(|number| format!("token{number}: value-number-{number}\n")).collect();
    for text in [deep.as_str(), &many, "#cloud-config\n\u{0}", "-----BEGIN PRIVATE KEY-----"] {
        let _ = user_data(text).len();
    }
    let many: BTreeSet<Vec<u8>> = (0..10_000).map(|n| format!("{n:z<500}").into_bytes()).collect();
    let secrets = SecretValues::of([BTreeSet::from([b"what comes first".to_vec()]), many]).unwrap();
    assert!(secrets.len() < 10_000);
    assert_eq!(shown(&secrets, "what comes first", 99), "***");
}
