//! Images from the cache into one OCI archive, the same bytes for the same images: members sorted,
//! no times, no owners.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex};

use super::layout::{self, BLOBS, INDEX, LAYOUT};
use super::new_file::NewFile;
use super::space::Demand;
use super::{Damage, Defect, Loaded, Store, Tree, blob, names, space, view};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::{Digest, Verified};
use crate::image::manifest;
use crate::image::reference::Reference;
use crate::interrupt::Interrupt;

const CHUNK: usize = 128 << 10;
const REPAIR: &str = "`airshipctl image verify --repair` fetches again what a registry has";

const ELSEWHERE: &str = "make room there, or name a file elsewhere";
/// Headers and contents in an archive begin at multiples of this.
const RECORD: u64 = 512;

/// Where an archive goes.
pub enum Target<'a> {
    /// A file that appears when it is whole (0600); one that is there is replaced.
    File(&'a Path),
    Stream(&'a mut dyn Write),
}

/// A member of the archive.
enum Member {
    Directory,
    Document(Vec<u8>),
    Blob(Digest, u64),
}

impl Store {
    /// Writes an OCI archive (image-spec, image-layout.md, as a tar file) of these images, with all
    /// platforms that are stored. Every blob is verified while it is copied.
    ///
    /// Fails with [`ErrorKind::Image`] where something of an image is not there or damaged, and
    /// leaves no file then.
    pub fn save(
        &self,
        references: &[Reference],
        target: Target<'_>,
        interrupt: &Interrupt,
    ) -> Result<Vec<Loaded>> {
        let _in_use = self.lock_shared()?;
        let entries = self.entries_of(references)?;
        let members = self.members(&entries)?;
        match target {
            Target::Stream(out) => self.write_archive(&members, out, interrupt)?,
            Target::File(path) => {
                let mut file = NewFile::create(path, &self.dir)?;
                let needed = Demand::new(file.parent(), "the archive", archive_size(&members));
                space::require(&[Demand { hint: ELSEWHERE, ..needed }])
                    .map_err(|error| file.failed(error))?;
                self.write_archive(&members, file.contents(), interrupt)
                    .map_err(|error| file.failed(error))?;
                file.publish()?;
            }
        }
        let saved = |entry: &Descriptor| Loaded {
            reference: names::of(entry).unwrap_or_default().to_owned(),
            digest: entry.digest().clone(),
        };
        Ok(entries.iter().map(saved).collect())
    }

    /// The entries of the archive's index, in a fixed order.
    fn entries_of(&self, references: &[Reference]) -> Result<Vec<Descriptor>> {
        let mut entries: Vec<Descriptor> = Vec::new();
        for reference in references {
            let index = self.index_with(reference)?;
            let mut found = names::matching(&index, reference);
            if found.is_empty() {
                let why = format!("saving {reference}: cache {} has it not", self.describe());
                return Err(Error::new(ErrorKind::Image, why)
                    .hint("`airshipctl image ls` lists the names that are there"));
            }
            // a digest may have several names, and is asked for under the one given
            found.truncate(if reference.digest().is_some() { 1 } else { found.len() });
            entries.extend(found.into_iter().cloned().map(|mut entry| {
                let mut annotations = view::annotations(&entry);
                annotations.insert(ANNOTATION_REF_NAME.to_owned(), reference.to_string());
                entry.set_annotations(Some(annotations));
                entry
            }));
        }
        let key = |entry: &Descriptor| (names::of(entry).map(str::to_owned), entry.digest().to_string());
        entries.sort_by_key(key);
        entries.dedup_by_key(|entry| key(entry));
        Ok(entries)
    }

    /// All members by path; documents are verified here, before the first byte is written.
    fn members(&self, entries: &[Descriptor]) -> Result<BTreeMap<String, Member>> {
        let mut members = BTreeMap::from([(format!("{BLOBS}/"), Member::Directory)]);
        for entry in entries {
            let tree = self.tree(entry);
            self.complain_of_damage(&tree)?;
            for (digest, size) in tree.blobs() {
                let parent = format!("{BLOBS}/{}/", digest.algorithm());
                members.insert(format!("{parent}{}", digest.digest()), Member::Blob(digest.clone(), *size));
                members.insert(parent, Member::Directory);
            }
        }
        members.insert(INDEX.to_owned(), Member::Document(index_of(entries)?));
        members.insert(LAYOUT.to_owned(), Member::Document(layout::header()));
        Ok(members)
    }

    fn complain_of_damage(&self, tree: &Tree) -> Result<()> {
        let absent = |(digest, size): &&(Digest, u64)| self.place(digest, Some(*size)).is_none();
        let layer = tree.layers.iter().find(absent).map(|(digest, _)| Damage {
            digest: digest.clone(),
            state: Defect::Missing,
            reason: format!("layer {digest} is missing or has another size"),
        });
        match tree.damage.first().or(layer.as_ref()) {
            None => Ok(()),
            Some(damage) => {
                let name = tree.name.as_deref().unwrap_or_default();
                Err(Error::new(ErrorKind::Image, format!("saving {name}: {}", damage.reason)).hint(REPAIR))
            }
        }
    }

    fn write_archive(
        &self,
        members: &BTreeMap<String, Member>,
        out: &mut dyn Write,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK, out));
        for (name, member) in members {
            self.write_member(&mut archive, name, member, interrupt).map_err(|error| {
                // whatever failed after a signal failed because of it
                interrupt.check().err().unwrap_or_else(|| write_error(name, &error))
            })?;
        }
        let finished = archive.into_inner().and_then(|mut out| out.flush());
        finished.map_err(|error| write_error("the end", &error))
    }

    fn write_member(
        &self,
        archive: &mut tar::Builder<impl Write>,
        name: &str,
        member: &Member,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        // empty fields are no numbers to every reader
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        match member {
            Member::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                archive.append_data(&mut header, name, io::empty())
            }
            Member::Document(bytes) => {
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, name, bytes.as_slice())
            }
            Member::Blob(digest, size) => {
                header.set_size(*size);
                let file = blob::open_plain(&self.place_or_own(digest, *size))?;
                let inner = Heeding { inner: BufReader::with_capacity(CHUNK, file), interrupt };
                archive.append_data(&mut header, name, Verified::new(inner, digest, Some(*size))?)
            }
        }
    }
}

/// Bytes of the archive; its end is two empty records.
fn archive_size(members: &BTreeMap<String, Member>) -> u64 {
    let size = |member: &Member| match member {
        Member::Directory => 0,
        Member::Document(bytes) => bytes.len() as u64,
        Member::Blob(_, size) => *size,
    };
    let sizes = members.values().map(|member| size(member).next_multiple_of(RECORD) + RECORD);
    sizes.fold(2 * RECORD, u64::saturating_add)
}

fn index_of(entries: &[Descriptor]) -> Result<Vec<u8>> {
    let mut index = ImageIndex::default();
    index.set_schema_version(2);
    index.set_manifests(entries.to_vec());
    view::turn(&mut index);
    manifest::sorted(&index)
}

fn write_error(member: &str, error: &io::Error) -> Error {
    let failed = Error::caused(ErrorKind::Image, format!("writing {member} into the archive"), error);
    match error.kind() {
        // only the digest's check says so
        io::ErrorKind::InvalidData => failed.hint(REPAIR),
        _ if space::is_exhausted(error) => failed.hint(ELSEWHERE),
        _ => failed,
    }
}

/// A reader that fails once a signal has arrived.
struct Heeding<'a, R> {
    inner: R,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for Heeding<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}
