//! Kustomizations, rendered as `kustomize build` renders them, as far as that takes no plugin.
//!
//! ```text
//!  load ─► accumulate (resources, components) ─► generators ─► TRANSFORMERS ─┐ for each kustomization
//!       ┌────────────────────────────────────────────────────────────────────┘
//!       └─► hash suffixes ─► name references ─► vars ─► order                  once, at the top
//! ```
//! Behaviour follows kustomize 5 (`api/internal/target`, `api/internal/builtins`).

mod associative;
mod fieldspec;
mod generators;
mod hash;
mod images;
mod json6902;
mod labels;
mod merge;
mod nameref;
mod names;
mod namespace;
mod order;
mod patches;
mod read;
mod replacements;
mod replicas;
mod resource;
mod schema;
mod targets;
mod vars;

use std::path::Path;

use super::Reading;
use crate::site::yaml::{Mark, Node, Origin};
use resource::ResMap;

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

    /// Notes a fault at a node of any document of the build.
    fn fault(&mut self, node: &Node, message: impl Into<String>) {
        let fault = self.origin_of(node.mark).fault(node.mark, message);
        self.reading.faults.push(fault);
    }

    /// The document that a mark is in.
    fn origin_of(&self, mark: Mark) -> Origin {
        let found = self.sources.get(mark.source as usize);
        found.unwrap_or(self.origin).clone()
    }
}
