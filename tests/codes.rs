//! README's table of codes has every code of a finding in the documents, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands before a code in the sources.
const CALLS: [&str; 7] = [
    ".coded(",
    "findings.error(",
    "findings.warning(",
    "report.error(",
    "report.warning(",
    "Trouble::Error(",
    "Trouble::Warning(",
];
/// Functions of single files that take a code too.
const TELLS: [(&str, &str); 5] = [
    ("cloudinit/network/item.rs", "self.number(key, ("),
    ("cloudinit/network/model.rs", ".. } => ("),
    ("cloudinit/checks/mime.rs", "self.tell("),
    ("cloudinit/checks/files.rs", "tell("),
    ("cloudinit/checks/mod.rs", "findings.add("),
];

/// Not in the table: what is said of kustomizations and of the airshipctl config says all there is to say.
const ELSEWHERE: [&str; 2] = ["document/kustomize", "config/airship"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The literals that follow `call`, if they look like codes.
fn codes(text: &str, call: &str) -> Vec<String> {
    let literals =
        text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let is_code = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    literals.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn readme_has_every_code_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut used) = (Vec::new(), BTreeSet::new());
    sources(&root.join("src"), &mut files);
    let is_listed = |file: &&PathBuf| {
        let name = file.to_string_lossy();
        !name.ends_with("tests.rs") && !ELSEWHERE.iter().any(|part| name.contains(part))
    };
    for file in files.iter().filter(is_listed) {
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let own = TELLS.iter().filter(|(path, _)| file.ends_with(path)).map(|(_, call)| call);
        used.extend(CALLS.iter().chain(own).flat_map(|call| codes(text, call)));
    }
    assert!(used.len() > 40, "the sources were not found: {used:?}");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("| code | | what is wrong |").nth(1).expect("README has the table of codes");
    let rows = table.lines().take_while(|line| line.is_empty() || line.starts_with('|'));
    let listed: BTreeSet<String> =
        rows.filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(&used).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "not in README: {missing:?}; in README alone: {unused:?}"
    );
}
