//! Bars on a terminal of our own.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// A program with a terminal as its standard error.
struct OnTerminal {
    child: Child,
    written: JoinHandle<String>,
}

impl OnTerminal {
    fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let child = command.stdout(Stdio::null()).stderr(pty.slave).spawn().unwrap();
        // holds the other copy of the terminal
        drop(command);
        let mut master = File::from(pty.master);
        let written = std::thread::spawn(move || {
            let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
            // EIO: nobody has the terminal any more
            while let Ok(count @ 1..) = master.read(&mut chunk) {
                all.extend_from_slice(&chunk[..count]);
            }
            String::from_utf8(all).unwrap()
        });
        Self { child, written }
    }

    fn finish(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.written.join().unwrap())
    }
}

fn pulling(site: &Site, reference: &str, arguments: &[&str]) -> Command {
    let mut command = site.command(&["image", "pull", reference]);
    command.args(arguments).env("TERM", "xterm");
    command
}

/// What the terminal shows in the end; the last line is that of the cursor.
fn show(written: &str) -> Vec<String> {
    let (mut lines, mut row) = (vec![String::new()], 0);
    let mut rest = written;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\x1b[J") {
            lines.truncate(row);
            lines.push(String::new());
            rest = after;
        } else if let Some((count, after)) = rest.strip_prefix("\x1b[").and_then(|text| text.split_once('A'))
        {
            row -= count.parse::<usize>().unwrap();
            rest = after;
        } else {
            assert_ne!(character, '\x1b', "{rest:?}");
            match character {
                '\r' => {}
                '\n' => {
                    row += 1;
                    if row == lines.len() {
                        lines.push(String::new());
                    }
                }
                other => lines[row].push(other),
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    assert_eq!(row, lines.len() - 1, "nothing is below the cursor");
    lines
}

/// The bars were there, and nothing of them is left.
fn assert_clean(written: &str) -> Vec<String> {
    assert!(written.contains("] ") && written.contains("\ntotal  "), "no bars: {written:?}");
    let shown = show(written);
    assert_eq!(shown.last().map(String::as_str), Some(""), "{shown:?}");
    assert!(!shown.iter().any(|line| line.contains('[')), "{shown:?}");
    shown
}

fn slow() -> (FaultyRegistry, String) {
    let registry = FaultyRegistry::start();
    let image = image();
    let reference = registry.add("1", &image);
    registry.fault(&image.layers[0].digest, 1, SLOW);
    (registry, reference)
}

#[test]
fn bars_are_drawn_in_place_and_gone_after_a_pull() {
    let (_registry, reference) = slow();
    let site = Site::new();
    let running = OnTerminal::start(pulling(&site, &reference, &["--debug"]), 100, 30);
    let (code, written) = running.finish();
    assert_eq!(code, Some(0), "{written}");
    let shown = assert_clean(&written);
    assert!(shown.iter().any(|line| line.starts_with("pulled ")), "{shown:?}");
    // drawn ten times a second, not with each report
    let drawn = written.matches("\ntotal  ").count();
    assert!((5..60).contains(&drawn), "{drawn}: {written:?}");
    assert!(written.contains("/   1.5 MB"), "{written:?}");
}

#[test]
fn bars_are_gone_after_an_error() {
    let registry = FaultyRegistry::start();
    let image = image();
    let reference = registry.add("1", &image);
    // tried again after pauses
    registry.fault(&image.layers[1].digest, 1000, Fault::Status(500, ""));
    let site = Site::new();
    let (code, written) = OnTerminal::start(pulling(&site, &reference, &[]), 80, 24).finish();
    assert_eq!(code, Some(4), "{written}");
    let shown = assert_clean(&written);
    assert!(shown[shown.len().saturating_sub(3)..].iter().any(|line| line.contains(": ")), "{shown:?}");
    assert!(shown.iter().any(|line| line.starts_with("error: ")), "{shown:?}");
}

#[test]
fn bars_are_gone_after_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let registry = FaultyRegistry::start();
        let image = image();
        let reference = registry.add("1", &image);
        registry.fault(&image.layers[0].digest, 1, Fault::Silence(700_000));
        let site = Site::new();
        let running = OnTerminal::start(pulling(&site, &reference, &[]), 80, 24);
        let pid = Pid::from_raw(running.child.id().try_into().unwrap());
        let start = Instant::now();
        while registry.count(&image.layers[0].digest) == 0 && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(800));
        kill(pid, signal).unwrap();
        let (code, written) = running.finish();
        assert_eq!(code, Some(128 + signal as i32), "{written}");
        let shown = assert_clean(&written);
        assert!(shown.iter().any(|line| line.contains(signal.as_str())), "{shown:?}");
    }
}

#[test]
fn bars_of_a_run_are_gone_when_the_builder_starts() {
    let registry = FaultyRegistry::start();
    let image =
        builder(BUILD).raw_layer(Compression::None, tar(&[Entry::file("x", noise(1_500_000))])).build();
    let site = Site::new();
    site.configure(&registry.add("1", &image), "");
    registry.fault(&image.layers.last().unwrap().digest, 1, SLOW);
    let mut command = site.isogen(&[]);
    command.env("TERM", "xterm");
    let (code, written) = OnTerminal::start(command, 100, 30).finish();
    assert_eq!(code, Some(0), "{written}");
    let digest = format!("@{}", image.manifest.digest);
    let last = written.rfind("\x1b[J").unwrap();
    assert!(written[last..].contains("Running default container command"), "{written:?}");
    assert!(written.contains(&digest) && written.contains("[#"), "{written:?}");
    assert_eq!(show(&written).last().map(String::as_str), Some(""));
}

#[test]
fn a_dumb_terminal_and_one_without_a_width_have_plain_lines() {
    let (_registry, reference) = slow();
    let site = Site::new();
    for (term, columns) in [(Some("dumb"), 80), (None, 80), (Some("xterm"), 0)] {
        let mut command = site.command(&["image", "pull", &reference]);
        command.envs(term.map(|term| ("TERM", term)));
        let (code, written) = OnTerminal::start(command, columns, 24).finish();
        assert_eq!(code, Some(0), "{written}");
        assert!(!written.contains('\x1b') && written.contains("layer 1 of 3 "), "{written:?}");
    }
}
