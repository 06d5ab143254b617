//! What a kustomization accumulates: objects that remember what they were called before.

use super::metadata::Step;
use super::vars::Var;
use crate::site::yaml::{Node, Origin};

/// What kustomize tells resources apart by (`resid.ResId`). The namespace is the effective one: empty
/// for kinds of the cluster, `default` where a namespaced object names none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ResId {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// What a generated resource does to one of the same id (`types.GenerationBehavior`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Behavior {
    #[default]
    Create,
    Merge,
    Replace,
}

/// One object on its way through the layers.
#[derive(Clone)]
pub(super) struct Resource {
    /// Where the document itself stands; single nodes may come from elsewhere, as their marks say.
    pub origin: Origin,
    pub node: Node,
    /// The ids it had, oldest first, without the present one.
    pub earlier: Vec<ResId>,
    /// Prefixes and suffixes that names of the layers above and beside were given, innermost first.
    pub prefixes: Vec<String>,
    pub suffixes: Vec<String>,
    pub behavior: Behavior,
    /// Whether its name ends with a hash of its content.
    pub needs_hash: bool,
    /// The transformers it went through, where `buildMetadata` wants them told.
    pub steps: Vec<Step>,
    /// The names of the `vars` that take their value from it.
    pub vars: Vec<String>,
}

/// The resources accumulated so far, in the order in which they came.
#[derive(Default)]
pub(super) struct ResMap {
    pub resources: Vec<Resource>,
    /// The `vars` of this layer and those below.
    pub vars: Vec<Var>,
}

impl Resource {
    /// A resource as it was read or generated.
    pub fn new(origin: Origin, node: Node) -> Self {
        Self {
            origin,
            node,
            earlier: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Create,
            needs_hash: false,
            steps: Vec::new(),
            vars: Vec::new(),
        }
    }

    /// The present id.
    pub fn id(&self) -> ResId {
        let text = |path: &[&str]| self.node.at(path).and_then(Node::text).unwrap_or_default().to_owned();
        let api_version = text(&["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let (kind, written) = (text(&["kind"]), text(&["metadata", "namespace"]));
        let namespace = match super::schema::is_cluster_scoped(group, &kind) {
            true => String::new(),
            false if written.is_empty() => "default".to_owned(),
            false => written,
        };
        let (group, version) = (group.to_owned(), version.to_owned());
        ResId { group, version, kind, namespace, name: text(&["metadata", "name"]) }
    }

    /// The id it had first (`OrgId`).
    pub fn first_id(&self) -> ResId {
        self.earlier.first().cloned().unwrap_or_else(|| self.id())
    }

    /// Every id it has or had, the present one last.
    pub fn ids(&self) -> Vec<ResId> {
        let mut ids = self.earlier.clone();
        ids.push(self.id());
        ids
    }

    /// Kind and name, as messages call it.
    pub fn shown(&self) -> String {
        let text = |path: &[&str]| self.node.at(path).and_then(Node::text).unwrap_or_default();
        format!("{} {:?}", text(&["kind"]).escape_debug(), text(&["metadata", "name"]))
    }

    /// Whether it is only there for tools, and is not given out (`IgnoredByKustomizeAnnotation`).
    pub fn is_local(&self) -> bool {
        let annotation = self.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
        annotation.and_then(Node::text).is_some_and(|value| value != "false")
    }

    /// Remembers the present id; called before name, namespace or kind change.
    pub fn remember_id(&mut self) {
        let id = self.id();
        if self.earlier.last() != Some(&id) {
            self.earlier.push(id);
        }
    }
}
