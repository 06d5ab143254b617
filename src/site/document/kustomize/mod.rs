//! Kustomizations, rendered as `kustomize build` renders them, as far as that takes no plugin.
//!
//! ```text
//!  load ─► resources ─► generators ─► components ─► TRANSFORMERS ─► vars ─┐  for each kustomization
//!       ┌─────────────────────────────────────────────────────────────────┘
//!       └─► hash suffixes ─► name references ─► vars resolved ─► order      once, at the top
//! ```
//! Behaviour follows kustomize 5 (`api/internal/target`, `api/internal/builtins`).

mod accumulate;
mod associative;
mod fieldspec;
mod generators;
mod hash;
mod images;
mod item;
mod json6902;
mod labels;
mod load;
mod merge;
mod metadata;
mod nameref;
mod names;
mod namespace;
mod numbers;
mod objects;
mod order;
mod patches;
mod read;
mod referrers;
mod replacements;
mod replicas;
mod resource;
mod schema;
mod targets;
mod vars;

use std::path::Path;

use super::Reading;
use crate::site::yaml::{Mark, Node, Origin, key_name};
use accumulate::Build;
pub(super) use load::{find, is_named};
use resource::ResMap;

/// The way out where a kustomization needs what is not done here.
const RENDER_OUTSIDE: &str =
    "render outside and pipe: kustomize build DIRECTORY | airshipctl bootstrap isogen -";

/// Renders the kustomization `file`: its resources become documents of the reading, or faults.
pub(super) fn build(file: &Path, reading: &mut Reading) {
    Build::new(reading).run(file);
}

/// One kustomization that is being built.
struct Layer<'a> {
    /// The kustomization itself, a mapping, with older spellings of fields brought to today's.
    kustomization: &'a Node,
    origin: &'a Origin,
    /// Its directory as messages name it.
    directory: &'a Path,
    /// The same, links resolved; files outside are refused.
    root: &'a Path,
    /// Budget, faults and hint of the whole input.
    reading: &'a mut Reading,
    /// Every document read so far for this build, by the number that its marks carry.
    sources: &'a mut Vec<Origin>,
}

/// A stage that changes what has been accumulated, as its fields of the kustomization say.
type Transformer = fn(&mut Layer<'_>, &mut ResMap);

/// In kustomize's order (`configureBuiltinTransformers`).
const TRANSFORMERS: [Transformer; 11] = [
    patches::strategic_merge,
    patches::patches,
    namespace::transform,
    names::prefix,
    names::suffix,
    labels::labels,
    labels::annotations,
    json6902::transform,
    replicas::transform,
    images::transform,
    replacements::transform,
];

impl Layer<'_> {
    /// Notes a fault at a node of any document of the build, under its code.
    fn error(&mut self, code: &'static str, node: &Node, message: impl Into<String>) {
        let fault = self.origin_of(node.mark).fault(node.mark, message).coded(code);
        self.reading.faults.push(fault);
    }

    /// Notes each key of a mapping within the kustomization that kustomize does not know either.
    fn refuse_unknown(&mut self, node: &Node, path: &str, known: &[&str]) {
        for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{} is no field of `{path}`", key_name(&entry.key));
            let fault = self.origin_of(entry.key_mark).fault(entry.key_mark, message);
            self.reading.faults.push(fault.coded("unknown-field"));
        }
    }

    /// Takes the cost of `count` copies of a text from the budget, as what a few lines say of many
    /// objects can be far larger than all files; a fault at `node` if that is too much.
    fn pay(&mut self, node: &Node, count: usize, text: usize) -> Option<()> {
        let paid = self.reading.budget.pay(count, count.saturating_mul(text));
        if paid.is_none() {
            self.error("too-much", node, format!("repeated in {count} places, this is too much"));
        }
        paid
    }

    /// Gives faults noted since `before` a code, where they have none.
    fn code_faults(&mut self, before: usize, code: &'static str) {
        for fault in self.reading.faults[before..].iter_mut().filter(|fault| fault.code.is_none()) {
            fault.code = Some(code.into());
        }
    }

    /// The document that a mark is in.
    fn origin_of(&self, mark: Mark) -> Origin {
        let found = self.sources.get(mark.source as usize);
        found.unwrap_or(self.origin).clone()
    }
}

#[cfg(test)]
mod tests;
