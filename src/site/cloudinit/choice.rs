//! The one document among many, or an error that names the candidates.

use crate::error::Fault;
use crate::site::document::{Document, DocumentSet, Selector};

/// More candidates than this only hide the one that was meant.
const MAX_CANDIDATES: usize = 10;
/// How every fault about ciphertext begins.
pub(super) const ENCRYPTED: &str = "is encrypted with SOPS";

/// The only document that matches and is in plain text.
pub(super) fn exactly_one<'a>(
    documents: &'a DocumentSet,
    selector: &Selector,
    faults: &mut Vec<Fault>,
) -> Option<&'a Document> {
    let mut matching: Vec<_> = documents.select(selector).collect();
    if matching.is_empty() {
        matching = homeless(documents, selector);
    }
    match matching[..] {
        [] => {
            faults.push(Fault::new(None, nothing(documents, selector)));
            None
        }
        [document] => in_plain_text(document, faults),
        [_, second, ..] => {
            faults.push(several(&matching, second, &selector.to_string()));
            None
        }
    }
}

/// As a last resort, Secrets that would match if they had a namespace.
fn homeless<'a>(documents: &'a DocumentSet, selector: &Selector) -> Vec<&'a Document> {
    if selector.namespace.is_none() || selector.kind.as_deref() != Some("Secret") {
        return Vec::new();
    }
    let anywhere = Selector { namespace: None, ..selector.clone() };
    documents.select(&anywhere).filter(|document| document.namespace().is_none()).collect()
}

/// A fault that names all of `matching`, where one was expected.
pub(super) fn several(matching: &[&Document], second: &Document, selector: &str) -> Fault {
    let count = matching.len();
    let message = format!("{count} documents match {selector}, expected one: {}", candidates(matching));
    Fault::new(second.position(), message)
}

/// Passes a document on if none of it is ciphertext, which would land on the ISO.
pub(super) fn in_plain_text<'a>(document: &'a Document, faults: &mut Vec<Fault>) -> Option<&'a Document> {
    let node = document.node();
    if node.get("sops").is_none() && !node.any_text(&|text| text.contains("ENC[AES256_GCM,")) {
        return Some(document);
    }
    faults.push(document.fault(node, format!("{ENCRYPTED}: {document}")).coded("sops-encrypted"));
    None
}

/// Says which documents might have been meant.
fn nothing(documents: &DocumentSet, selector: &Selector) -> String {
    let kind = selector.kind.as_deref().unwrap_or_default();
    let of_kind: Vec<_> = documents.documents().iter().filter(|document| document.kind() == kind).collect();
    match of_kind.is_empty() {
        true => {
            let count = documents.documents().len();
            format!("no document matches {selector}: there is no {kind} among the {count} documents")
        }
        false => format!("no document matches {selector}; candidates: {}", candidates(&of_kind)),
    }
}

/// Names and places.
pub(super) fn candidates(documents: &[&Document]) -> String {
    let mut named: Vec<String> = documents
        .iter()
        .take(MAX_CANDIDATES)
        .map(|document| format!("{document} in {}", document.position()))
        .collect();
    if let Some(more) = documents.len().checked_sub(MAX_CANDIDATES).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}
