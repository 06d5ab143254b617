//! The records of one directory: ECMA-119, 6.8.1.

use super::about::About;
use super::descriptor::SECTOR;
use super::limits::{Budget, Stop};
use super::record::Record;
use crate::iso::image::{Extent, Image};

/// Reads a directory, a sector at a time: records do not cross from one to the next (ECMA-119, 6.8.1.1).
pub(super) struct Records<'a> {
    image: &'a Image,
    extent: Extent,
    /// Bytes of the extent that were read into sectors.
    read: u64,
    sector: Vec<u8>,
    /// The next record in the sector.
    at: usize,
}

impl<'a> Records<'a> {
    pub fn new(image: &'a Image, extent: Extent) -> Self {
        Self { image, extent, read: 0, sector: Vec::new(), at: 0 }
    }

    /// The next record; `None` at the end. What is no record is among the findings, and the rest of its sector
    /// is left out.
    pub fn next(&mut self, budget: &mut Budget, about: &mut About<'_>) -> Result<Option<Record>, Stop> {
        loop {
            let rest = self.sector.get(self.at..).unwrap_or_default();
            let offset = self.extent.offset + self.read - rest.len() as u64;
            match rest.first() {
                None if self.read == self.extent.length => return Ok(None),
                None => self.load(budget)?,
                Some(0) => {
                    let stray = rest.iter().position(|byte| *byte != 0);
                    if let Some(at) = stray {
                        let text = "something stands behind the last record of a sector";
                        about.error("directory-padding", offset + at as u64, text);
                    }
                    self.at = self.sector.len();
                }
                Some(length) => {
                    let length = usize::from(*length);
                    match Record::parse(rest, offset, about) {
                        None => self.at = self.sector.len(),
                        found => {
                            self.at += length;
                            return Ok(found);
                        }
                    }
                }
            }
        }
    }

    fn load(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let (offset, left) = (self.extent.offset + self.read, self.extent.length - self.read);
        let length = left.min(SECTOR);
        budget.data(SECTOR)?;
        // the extent was within the image; if that has become shorter, this is its end
        let sector = self.image.extent(Extent { offset, length }, SECTOR)?;
        if sector.is_none() {
            self.extent.length = self.read + length;
        }
        (self.sector, self.at) = (sector.unwrap_or_default(), 0);
        self.read += length;
        Ok(())
    }
}
