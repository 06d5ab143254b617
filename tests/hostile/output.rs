//! What a builder prints.

use std::time::{Duration, Instant};

use super::common::left::assert_nothing_left;
use super::common::site::{BUILD, stderr};
use super::site;

/// Clears the screen, retitles the window, rings, and turns writing around.
const RUDE: &str = "printf 'begin \\033[2J\\033]0;owned\\007 \\233\\061m \\b\\r \\342\\200\\256 end\\n'; printf '\\302\\2332J c1\\n'; printf '\\377\\376\\0\\1 garbage\\n'";

#[test]
fn nothing_that_commands_a_terminal_reaches_it() {
    let failing = site(&format!("{RUDE}; exit 3"));
    let building = site(&format!("{RUDE}\n{BUILD}"));
    let said = stderr(&failing.run(&[]));
    let debug = stderr(&building.succeed(&["--debug"]));
    for text in [&said, &debug] {
        assert!(text.contains("begin ") && text.contains(" end"), "{text}");
        let rude = text.chars().find(|&c| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}');
        assert_eq!(rude, None, "{text:?}");
    }
    assert!(said.contains("ended with exit code 3"), "{said}");
}

#[test]
fn names_in_the_image_command_no_terminal_either() {
    let image = super::builder(BUILD).config(serde_json::json!({
        "Entrypoint": ["/bin/\u{1b}[2Jx"], "User": "\u{1b}[31m", "Env": ["PATH=/bin\u{7}"],
    }));
    let said = super::Site::with_image(&image.build()).fail(&[], 6, &[]);
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
}

#[test]
fn output_without_end_ends_at_the_timeout() {
    let site = site(
        "trap '' PIPE; while :; do busybox yes 'a line that is said again and again' | head -c 200000; sleep 0.1; done",
    );
    let start = Instant::now();
    let said = site.fail(&["--timeout", "2s"], 6, &["longer than 2s"]);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(said.len() < 20_000, "{} bytes", said.len());
    assert_nothing_left(&site, "no such marker");
}

#[test]
fn a_line_without_end_is_quoted_in_part() {
    let site = site("head -c 3000000 /dev/zero | tr '\\0' x; echo; exit 3");
    let said = site.fail(&[], 6, &["ended with exit code 3", "xxxx"]);
    assert!(said.len() < 20_000, "{} bytes", said.len());
}

#[test]
fn a_builder_that_closes_its_output_is_waited_for() {
    let site = site(&format!("exec >/dev/null 2>&1; sleep 1\n{BUILD}"));
    site.succeed(&[]);
    site.assert_outputs();
}
