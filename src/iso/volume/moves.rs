//! Directories that are kept elsewhere, since ECMA-119 allows only eight levels: RRIP, 4.1.5.

use std::collections::{BTreeMap, HashSet};

use crate::iso::finding::Findings;
use crate::iso::image::Extent;

/// Both ends of all moves, by the location of the directory.
#[derive(Default)]
pub(super) struct Moves {
    places: BTreeMap<u32, Place>,
    claims: BTreeMap<u32, Claim>,
    /// Places before this one were asked for, so that many of them do not take the square of their time.
    next: u32,
}

/// Where a directory is kept (RE).
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// As messages name it.
    pub path: String,
    /// Location of the directory that keeps it, and its length.
    pub parent: u32,
    pub parent_length: u64,
    pub extent: Extent,
    /// Of its record there.
    pub record: u64,
    pub in_root: bool,
}

/// Where it is shown (CL).
#[derive(Debug)]
pub(super) struct Claim {
    pub path: String,
    pub record: u64,
    /// What its `..` leads to.
    pub below: Option<u32>,
}

impl Moves {
    pub fn here(&mut self, location: u32, place: Place) {
        self.places.entry(location).or_insert(place);
    }

    pub fn claim(&mut self, location: u32, claim: Claim) {
        self.claims.entry(location).or_insert(claim);
    }

    pub fn lies_below(&mut self, location: u32, parent: u32) {
        if let Some(claim) = self.claims.get_mut(&location) {
            claim.below = Some(parent);
        }
    }

    /// A directory in the root that nothing claims and that was not read: it keeps others, and is itself not to
    /// be seen (`rr_moved` of mkisofs).
    pub fn keeper(&mut self, visited: &HashSet<u32>) -> Option<(u32, Place)> {
        let is_free = |at: &u32| !self.claims.contains_key(at) && !visited.contains(at);
        let mut places = self.places.range(self.next..);
        let (at, place) = places.find(|(at, place)| place.in_root && is_free(at))?;
        self.next = at.saturating_add(1);
        Some((*at, place.clone()))
    }

    pub fn check(&self, findings: &mut Findings) {
        for (location, claim) in &self.claims {
            let path = claim.path.escape_debug();
            match self.places.get(location) {
                None => {
                    let text =
                        format!("{path}: its directory, at block {location}, was not moved anywhere (RE)");
                    findings.error("moved-missing", claim.record, text);
                }
                Some(place) if claim.below.is_some_and(|below| below != place.parent) => {
                    let text = format!(
                        "{path}: its directory is at block {location}, and its own `..` leads to another than block {}",
                        place.parent
                    );
                    findings.error("moved-parent", claim.record, text);
                }
                Some(_) => {}
            }
        }
        for (_, place) in
            self.places.iter().filter(|(at, place)| !place.in_root && !self.claims.contains_key(at))
        {
            let text = format!("{}: it was moved here (RE), and no directory has it (CL)", place.path);
            findings.error("moved-orphan", place.record, text);
        }
    }
}
