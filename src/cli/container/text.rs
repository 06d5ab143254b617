//! Results of `airshipctl container` for people and for line-wise tools.

use std::fmt::Display;

use airshipctl::container::kept::{Listed, Pruned};
use airshipctl::container::record::Status;

/// `id status started size image volume`, one line each.
pub fn listed(containers: &[Listed]) -> String {
    let line = |run: &Listed| {
        let status = match run.status {
            Status::Running => "running",
            Status::Kept => "kept",
            Status::Dead => "dead",
        };
        let (volume, image) = (run.volume.as_deref().map(visible), run.image.as_deref().map(visible));
        let (started, size) = (or_dash(run.started.as_ref()), or_dash(run.size));
        format!("{} {status} {started} {size} {} {}\n", visible(&run.id), or_dash(image), or_dash(volume))
    };
    containers.iter().map(line).collect()
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

pub fn removed(ids: &[String]) -> String {
    ids.iter().map(|id| format!("{id}\n")).collect()
}

pub fn pruned(pruned: &Pruned) -> String {
    format!(
        "{}removed {} containers and {} logs\n",
        removed(&pruned.containers),
        pruned.containers.len(),
        pruned.logs
    )
}

/// One line, whatever is in it.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Lines without what would steer a terminal.
pub fn lines(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| {
            let (rest, end) = part.split_at(part.trim_end_matches(['\n', '\t']).len());
            format!("{}{end}", visible(rest))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_that_is_known() {
        let mut run = Listed {
            id: "abc".into(),
            status: Status::Kept,
            image: Some("localhost/x:1".into()),
            started: Some("2026-11-22T00:00:00Z".into()),
            size: Some(4096),
            volume: Some("/srv/iso".into()),
        };
        assert_eq!(listed(&[run]), "abc kept 2026-11-22T00:00:00Z 4096 localhost/x:1 /srv/iso\n");
        run = Listed {
            id: "x".into(),
            status: Status::Dead,
            image: None,
            started: None,
            size: None,
            volume: None,
        };
        assert_eq!(listed(&[run]), "x dead - - - -\n");
    }

    #[test]
    fn a_builder_does_not_steer_the_terminal() {
        assert_eq!(lines("a\x1b[2Jb\r\u{9b}\tc\n\nd"), "a\\u{1b}[2Jb\\r\\u{9b}\tc\n\nd");
    }
}
