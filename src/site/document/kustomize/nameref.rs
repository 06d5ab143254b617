//! References by name: what was renamed is followed wherever another object names it.

use std::collections::HashMap;

use super::fieldspec::{Missing, visit};
use super::referrers::{TABLE, Target};
use super::resource::{ResId, ResMap, Resource};
use super::schema::is_cluster_scoped;
use crate::error::Fault;
use crate::site::yaml::{Mark, Node, Value};

/// Brings every reference to the present name and namespace of what it meant (`filters/nameref`).
/// What a reference could mean is told apart by kind, namespace, prefixes and suffixes; a fault if that
/// leaves several. The origins of the resources find the places of all marks.
pub(super) fn fix(resources: &mut ResMap, faults: &mut Vec<Fault>) {
    // nothing was ever renamed: nothing to follow
    if resources.resources.iter().all(|resource| resource.earlier.is_empty()) {
        return;
    }
    let known = Known::of(&resources.resources);
    for (index, resource) in resources.resources.iter_mut().enumerate() {
        fix_resource(index, resource, &known, faults);
    }
}

fn fix_resource(index: usize, resource: &mut Resource, known: &Known, faults: &mut Vec<Fault>) {
    let referrer = &known.candidates[index];
    let first = referrer.earlier.first().unwrap_or(&referrer.id);
    for target in &TABLE {
        for (by, path) in target.referrers {
            if !by.selects(&first.group, &first.version, &first.kind) {
                continue;
            }
            let role = path.ends_with("roleRef/name").then(|| role_of(&resource.node)).flatten();
            let search = Search { known, referrer, target, role };
            let mut refused: Vec<(Mark, String)> = Vec::new();
            let mut change = |node: &mut Node| search.follow(node, &mut refused);
            if let Err(mark) = visit(&mut resource.node, path, Missing::Skip, &mut change) {
                let message = format!("expected a mapping or list on the way to `{path}`");
                faults.push(resource.origin.fault(mark, message).coded("not-a-mapping"));
            }
            let refused = refused.into_iter().map(|(mark, message)| resource.origin.fault(mark, message));
            faults.extend(refused.map(|fault| fault.coded("unclear-reference")));
        }
    }
}

/// The group and kind that a `roleRef` names.
fn role_of(node: &Node) -> Option<(String, String)> {
    let text = |key: &str| node.at(&["roleRef", key]).and_then(Node::text).map(str::to_owned);
    Some((text("apiGroup")?, text("kind")?))
}

/// What a reference needs to know of an object.
struct Candidate {
    id: ResId,
    /// As written, empty where none is.
    namespace: String,
    earlier: Vec<ResId>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// The namespaces whose service accounts it names, if it is a RoleBinding.
    reaches: Vec<String>,
}

/// All objects, found by the names they had.
struct Known {
    candidates: Vec<Candidate>,
    by_name: HashMap<String, Vec<usize>>,
    by_first_namespace: HashMap<String, Vec<usize>>,
}

impl Known {
    fn of(resources: &[Resource]) -> Self {
        let candidates: Vec<_> = resources.iter().map(Candidate::of).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_first_namespace: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            for id in &candidate.earlier {
                let named = by_name.entry(id.name.clone()).or_default();
                if named.last() != Some(&index) {
                    named.push(index);
                }
            }
            let namespace = candidate.first().namespace.clone();
            by_first_namespace.entry(namespace).or_default().push(index);
        }
        Self { candidates, by_name, by_first_namespace }
    }

    fn named<'k>(&'k self, name: &str) -> impl Iterator<Item = &'k Candidate> {
        self.by_name.get(name).into_iter().flatten().map(|index| &self.candidates[*index])
    }
}

impl Candidate {
    fn of(resource: &Resource) -> Self {
        let namespace = resource.node.at(&["metadata", "namespace"]).and_then(Node::text);
        Self {
            id: resource.id(),
            namespace: namespace.unwrap_or_default().to_owned(),
            earlier: resource.earlier.clone(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
            reaches: account_namespaces(&resource.node),
        }
    }

    fn first(&self) -> &ResId {
        self.earlier.first().unwrap_or(&self.id)
    }

    fn is_cluster_scoped(&self) -> bool {
        is_cluster_scoped(&self.id.group, &self.id.kind)
    }
}

fn account_namespaces(node: &Node) -> Vec<String> {
    if node.get("kind").and_then(Node::text) != Some("RoleBinding") {
        return Vec::new();
    }
    let subjects = node.get("subjects").and_then(Node::items).unwrap_or_default().iter();
    let accounts =
        subjects.filter(|subject| subject.get("kind").and_then(Node::text) == Some("ServiceAccount"));
    accounts.filter_map(|account| account.get("namespace").and_then(Node::text).map(str::to_owned)).collect()
}

/// The search for what one field of one object names.
struct Search<'a> {
    known: &'a Known,
    referrer: &'a Candidate,
    target: &'a Target,
    /// Group and kind, where the field is that of a `roleRef`.
    role: Option<(String, String)>,
}

