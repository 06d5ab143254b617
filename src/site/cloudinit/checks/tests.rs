use super::super::secret;
use super::*;
use crate::site::document::DocumentSet;

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

/// What is found in user-data that stands in its Secret as it is, line 1 of it in line 5 of the file.
fn found(user_data: &str) -> Vec<String> {
    let indented: String = user_data
        .split_inclusive('\n')
        .map(|line| if line == "\n" { line.to_owned() } else { format!("    {line}") })
        .collect();
    found_in(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n  userData: |\n{indented}"
    ))
}

/// The same for user-data in base64.
fn found_in_bytes(user_data: &[u8]) -> Vec<String> {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(user_data);
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

#[test]
fn show() {
    for text in [
        "#cloud-config\nruncmd: [a\n",
        "#cloud-config\nssh_authorized_keys: [a]\nusers:\n- {name: yes, ssh_pwauth: true, expiredate: 2022-01-01}\n- {}\nwrite_file: []\nruncmd: [[a, 5], 6, 22:30]\n",
        "#cloud-config\npassword: canary\nwrite_files:\n- path: a\n  permissions: 644\n  content: |\n    a\n    -----BEGIN CERTIFICATE-----\n    canary\n    -----END CERTIFICATE-----\n",
        "#cloud-config\nhostname: a_b\nfqdn: c.example\nchpasswd:\n  list: |\n    a:canary\n    b:$y$x$y\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"x\"\n\n--x\nContent-Type: text/cloud-config\n\n#cloud-config\nusers: 5\n--x--\n",
        "#cloud-config\na: 1\na: 2\n---\n",
        "#cloud-config\n",
        "#cloud-config-archive\n- |\n  #cloud-config\n  users: 5\n- 5\n",
    ] {
        println!("{text}=>");
        for line in found(text) {
            println!("   {line}");
        }
    }
}
