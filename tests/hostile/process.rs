//! Processes that will not go, or of which there are too many.

use std::time::{Duration, Instant};

use super::common::left::{assert_nothing_left, assert_nothing_runs};
use super::common::site::BUILD;
use super::{marker, site};

#[test]
fn what_runs_in_the_background_ends_with_the_builder() {
    let marker = marker(1);
    let script = format!(
        "busybox setsid sleep {marker} &
         (busybox setsid sh -c \"trap '' TERM HUP INT QUIT; (busybox setsid sh -c 'trap \\\"\\\" TERM HUP; sleep {marker}; sleep {marker}' &) ; sleep {marker}\" &) &
         (trap '' TERM HUP; exec >/dev/null 2>&1 </dev/null; sleep {marker}) &
         busybox nohup sleep {marker} >/dev/null 2>&1 &
         sleep 0.3
         {BUILD}"
    );
    let site = site(&script);
    let start = Instant::now();
    site.succeed(&[]);
    // they hold the output pipe open, which nobody waits for
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    site.assert_outputs();
    assert_nothing_left(&site, &marker);
}

#[test]
fn a_failed_builder_takes_its_background_along() {
    let marker = marker(2);
    let site =
        site(&format!("(trap '' TERM; sleep {marker}) & busybox setsid sleep {marker} & sleep 0.2; exit 3"));
    site.fail(&[], 6, &["ended with exit code 3"]);
    assert_nothing_left(&site, &marker);
}

#[test]
fn a_builder_that_ignores_the_timeout_is_killed() {
    let marker = marker(3);
    let site = site(&format!("trap '' TERM INT HUP; sleep {marker} & while :; do sleep 0.2; done"));
    let start = Instant::now();
    site.fail(&["--timeout", "1s"], 6, &["longer than 1s"]);
    assert!((10..40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_nothing_left(&site, &marker);
}

/// Modest, for the sake of others on the machine: 256 sleepers, and runners that fork for ever.
#[test]
fn forking_without_end_ends_at_the_timeout() {
    let marker = marker(4);
    let site = site(&format!(
        "trap '' TERM; split() {{ if [ $1 -eq 0 ]; then trap '' TERM HUP; exec sleep {marker}; fi; split $(($1-1)) & split $(($1-1)) & }}
         split 8
         for n in 1 2 3 4; do busybox setsid sh -c \"trap '' TERM; while :; do (busybox usleep 20000 &) ; busybox usleep 20000; done\" & done
         while :; do sleep 1; done"
    ));
    site.fail(&["--timeout", "2s"], 6, &["longer than 2s"]);
    assert_nothing_left(&site, &marker);
    assert_nothing_runs(&site, "usleep 20000");
}

#[test]
fn a_stopped_builder_is_ended_at_the_timeout() {
    let marker = marker(5);
    let site = site(&format!("sleep {marker} & kill -STOP $$"));
    site.fail(&["--timeout", "1s"], 6, &["longer than 1s"]);
    assert_nothing_left(&site, &marker);
}
