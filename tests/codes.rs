//! README's tables of codes have every code of a finding in the documents, or on an image, and no other.

use std::collections::{BTreeMap, BTreeSet};
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

/// Calls of what looks at images, and where that is; those have a table of their own.
const IMAGE_CALLS: [&str; 3] = [".error(", ".warning(", ".coded("];
const IMAGE_TELLS: [(&str, &str); 3] =
    [("menu/mod.rs", "report("), ("menu/kernel.rs", "Some(("), ("menu/kernel.rs", "then(|| (")];
const IMAGES: [&str; 2] = ["/src/iso/", "/src/isogen/check.rs"];

/// Calls that say how bad it is.
const SEVERITIES: [(&str, &str); 4] = [
    (".error(", "error"),
    (".warning(", "warning"),
    ("Trouble::Error(", "error"),
    ("Trouble::Warning(", "warning"),
];

/// Not in a table: what is said of kustomizations and of the airshipctl config says all there is to say.
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

/// Sources without tests, those of images or the others.
fn texts(images: bool) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let is_listed = |file: &PathBuf| {
        let name = file.to_string_lossy();
        let is_image = IMAGES.iter().any(|part| name.contains(part));
        is_image == images && !name.ends_with("tests.rs") && !ELSEWHERE.iter().any(|part| name.contains(part))
    };
    let text =
        |file: &PathBuf| fs::read_to_string(file).unwrap().split("#[cfg(test)]").next().unwrap().to_owned();
    files.into_iter().filter(is_listed).map(|file| (file.clone(), text(&file))).collect()
}

/// The codes in the table of README's section, each with what its second column says.
fn listed(section: &str) -> BTreeMap<String, String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let text = readme.split(&format!("\n## {section}\n")).nth(1).expect("README has the section");
    let text = text.split("\n## ").next().unwrap();
    let table = text.split("| code | | what is wrong |").nth(1).expect("it has the table of codes");
    let rows = table.lines().take_while(|line| line.is_empty() || line.starts_with('|'));
    let row = |row: &str| {
        let (code, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
        Some((code.to_owned(), rest.split(" |").next()?.to_owned()))
    };
    rows.filter_map(row).collect()
}

/// Where the calls themselves tell errors from warnings, README says the same.
fn assert_severities(images: bool, section: &str) {
    let mut used: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (call, severity) in SEVERITIES {
        for code in texts(images).iter().flat_map(|(_, text)| codes(text, call)) {
            used.entry(code).or_default().insert(severity);
        }
    }
    assert!(used.len() > 20, "the sources were not found: {used:?}");
    let listed = listed(section);
    for (code, severities) in used {
        let Some(said) = listed.get(&code) else { continue };
        let said: BTreeSet<_> = match said.as_str() {
            "either" => ["error", "warning"].into(),
            one => [one].into(),
        };
        assert_eq!(said, severities, "{code}: README and sources");
    }
}

#[track_caller]
fn same(used: &BTreeSet<String>, section: &str) {
    assert!(used.len() > 20, "the sources were not found: {used:?}");
    let listed = listed(section).into_keys().collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(used).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "not in README: {missing:?}; in README alone: {unused:?}"
    );
}

#[test]
fn readme_has_every_code_of_documents_and_no_other() {
    let mut used = BTreeSet::new();
    for (file, text) in texts(false) {
        let own = TELLS.iter().filter(|(path, _)| file.ends_with(path)).map(|(_, call)| call);
        used.extend(CALLS.iter().chain(own).flat_map(|call| codes(&text, call)));
    }
    same(&used, "What is found in the documents");
}

#[test]
fn readme_has_every_code_of_images_and_no_other() {
    let mut used = BTreeSet::new();
    for (file, text) in texts(true) {
        let own = IMAGE_TELLS.iter().filter(|(path, _)| file.ends_with(path)).map(|(_, call)| call);
        used.extend(IMAGE_CALLS.iter().chain(own).flat_map(|call| codes(&text, call)));
    }
    same(&used, "What is found on images");
}

#[test]
fn readme_tells_errors_from_warnings() {
    assert_severities(false, "What is found in the documents");
    assert_severities(true, "What is found on images");
}
