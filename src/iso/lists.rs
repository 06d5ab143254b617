//! Lists of checksums that are on the volume, as `md5sum` and `sha256sum` of coreutils write them.

use std::collections::HashMap;
use std::io;

use super::finding::Findings;
use super::image::{Extent, Image};
use super::sums::{self, Algorithm};
use super::volume::{Entry, Tree, Volume};

/// Where lists are: ours, and those of Debian's and Ubuntu's media.
const PLACES: [(&str, Algorithm); 3] = [
    ("/.airship/SHA256SUMS", Algorithm::Sha256),
    ("/sha256sum.txt", Algorithm::Sha256),
    ("/md5sum.txt", Algorithm::Md5),
];
/// A list of 100,000 files is not half as long.
const LONGEST: u64 = 32 << 20;

/// A list that could be read.
#[derive(Clone, Debug)]
pub struct List {
    pub path: &'static str,
    pub algorithm: Algorithm,
    pub files: Vec<Listed>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: String,
    /// Hexadecimal, lower case.
    pub sum: String,
}

/// The lists of the volume; what cannot be read of them is among the findings.
pub fn read(image: &Image, volume: Option<&Volume>, findings: &mut Findings) -> io::Result<Vec<List>> {
    let Some(volume) = volume else { return Ok(Vec::new()) };
    let mut lists = Vec::new();
    for (path, algorithm) in PLACES {
        let Some((_, entry)) = volume.shown().file(path) else { continue };
        let Some(text) = image.contents(&entry.extents, LONGEST)? else {
            findings.error(
                "checksum-list-unreadable",
                start(entry),
                format!("{path} is too long, or not whole"),
            );
            continue;
        };
        let (files, strange) = parse(&text, algorithm);
        if let Some(line) = strange {
            let message =
                format!("line {line} of {path} is no {} checksum with the name of a file", algorithm.name());
            findings.error("checksum-list-syntax", start(entry), message);
        }
        lists.push(List { path, algorithm, files });
    }
    Ok(lists)
}

fn start(entry: &Entry) -> Option<u64> {
    entry.extents.first().map(|extent| extent.offset)
}

/// What a list says, and the number of the first line that says nothing.
fn parse(text: &[u8], algorithm: Algorithm) -> (Vec<Listed>, Option<usize>) {
    let text = String::from_utf8_lossy(text);
    let (mut files, mut strange) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match listed(line, algorithm) {
            Some(file) => files.push(file),
            None => strange = strange.or(Some(number + 1)),
        }
    }
    (files, strange)
}

/// `<digits>  name` or `<digits> *name`; a backslash in front says that there are some in the name
/// (coreutils, "md5sum invocation").
fn listed(line: &str, algorithm: Algorithm) -> Option<Listed> {
    let (line, is_escaped) = line.strip_prefix('\\').map_or((line, false), |line| (line, true));
    let (sum, name) = line.split_at_checked(algorithm.digits())?;
    let name = name.strip_prefix("  ").or_else(|| name.strip_prefix(" *"))?;
    let is_sum = sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let path = match is_escaped {
        true => name.replace("\\n", "\n").replace("\\\\", "\\"),
        false => name.to_owned(),
    };
    (is_sum && !path.is_empty()).then(|| Listed { path, sum: sum.to_ascii_lowercase() })
}

