//! A kustomization, before the first NUL byte, over a document, behind it.
#![no_main]

#[path = "../../kustomize/again.rs"]
mod again;

use airshipctl::site::document::{DocumentSet, Source};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let root = tempfile::tempdir().unwrap();
    for name in ["kustomization.yaml", "a.yaml"] {
        std::fs::write(root.path().join(name), parts.next().unwrap_or_default()).unwrap();
    }
    if let Ok(set) = DocumentSet::read(&Source::Path(root.path().to_owned())) {
        again::reads_the_same(&set);
    }
});
