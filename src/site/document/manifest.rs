//! One Kubernetes object of a site, and the split of a stream into objects.

use std::fmt;

use crate::error::{Fault, Position};
use crate::site::yaml::{self, Budget, Fields, Node, Origin};

/// A document with `apiVersion` and `kind`. Its content is never shown: it may be a Secret.
#[derive(Clone)]
pub struct Document {
    origin: Origin,
    node: Node,
    api_version: String,
    kind: String,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} at {}", self.position())
    }
}

/// Kind and name, as messages call it; escaped, because terminals obey control characters.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.escape_debug(), self.name().unwrap_or("without a name"))
    }
}

impl Document {
    /// `apiVersion` as written.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version within the API group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// `kind` as written.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `metadata.name`.
    pub fn name(&self) -> Option<&str> {
        self.metadata("name")
    }

    /// The namespace as written; an empty one is none.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// The namespace, or `default` where none is written.
    pub fn effective_namespace(&self) -> &str {
        self.namespace().unwrap_or("default")
    }

    /// The value of a label. Unquoted booleans and numbers count with their text.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.node.at(&["metadata", "labels", key]).and_then(Node::text)
    }

    /// The value of an annotation, as for labels.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.node.at(&["metadata", "annotations", key]).and_then(Node::text)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.node.at(&["metadata", key]).and_then(Node::text)
    }

    /// The whole document.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The file and document number.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the document begins.
    pub fn position(&self) -> Position {
        self.origin.at(self.node.mark)
    }

    /// A fault at the place of one of this document's nodes.
    pub fn fault(&self, node: &Node, message: impl Into<String>) -> Fault {
        self.origin.fault(node.mark, message)
    }
}

/// The documents of a stream, lists flattened as kubectl and kustomize do.
pub(super) fn parse(file: &str, bytes: &[u8], budget: &mut Budget, faults: &mut Vec<Fault>) -> Vec<Document> {
    let origin = Origin::new(file, Some(1));
    let mut documents = Vec::new();
    for (number, node) in yaml::parse(&origin, bytes, budget, faults) {
        add(node, origin.document(number), &mut documents, faults);
    }
    documents
}

/// Checks that a node is an object, and adds it or, for a list, its items.
fn add(mut node: Node, origin: Origin, documents: &mut Vec<Document>, faults: &mut Vec<Fault>) {
    let is_list = node.get("kind").and_then(Node::string).is_some_and(|kind| kind.ends_with("List"));
    if let Some(items) = is_list.then(|| node.take_items("items")).flatten() {
        // one level per item: an item that is a list again is bounded by the depth of the tree
        return items.into_iter().for_each(|item| add(item, origin.clone(), documents, faults));
    }
    documents.extend(object(node, origin, faults));
}

/// The document that a node is; a fault for each thing that keeps it from being one.
pub(super) fn object(node: Node, origin: Origin, faults: &mut Vec<Fault>) -> Option<Document> {
    let before = faults.len();
    let fields = Fields::of_root(&node, &origin, faults)?;
    let api_version = fields.required_string("apiVersion", faults).map(str::to_owned);
    let kind = fields.required_string("kind", faults).map(str::to_owned);
    if let Some(metadata) = fields.section("metadata", faults) {
        metadata.section("labels", faults);
        metadata.section("annotations", faults);
    }
    match (api_version, kind, faults.len() == before) {
        (Some(api_version), Some(kind), true) => Some(Document { origin, node, api_version, kind }),
        _ => None,
    }
}
