//! A stream of documents.
#![no_main]

#[path = "../../kustomize/again.rs"]
mod again;

use airshipctl::site::document::DocumentSet;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(set) = DocumentSet::parse("fuzz.yaml", input) {
        again::reads_the_same(&set);
    }
});
