//! Documents as text again: what other tools read.

use serde_json::{Value as Json, json};

use super::Document;
use crate::site::yaml;

/// A stream of documents with `---` between them, each as `kubectl kustomize` writes it; Secrets with
/// what they hold.
pub fn to_yaml<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let mut text = String::new();
    for document in documents {
        // one growing text: a list of all would hold each twice while they are joined
        text.push_str(if text.is_empty() { "" } else { "---\n" });
        text.push_str(&yaml::write(document.node()));
    }
    text
}

/// One `List` of the core group with the documents in it, as `kubectl get --output json` writes one;
/// Secrets with what they hold.
pub fn to_json<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let items: Vec<_> = documents.map(|document| yaml::to_json(document.node())).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": Json::Array(items)});
    format!("{list:#}\n")
}

#[cfg(test)]
mod tests {
    use crate::site::document::DocumentSet;

    #[test]
    fn documents_are_written_as_a_stream_or_as_one_list() {
        let text = "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {mode: '0644'}\n---\n\
                    {apiVersion: x/v1, kind: Foo, mode: 0644}\n";
        let set = DocumentSet::parse("x", text.as_bytes()).unwrap();
        assert_eq!(
            super::to_yaml(set.documents().iter()),
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  mode: \"0644\"\n---\n\
             apiVersion: x/v1\nkind: Foo\nmode: 420\n"
        );
        let json = super::to_json(set.documents().iter());
        assert!(json.ends_with("\n      \"kind\": \"Foo\",\n      \"mode\": 420\n    }\n  ]\n}\n"), "{json}");
        assert_eq!(super::to_yaml([].into_iter()), "");
    }
}