/// Compares every file with the lists; each is read once. What differs is among the findings.
pub fn compare(image: &Image, volume: &Volume, lists: &[List], findings: &mut Findings) -> io::Result<()> {
    let mut comparison = Comparison {
        image,
        tree: volume.shown(),
        known: HashMap::new(),
        // hard links are read once; files that overlap are no files of a sane image
        left: image.size.saturating_mul(2),
    };
    for list in lists {
        for file in &list.files {
            if !comparison.check(list, file, findings)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

struct Comparison<'i> {
    image: &'i Image,
    tree: &'i Tree,
    known: HashMap<(Vec<Extent>, &'static str), Option<String>>,
    /// So many more bytes may be read.
    left: u64,
}

impl Comparison<'_> {
    /// Returns `false` if it would take for ever.
    fn check(&mut self, list: &List, file: &Listed, findings: &mut Findings) -> io::Result<bool> {
        let (name, list_path) = (&file.path, list.path);
        let Some((_, entry)) = self.tree.file(name) else {
            findings.error(
                "checksum-file-missing",
                None,
                format!("{name:?} of {list_path} is not on the volume"),
            );
            return Ok(true);
        };
        if entry.uncompressed.is_some() {
            let why =
                format!("{name:?} of {list_path} is compressed on the volume (zisofs): it is not compared");
            findings.warning("checksum-compressed", start(entry), why);
            return Ok(true);
        }
        let Some(sum) = self.sum(entry, list.algorithm)? else {
            let why = format!(
                "the files of {list_path} are together longer than twice the image: they are not compared"
            );
            findings.error("checksum-list-endless", None, why);
            return Ok(false);
        };
        let kind = list.algorithm.name();
        match sum {
            Some(sum) if sum == file.sum => {}
            Some(sum) => findings.error(
                "checksum-differs",
                start(entry),
                format!("{kind} of {name:?} is {sum}, {list_path} says {}", file.sum),
            ),
            None => findings.error(
                "checksum-file-cut",
                start(entry),
                format!("the image ends before {name:?} does"),
            ),
        }
        Ok(true)
    }

    /// The checksum, `None` in it if the image ends before the file; `None` if too much was read already.
    fn sum(&mut self, entry: &Entry, algorithm: Algorithm) -> io::Result<Option<Option<String>>> {
        let key = (entry.extents.clone(), algorithm.name());
        if let Some(sum) = self.known.get(&key) {
            return Ok(Some(sum.clone()));
        }
        let length = entry.extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.length));
        // what is not whole is not read
        let sum = match length <= self.left || length > self.image.size {
            true => sums::of_extents(self.image, &entry.extents, algorithm)?,
            false => return Ok(None),
        };
        self.left = self.left.saturating_sub(length);
        self.known.insert(key, sum.clone());
        Ok(Some(sum))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::iso::volume::Kind;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn parsed(text: &str) -> (Vec<String>, Option<usize>) {
        let (files, strange) = parse(text.as_bytes(), Algorithm::Md5);
        (files.into_iter().map(|file| file.path).collect(), strange)
    }

    #[test]
    fn lists_are_read_as_coreutils_write_them() {
        let text = format!(
            "# made by x\n{MD5}  ./a b\n{MD5} */c\n\\{MD5}  d\\\\e\\nf\n\n{}  g\n",
            MD5.to_uppercase()
        );
        let names = ["./a b", "/c", "d\\e\nf", "g"].map(str::to_owned).to_vec();
        assert_eq!(parsed(&text), (names, None));
    }

    #[test]
    fn the_first_line_that_is_none_is_told() {
        for line in ["x", &format!("{MD5} a"), &format!("{MD5}  "), &MD5[1..], &format!("{}g  a", &MD5[1..])]
        {
            assert_eq!(
                parsed(&format!("{MD5}  a\n{line}\n{line}\n")),
                (vec!["a".to_owned()], Some(2)),
                "{line}"
            );
        }
        assert_eq!(parsed("é".repeat(31).as_str()), (vec![], Some(1)));
    }

    /// An image whose bytes are the list, and `abc` at its end; and a volume with these files.
    fn made(list: &str, files: &[(&str, Extent)]) -> (Image, Volume) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(list.as_bytes(), 0).unwrap();
        file.write_all_at(b"abc", list.len() as u64).unwrap();
        let list = ("/md5sum.txt", Extent { offset: 0, length: list.len() as u64 });
        let mut volume = Volume::named("X");
        for (path, extent) in files.iter().chain([&list]) {
            let entry = Entry { extents: vec![*extent], ..Entry::of(Kind::File) };
            volume.tree.entries.insert((*path).to_owned(), entry);
        }
        (Image::new(file).unwrap(), volume)
    }

    fn found(image: &Image, volume: &Volume) -> Vec<String> {
        let mut findings = Findings::default();
        let lists = read(image, Some(volume), &mut findings).unwrap();
        compare(image, volume, &lists, &mut findings).unwrap();
        let told = findings
            .list()
            .iter()
            .map(|it| format!("{:?} {:?} {} [{}]", it.severity, it.offset, it.message, it.code));
        told.collect()
    }

    #[test]
    fn what_is_wrong_with_files_is_told_by_name_and_place() {
        let list = format!("{MD5}  good\n{MD5}  other\n{MD5}  gone\n{MD5}  cut\n{MD5}  small\n");
        let end = list.len() as u64;
        let at = |offset, length| Extent { offset, length };
        let files =
            [("/good", at(end, 3)), ("/other", at(end, 2)), ("/cut", at(end, 4)), ("/small", at(end + 1, 1))];
        let (image, mut volume) = made(&list, &files);
        volume.tree.entries.get_mut("/small").unwrap().uncompressed = Some(3);
        let (other, one) = ("187ef4436122d1cc2f40dc2b92f0eba0", end + 1);
        let expected = [
            format!(
                "Error Some({end}) md5 of \"other\" is {other}, /md5sum.txt says {MD5} [checksum-differs]"
            ),
            "Error None \"gone\" of /md5sum.txt is not on the volume [checksum-file-missing]".to_owned(),
            format!("Error Some({end}) the image ends before \"cut\" does [checksum-file-cut]"),
            format!(
                "Warning Some({one}) \"small\" of /md5sum.txt is compressed on the volume (zisofs): it is not compared \
                 [checksum-compressed]"
            ),
        ];
        assert_eq!(found(&image, &volume), expected);
    }

    #[test]
    fn a_list_that_is_cut_off_is_not_read() {
        let (image, mut volume) = made("", &[]);
        volume.tree.entries.get_mut("/md5sum.txt").unwrap().extents[0].length = 9;
        let expected = ["Error Some(0) /md5sum.txt is too long, or not whole [checksum-list-unreadable]"];
        assert_eq!(found(&image, &volume), expected);
    }

    #[test]
    fn files_that_overlap_without_end_are_not_read_without_end() {
        let list: String = (0..400).map(|n| format!("{MD5}  f{n}\n")).collect();
        let names: Vec<String> = (0..400).map(|n| format!("/f{n}")).collect();
        let all = list.len() as u64;
        let files: Vec<_> = names
            .iter()
            .zip(0..)
            .map(|(name, n)| (name.as_str(), Extent { offset: n, length: all - n }))
            .collect();
        let (image, volume) = made(&list, &files);
        let found = found(&image, &volume);
        let expected = "Error None the files of /md5sum.txt are together longer than twice the image: they are not \
                        compared [checksum-list-endless]";
        assert_eq!((found.len(), found[2].as_str()), (3, expected));
    }

    #[test]
    fn a_file_with_several_names_is_read_once() {
        let list: String = (0..100).map(|n| format!("{MD5}  f{n}\n")).collect();
        let names: Vec<String> = (0..100).map(|n| format!("/f{n}")).collect();
        let abc = Extent { offset: list.len() as u64, length: 3 };
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), abc)).collect();
        let (image, volume) = made(&list, &files);
        assert_eq!(found(&image, &volume), Vec::<String>::new());
    }
}
