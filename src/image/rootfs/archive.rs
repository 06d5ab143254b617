//! The entries of a layer's archive, one after another, each with its content to be read before
//! the next one. The `tar` crate gives the layout of a header block; what blocks mean together is
//! decided here, since disagreement about that is what attacks on archives are made of.

use std::io::{self, BufRead, Read};

use rustix::fs::Timespec;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::header::{BLOCK, bad, mtime, number, text, unsigned, verify_checksum};
use super::pax::{Pax, Xattr};
use super::sparse::{Extent, SparseForm, check, read_map};

/// Longest extended header or long name, as in Go's archive/tar, which engines use.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// One entry, as the archive has it: nothing but its form has been checked.
pub(super) struct Entry {
    pub name: Vec<u8>,
    pub kind: Kind,
    /// The twelve bits of chmod(2).
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: Timespec,
    pub xattrs: Vec<Xattr>,
}

pub(super) enum Kind {
    File(Content),
    Directory,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    CharDevice { major: u64, minor: u64 },
    BlockDevice { major: u64, minor: u64 },
    Fifo,
}

/// A file's size in bytes, and where its archived bytes belong.
pub(super) struct Content {
    pub size: u64,
    pub map: Vec<Extent>,
}

/// What stands in front of an entry and describes it.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

pub(super) struct Archive<R> {
    reader: R,
    /// Bytes of the current entry that were not read yet, without its padding.
    left: u64,
    padding: u64,
    /// How many more bytes the archive may have.
    budget: u64,
    ended: bool,
}

impl<R: BufRead> Archive<R> {
    /// `budget`: an archive of more bytes than this is refused.
    pub fn new(reader: R, budget: u64) -> Self {
        Self { reader, left: 0, padding: 0, budget, ended: false }
    }

