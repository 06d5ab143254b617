//! Sparse files: where in the file the archived bytes belong (GNU tar manual, "Storing Sparse
//! Files": the old GNU format and the PAX formats 0.0, 0.1 and 1.0).

use std::io;

use super::header::bad;
use super::pax::decimal;

/// More pieces than this are an attack on memory, not a file.
const MOST_EXTENTS: u64 = 1 << 20;

/// A piece of the file that is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub offset: u64,
    pub length: u64,
}

/// The records `GNU.sparse.*` of an extended header.
#[derive(Default)]
pub(super) struct PaxSparse {
    version: (Option<u64>, Option<u64>),
    /// The file's real name; the header has an invented one.
    pub name: Option<Vec<u8>>,
    size: Option<u64>,
    map: Vec<u64>,
    present: bool,
}

/// Which of the formats an entry is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SparseForm {
    /// Not a sparse file.
    Dense,
    /// The map was in the extended header (0.0 and 0.1).
    InHeader { size: u64, map: Vec<Extent> },
    /// The map is in front of the content (1.0).
    InContent { size: u64 },
}

impl PaxSparse {
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.present = true;
        match key {
            b"major" => self.version.0 = decimal(key, value)?,
            b"minor" => self.version.1 = decimal(key, value)?,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = decimal(key, value)?,
            // 0.0 repeats the two keys in turn, 0.1 has them in one list
            b"offset" | b"numbytes" => self.map.extend(decimal(key, value)?),
            b"map" => self.map = value.split(|&b| b == b',').map(number).collect::<io::Result<_>>()?,
            b"numblocks" => {}
            _ => return Err(bad("unknown `GNU.sparse` record in an extended header")),
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        !self.present
    }

    pub fn form(&self) -> io::Result<SparseForm> {
        if !self.present {
            return Ok(SparseForm::Dense);
        }
        let size = self.size.ok_or_else(|| bad("a sparse file without its size"))?;
        match self.version {
            (None | Some(0), None | Some(0..=1)) => Ok(SparseForm::InHeader { size, map: pairs(&self.map)? }),
            (Some(1), Some(0)) => Ok(SparseForm::InContent { size }),
            (major, minor) => Err(bad(format!(
                "sparse format {}.{} is not supported",
                major.unwrap_or_default(),
                minor.unwrap_or_default()
            ))),
        }
    }
}

fn number(text: &[u8]) -> io::Result<u64> {
    decimal(b"GNU.sparse.map", text)?.ok_or_else(|| bad("a sparse map with a gap"))
}

fn pairs(numbers: &[u64]) -> io::Result<Vec<Extent>> {
    match numbers.len() % 2 {
        0 => Ok(numbers.chunks_exact(2).map(|pair| Extent { offset: pair[0], length: pair[1] }).collect()),
        _ => Err(bad("a sparse map with an offset that has no length")),
    }
}

/// Reads the map of format 1.0 through `next`, which gives one decimal line after another.
pub(super) fn read_map(mut next: impl FnMut() -> io::Result<u64>) -> io::Result<Vec<Extent>> {
    let count = next()?;
    if count > MOST_EXTENTS {
        return Err(bad(format!("a sparse file of {count} pieces")));
    }
    (0..count).map(|_| Ok(Extent { offset: next()?, length: next()? })).collect()
}

/// Fails unless the pieces are in order, inside the file and exactly what the archive stores.
pub(super) fn check(map: &[Extent], size: u64, stored: u64) -> io::Result<()> {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for extent in map {
        let next = extent.offset.checked_add(extent.length).filter(|_| extent.offset >= end);
        end = next.filter(|&next| next <= size).ok_or_else(|| bad("a sparse map out of order or bounds"))?;
        // cannot overflow: the pieces do not overlap and end before `size`
        sum += extent.length;
    }
    match sum == stored {
        true => Ok(()),
        false => Err(bad(format!("a sparse map of {sum} bytes for {stored} bytes of content"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &[(&str, &str)]) -> io::Result<SparseForm> {
        let mut sparse = PaxSparse::default();
        records.iter().try_for_each(|(key, value)| sparse.set(key.as_bytes(), value.as_bytes()))?;
        sparse.form()
    }

    #[test]
    fn the_three_formats_are_recognised() {
        let map = vec![Extent { offset: 0, length: 1 }, Extent { offset: 9, length: 0 }];
        let in_header = SparseForm::InHeader { size: 9, map };
        let first = [
            ("size", "9"),
            ("numblocks", "2"),
            ("offset", "0"),
            ("numbytes", "1"),
            ("offset", "9"),
            ("numbytes", "0"),
        ];
        assert_eq!(of(&first).unwrap(), in_header);
        assert_eq!(of(&[("size", "9"), ("map", "0,1,9,0")]).unwrap(), in_header);
        let third = [("major", "1"), ("minor", "0"), ("name", "x"), ("realsize", "9")];
        assert_eq!(of(&third).unwrap(), SparseForm::InContent { size: 9 });
        assert_eq!(of(&[]).unwrap(), SparseForm::Dense);
    }

    #[test]
    fn unknown_and_incomplete_ones_are_refused() {
        assert!(of(&[("size", "9"), ("major", "2"), ("minor", "0")]).is_err());
        assert!(of(&[("size", "9"), ("map", "0,1,9")]).is_err());
        assert!(of(&[("map", "0,1")]).is_err());
        assert!(of(&[("size", "9"), ("colour", "1")]).is_err());
    }

    #[test]
    fn maps_must_fit_the_file_and_its_content() {
        let piece = |offset, length| Extent { offset, length };
        assert!(check(&[piece(0, 2), piece(4, 2)], 6, 4).is_ok());
        assert!(check(&[piece(0, 2), piece(1, 2)], 6, 4).is_err());
        assert!(check(&[piece(4, 3)], 6, 3).is_err());
        assert!(check(&[piece(0, 2)], 6, 3).is_err());
        assert!(check(&[piece(u64::MAX, 2)], 6, 2).is_err());
        assert!(read_map(|| Ok(u64::MAX)).is_err());
    }
}
