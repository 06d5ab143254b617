//! The two records that every directory begins with, of itself and of its parent. That they agree with what leads
//! there is the only checksum that directories have.

use super::about::{About, Subject};
use super::directory::Records;
use super::limits::Stop;
use super::names::Naming;
use super::record::Record;
use super::rock_ridge::{self, Owner};
use super::susp::Susp;
use super::walk::{Directory, From, Walk};

impl Walk<'_> {
    /// The record of the directory itself: ECMA-119, 6.8.2.2. Where it is none, this is no directory.
    pub fn itself(&mut self, directory: &Directory, records: &mut Records<'_>) -> Result<bool, Stop> {
        let subject = Subject { directory: &directory.path, identifier: &[0] };
        let mut about = About::new(self.findings, &subject);
        let first = records.next(&mut self.budget, &mut about)?;
        let Some(first) = first.filter(|record| record.identifier == [0] && record.is_directory()) else {
            about.error("directory-self", directory.extent.offset, "there is no directory");
            return Ok(false);
        };
        first.is_readable(self.reader.frame, &mut about);
        if (first.location, u64::from(first.length)) != (directory.location, directory.extent.length) {
            let text = format_args!(
                "it is said to be {} bytes at block {}, but is {} at {}",
                first.length, first.location, directory.extent.length, directory.location
            );
            about.error("directory-self", first.offset, text);
        }
        if directory.path == "/" && self.naming == Naming::Iso {
            self.susp = Susp::of(&first, &mut about);
            if let Some(susp) = self.susp {
                let entries = susp.entries(&self.reader, &first, &mut self.budget, &mut about)?;
                self.found.rock_ridge = rock_ridge::is_announced(&entries, first.offset, &mut about);
            }
        }
        let owner = self.attributes(directory, &first)?.owner;
        self.own(directory, &first, owner);
        Ok(true)
    }

    /// Linux shows the mode and owner that the directory has for itself.
    fn own(&mut self, directory: &Directory, first: &Record, owner: Option<Owner>) {
        if matches!(directory.from, From::Keeper { .. }) {
            return;
        }
        if let (Some(outside), Some(inside)) = (directory.owner, owner)
            && outside != inside
        {
            let text = format_args!(
                "mode {:o} and owner {}:{}, where its parent has {:o} and {}:{}",
                inside.mode, inside.uid, inside.gid, outside.mode, outside.uid, outside.gid
            );
            let subject = Subject { directory: &directory.path, identifier: &[0] };
            About::new(self.findings, &subject).warning("attributes-differ", first.offset, text);
        }
        if let (Some(entry), Some(owner)) = (self.found.tree.entries.get_mut(&directory.path), owner) {
            (entry.mode, entry.uid, entry.gid) = (Some(owner.mode), Some(owner.uid), Some(owner.gid));
        }
    }

    /// The record of the parent directory, likewise.
    pub fn parent(&mut self, directory: &Directory, records: &mut Records<'_>) -> Result<bool, Stop> {
        let subject = Subject { directory: &directory.path, identifier: &[1] };
        let mut about = About::new(self.findings, &subject);
        let second = records.next(&mut self.budget, &mut about)?;
        let Some(second) = second.filter(|record| record.identifier == [1] && record.is_directory()) else {
            about.error("directory-parent", directory.extent.offset, "it has no parent, and is left out");
            return Ok(false);
        };
        let attributes = self.attributes(directory, &second)?;
        let mut about = About::new(self.findings, &subject);
        second.is_readable(self.reader.frame, &mut about);
        match directory.from {
            From::Parent { location, length } | From::Keeper { location, length } => {
                let said = (second.location, u64::from(second.length));
                // libisofs has all of Joliet lead to itself; no reader goes up there
                let itself = (directory.location, directory.extent.length);
                let odd = self.naming == Naming::Joliet && said == itself;
                if said != (location, length) && !odd {
                    let text = format_args!(
                        "it is said to be {} bytes at block {}, but is {length} at {location}",
                        second.length, second.location
                    );
                    about.error("directory-parent", second.offset, text);
                }
            }
            From::Moved { shown_in } => {
                if attributes.parent != Some(shown_in) {
                    let text = format_args!("a moved directory's parent (PL) is not at block {shown_in}");
                    about.error("moved-parent", second.offset, text);
                }
                self.moves.lies_below(directory.location, second.location);
            }
        }
        Ok(true)
    }
}