    /// The next entry, after what is left of the current one was skipped.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        self.skip()?;
        let mut ahead = Ahead::default();
        while let Some(header) = self.header()? {
            match header.as_old().linkflag[0] {
                b'L' => once(&mut ahead.name, self.long_name(&header)?, "long names")?,
                b'K' => once(&mut ahead.link, self.long_name(&header)?, "long link names")?,
                b'x' => once(&mut ahead.pax, Pax::parse(&self.extension(&header)?)?, "extended headers")?,
                b'g' => Pax::check_global(&self.extension(&header)?)?,
                _ => return self.entry(&header, ahead).map(Some),
            }
        }
        match ahead {
            Ahead { name: None, link: None, pax: None } => Ok(None),
            _ => Err(bad("the archive ends before an entry that it describes")),
        }
    }

    /// At most `most` bytes of the current entry's content; empty at its end.
    pub fn content(&mut self, most: u64) -> io::Result<&[u8]> {
        let most = usize::try_from(self.left.min(most)).unwrap_or(usize::MAX);
        if most == 0 {
            return Ok(&[]);
        }
        let bytes = self.reader.fill_buf()?;
        match bytes.len() {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            have => Ok(&bytes[..have.min(most)]),
        }
    }

    /// Says that so many bytes, not more than [`Self::content`] gave, have been used.
    pub fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.left -= count as u64;
    }

    /// Reads what follows the archive, so that all bytes are in the digest.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            let count = self.reader.fill_buf()?.len();
            if count == 0 {
                return Ok(());
            }
            self.spend(count as u64)?;
            self.reader.consume(count);
        }
    }

    fn skip(&mut self) -> io::Result<()> {
        while self.left > 0 {
            let count = self.content(u64::MAX)?.len();
            self.consume(count);
        }
        self.left = std::mem::take(&mut self.padding);
        // umoci 0.4 ends a layer without it, and other engines take that; a layer that was cut short
        // has not its diff_id
        while self.left > 0 && !self.reader.fill_buf()?.is_empty() {
            let count = self.content(u64::MAX)?.len();
            self.consume(count);
        }
        self.left = 0;
        Ok(())
    }

    fn spend(&mut self, count: u64) -> io::Result<()> {
        self.budget = self
            .budget
            .checked_sub(count)
            .ok_or_else(|| bad("the layer is larger than this program unpacks (1 TiB)"))?;
        Ok(())
    }

    /// `None` at the end of the archive: two blocks of zeros, or the end of the stream.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        if self.ended || !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes().iter().any(|&byte| byte != 0) {
            verify_checksum(&header)?;
            return Ok(Some(header));
        }
        self.ended = true;
        let more = self.block(header.as_mut_bytes())?;
        match more && header.as_bytes().iter().any(|&byte| byte != 0) {
            true => Err(bad("the archive goes on after a single block of zeros")),
            false => Ok(None),
        }
    }

    /// Reads one block; false when there is none.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<bool> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.spend(BLOCK as u64)?;
        self.reader.read_exact(block).map(|()| true)
    }

    /// Sets how many bytes of content the entry has.
    fn begin(&mut self, size: u64) -> io::Result<()> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.spend(size.saturating_add(padding))?;
        (self.left, self.padding) = (size, padding);
        Ok(())
    }

    fn extension(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        let size = unsigned(&header.as_old().size, "the size of an extension")?;
        if size > LONGEST_EXTENSION {
            return Err(bad(format!("an extended header of {size} bytes")));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(size).read_to_end(&mut bytes)?;
        self.left -= bytes.len() as u64;
        // fails where the stream ended too early
        self.skip().map(|()| bytes)
    }

    fn long_name(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        self.extension(header).map(|bytes| text(&bytes).to_vec())
    }

    fn entry(&mut self, header: &Header, ahead: Ahead) -> io::Result<Entry> {
        let pax = ahead.pax.unwrap_or_default();
        let name = pax.sparse.name.clone().or(ahead.name).or_else(|| pax.path.clone());
        let name = name.unwrap_or_else(|| path(header));
        let link = ahead.link.or_else(|| pax.linkpath.clone());
        let link = link.unwrap_or_else(|| text(&header.as_old().linkname).to_vec());
        let old = header.as_old();
        Ok(Entry {
            kind: self.kind(header, &pax, &name, link)?,
            mode: (number(&old.mode)? & 0o7777) as u32,
            uid: pax.uid.map_or_else(|| unsigned(&old.uid, "the uid"), Ok)?,
            gid: pax.gid.map_or_else(|| unsigned(&old.gid, "the gid"), Ok)?,
            mtime: pax.mtime.map_or_else(|| mtime(header), Ok)?,
            xattrs: pax.xattrs,
            name,
        })
    }

    /// Only files have content: for other types a size means nothing, as in Go's archive/tar.
    fn kind(&mut self, header: &Header, pax: &Pax, name: &[u8], link: Vec<u8>) -> io::Result<Kind> {
        Ok(match header.as_old().linkflag[0] {
            // before POSIX a directory was a file whose name ends in a slash
            0 | b'0' if name.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File(self.begin_content(header, pax)?),
            b'1' => Kind::HardLink(link),
            b'2' => Kind::Symlink(link),
            b'3' => device(header).map(|(major, minor)| Kind::CharDevice { major, minor })?,
            b'4' => device(header).map(|(major, minor)| Kind::BlockDevice { major, minor })?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(bad(format!("entries of type '{}' are not supported", other.escape_ascii())));
            }
        })
    }

    fn begin_content(&mut self, header: &Header, pax: &Pax) -> io::Result<Content> {
        // the extended header's size decides, also against a size in the header: parsers that
        // disagreed here could be shown different entries (CVE-2025-62518, RUSTSEC-2026-0068)
        let stored = pax.size.map_or_else(|| unsigned(&header.as_old().size, "the size"), Ok)?;
        let (size, map) = match (header.as_old().linkflag[0], pax.sparse.form()?) {
            (b'S', SparseForm::Dense) => {
                let content = self.old_sparse(header)?;
                self.begin(stored)?;
                content
            }
            (b'S', _) => return Err(bad("a sparse file in two formats at once")),
            (_, SparseForm::Dense) => {
                self.begin(stored)?;
                return Ok(Content { size: stored, map: vec![Extent { offset: 0, length: stored }] });
            }
            (_, SparseForm::InHeader { size, map }) => {
                self.begin(stored)?;
                (size, map)
            }
            (_, SparseForm::InContent { size }) => {
                self.begin(stored)?;
                (size, self.map_in_content()?)
            }
        };
        check(&map, size, self.left)?;
        Ok(Content { size, map })
    }

    /// The old GNU format: four pieces in the header, 21 in each block that follows it.
    fn old_sparse(&mut self, header: &Header) -> io::Result<(u64, Vec<Extent>)> {
        let gnu = header.as_gnu().ok_or_else(|| bad("a sparse file without a GNU header"))?;
        let mut map = Vec::new();
        add_pieces(&gnu.sparse, &mut map)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            if !self.block(block.as_mut_bytes())? || map.len() > 1 << 20 {
                return Err(bad("a sparse map that does not end"));
            }
            add_pieces(block.sparse(), &mut map)?;
            more = block.is_extended();
        }
        Ok((unsigned(&gnu.realsize, "the size of a sparse file")?, map))
    }

    /// Format 1.0: decimal lines, filled up to a whole block, in front of the content.
    fn map_in_content(&mut self) -> io::Result<Vec<Extent>> {
        let before = self.left;
        let map = read_map(|| self.line())?;
        let filler = (before - self.left).wrapping_neg() % BLOCK as u64;
        for _ in 0..filler.min(self.left) {
            self.byte()?;
        }
        Ok(map)
    }

    fn line(&mut self) -> io::Result<u64> {
        let mut value = 0_u64;
        loop {
            let digit = match self.byte()? {
                b'\n' => return Ok(value),
                digit @ b'0'..=b'9' => u64::from(digit - b'0'),
                _ => return Err(bad("a sparse map that is not made of numbers")),
            };
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(digit))
                .ok_or_else(|| bad("a sparse map with a number that is too large"))?;
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.content(1)?.first().copied();
        self.consume(usize::from(byte.is_some()));
        byte.ok_or_else(|| bad("a sparse map that does not end"))
    }
}

fn once<T>(slot: &mut Option<T>, value: T, what: &str) -> io::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("two {what} for one entry"))),
    }
}

/// The name in the header block; POSIX headers have its beginning in another field.
fn path(header: &Header) -> Vec<u8> {
    let name = text(&header.as_old().name);
    match header.as_ustar().map(|ustar| text(&ustar.prefix)) {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

fn device(header: &Header) -> io::Result<(u64, u64)> {
    let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
        (_, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
        _ => return Err(bad("a device without its numbers")),
    };
    Ok((unsigned(major, "a device number")?, unsigned(minor, "a device number")?))
}

fn add_pieces(pieces: &[GnuSparseHeader], map: &mut Vec<Extent>) -> io::Result<()> {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let offset = unsigned(&piece.offset, "a sparse offset")?;
        map.push(Extent { offset, length: unsigned(&piece.numbytes, "a sparse length")? });
    }
    Ok(())
}
