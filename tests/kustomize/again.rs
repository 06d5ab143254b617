//! What was rendered, written and read again; for tests and for the targets of tests/fuzz.

use airshipctl::site::document::DocumentSet;
use airshipctl::site::yaml;

/// The documents as `airshipctl document render` prints them.
pub fn stream(set: &DocumentSet) -> String {
    let documents: Vec<_> = set.documents().iter().map(|document| yaml::write(document.node())).collect();
    documents.join("---\n")
}

/// Panics unless what is written reads as what it was written from; whether there was anything.
pub fn reads_the_same(set: &DocumentSet) -> bool {
    if set.documents().is_empty() {
        return false;
    }
    let text = stream(set);
    let again = DocumentSet::parse("again.yaml", text.as_bytes());
    let again = again.unwrap_or_else(|error| panic!("our own output is refused: {error}\n{text}"));
    assert_eq!(set.documents().len(), again.documents().len(), "{text}");
    for (before, after) in set.documents().iter().zip(again.documents()) {
        // numbers may have been brought to another form by the first writing
        assert_eq!(yaml::write(before.node()), yaml::write(after.node()));
    }
    true
}
