//! The result of `iso verify` for people.

use std::path::Path;

use airshipctl::iso::verify::Verification;

use super::findings;
use super::text::{plural, size};

pub fn text(path: &Path, verification: &Verification) -> String {
    let mut text = String::new();
    for line in findings::lines(&verification.findings, verification.more_findings) {
        text += &format!("{line}\n");
    }
    let mut against: Vec<String> = Vec::new();
    for list in &verification.checksum_lists {
        against.push(format!("{} of {}", plural(list.files, "file"), list.path));
    }
    against.extend(verification.sums.iter().map(|sums| format!("the checksums of its {} bytes", sums.bytes)));
    let against = match against.as_slice() {
        [] => "no checksums".to_owned(),
        some => some.join(", "),
    };
    let verdict = if verification.good { "good" } else { "bad" };
    format!("{text}{}: {verdict}, {}, compared with {against}\n", path.display(), size(verification.size))
}
