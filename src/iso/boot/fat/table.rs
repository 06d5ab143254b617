//! The table of clusters: which one follows which (FAT, 4).

use super::geometry::{Geometry, Width};
use crate::iso::image::{Extent, u16_le, u32_le};

#[derive(Debug)]
pub(super) struct Table {
    bytes: Vec<u8>,
    width: Width,
    clusters: u32,
    taken: Vec<bool>,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Free,
    Next(u32),
    End,
    /// A bad block, or no number of a cluster.
    Bad,
}

impl Table {
    /// In bytes; 4 million clusters are 16 GiB of 4 KiB each.
    pub const MOST: u64 = 16 << 20;

    pub fn new(bytes: Vec<u8>, width: Width, clusters: u32) -> Self {
        Self { taken: vec![false; clusters as usize], bytes, width, clusters }
    }

    /// The two entries which are no clusters.
    pub fn reserved(&self) -> [u32; 2] {
        [self.entry(0), self.entry(1)]
    }

    /// [`Geometry`] made sure that the table has one for every cluster.
    fn entry(&self, number: u32) -> u32 {
        let number = number as usize;
        let at = |at: usize, length: usize| self.bytes.get(at..at + length).unwrap_or_default();
        match self.width {
            Width::Fat12 => {
                let pair = u16_le(at(number + number / 2, 2));
                u32::from(if number & 1 == 0 { pair & 0xfff } else { pair >> 4 })
            }
            Width::Fat16 => u32::from(u16_le(at(number * 2, 2))),
            // the four upper bits are to be ignored
            Width::Fat32 => u32_le(at(number * 4, 4)) & Width::Fat32.ones(),
        }
    }

    /// Their numbers begin with 2.
    fn is_cluster(&self, number: u32) -> bool {
        number >= 2 && number - 2 < self.clusters
    }

    fn link(&self, cluster: u32) -> Link {
        match self.entry(cluster) {
            0 => Link::Free,
            end if end >= self.width.ones() - 7 => Link::End,
            next if self.is_cluster(next) => Link::Next(next),
            _ => Link::Bad,
        }
    }

    /// The chain that begins with `first`, as runs. A cluster that another chain has, or this one had
    /// before, ends it as a fault does, so that all chains together are as long as the table at most.
    pub fn take(&mut self, first: u32, geometry: &Geometry) -> Result<Vec<Extent>, String> {
        let mut runs: Vec<Extent> = Vec::new();
        let mut cluster = first;
        loop {
            if !self.is_cluster(cluster) {
                return Err(format!("it begins with cluster {cluster}, which there is not"));
            }
            let taken = &mut self.taken[(cluster - 2) as usize];
            if std::mem::replace(taken, true) {
                return Err(format!("cluster {cluster} belongs to two chains, or to a loop"));
            }
            append(&mut runs, geometry.place(cluster));
            match self.link(cluster) {
                Link::Next(next) => cluster = next,
                Link::End => return Ok(runs),
                Link::Free => return Err(format!("cluster {cluster} belongs to it and is free")),
                Link::Bad => return Err(format!("cluster {cluster} leads to none")),
            }
        }
    }

    /// How many belong to no chain that was taken, and are not free either.
    pub fn lost(&self) -> usize {
        let mut all = (2..).zip(&self.taken);
        all.by_ref().filter(|(number, taken)| !**taken && self.is_used(*number)).count()
    }

    /// Blocks that are marked as bad are nobody's.
    fn is_used(&self, number: u32) -> bool {
        let entry = self.entry(number);
        entry != 0 && entry != self.width.ones() - 8
    }
}

/// Clusters in a row are one run: most files have one only.
fn append(runs: &mut Vec<Extent>, next: Extent) {
    match runs.last_mut() {
        Some(last) if last.end() == Some(next.offset) => last.length += next.length,
        _ => runs.push(next),
    }
}