impl Search<'_> {
    /// Changes the name, or names, that a field holds.
    fn follow(&self, node: &mut Node, refused: &mut Vec<(Mark, String)>) {
        if node.is_null() {
            return;
        }
        let outcome = match &mut node.value {
            Value::Scalar(_) => self.follow_name(node),
            Value::Mapping(_) => self.follow_mapping(node),
            Value::Sequence(items) => {
                return items.iter_mut().for_each(|item| match item.items() {
                    Some(_) => refused.push((item.mark, "expected a name, found a list".into())),
                    None => self.follow(item, refused),
                });
            }
        };
        refused.extend(outcome.err().map(|message| (node.mark, message)));
    }

    fn follow_name(&self, node: &mut Node) -> Result<(), String> {
        let name = node.text().unwrap_or_default();
        let found = self.select(name, &|_| true, &|a, b| a.id.name == b.id.name)?;
        if let Some(found) = found.filter(|found| found.id.name != name) {
            *node = Node::of_text(found.id.name.as_str(), node.mark);
        }
        Ok(())
    }

    /// A reference with a `name` and perhaps a `namespace`, both of which may have changed.
    fn follow_mapping(&self, node: &mut Node) -> Result<(), String> {
        let Some(name) = node.get("name").and_then(Node::text) else {
            return Err("a reference without a `name`".into());
        };
        let is_in: Box<dyn Fn(&Candidate) -> bool> = match node.get("namespace").and_then(Node::text) {
            None => Box::new(|_| true),
            Some(namespace) => self.is_in(namespace),
        };
        let same = |a: &Candidate, b: &Candidate| a.id.name == b.id.name && a.namespace == b.namespace;
        let Some(found) = self.select(name, &is_in, &same)? else { return Ok(()) };
        let mark = node.mark;
        if found.id.name != name {
            let mark = node.get("name").map_or(mark, |name| name.mark);
            node.set("name", Node::of_text(found.id.name.as_str(), mark));
        }
        if !found.namespace.is_empty() {
            let mark = node.get("namespace").map_or(mark, |namespace| namespace.mark);
            node.set("namespace", Node::of_text(found.namespace.as_str(), mark));
        }
        Ok(())
    }

    /// Whether an object was first in a namespace or, where none was, is in it now.
    fn is_in(&self, namespace: &str) -> Box<dyn Fn(&Candidate) -> bool> {
        let namespace = namespace.to_owned();
        let first = self.known.by_first_namespace.get(&namespace).into_iter().flatten();
        let any_first =
            first.map(|index| &self.known.candidates[*index]).any(|other| self.is_reachable(other));
        match any_first {
            true => Box::new(move |other| other.first().namespace == namespace),
            false => Box::new(move |other| other.id.namespace == namespace),
        }
    }

    /// Whether the referrer can name an object at all: objects of namespaces stay among themselves,
    /// except that role bindings name service accounts of others.
    fn is_reachable(&self, other: &Candidate) -> bool {
        self.referrer.is_cluster_scoped()
            || other.is_cluster_scoped()
            || other.id.kind == "ServiceAccount" && self.referrer.reaches.contains(&other.namespace)
            || other.id.namespace == self.referrer.id.namespace
    }

    /// The one object that a name means, if any does.
    fn select(
        &self,
        name: &str,
        is_in: &dyn Fn(&Candidate) -> bool,
        same: &dyn Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&Candidate>, String> {
        let is_role = |id: &ResId| match &self.role {
            Some((group, kind)) => (group.is_empty() || id.group == *group) && id.kind == *kind,
            None => true,
        };
        let found = self.known.named(name).filter(|other| {
            other.earlier.iter().any(|id| self.target.of.selects(&id.group, &id.version, &id.kind))
                && other.earlier.iter().any(is_role)
                && self.is_reachable(other)
                && is_in(other)
        });
        let mut found: Vec<&Candidate> = found.collect();
        for affixes in [Affixes::MayBeMissing, Affixes::Same] {
            if found.len() > 1 {
                found.retain(|other| affixes.fit(self.referrer, other));
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|other| same(first, other)) => Ok(Some(first)),
            several => Err(format!("{name:?} could mean {}", shown(several))),
        }
    }
}

fn shown(candidates: &[&Candidate]) -> String {
    let shown = candidates.iter().map(|candidate| {
        let name = format!("{} {:?}", candidate.id.kind.escape_debug(), candidate.id.name);
        match candidate.namespace.as_str() {
            "" => name,
            namespace => format!("{name} in {namespace:?}"),
        }
    });
    shown.collect::<Vec<_>>().join(" or ")
}

/// How alike the prefixes and suffixes of two objects have to be, for one to mean the other.
#[derive(Clone, Copy)]
enum Affixes {
    /// An object without any fits all.
    MayBeMissing,
    Same,
}

impl Affixes {
    fn fit(self, a: &Candidate, b: &Candidate) -> bool {
        let fit = |a: &[String], b: &[String]| match self {
            Self::MayBeMissing if a.is_empty() || b.is_empty() => true,
            _ => a.is_empty() == b.is_empty() && (a.ends_with(b) || b.ends_with(a)),
        };
        fit(&a.prefixes, &b.prefixes) && fit(&a.suffixes, &b.suffixes)
    }
}
