//! How long each stage took.

use std::time::{Duration, Instant};

use airshipctl::image::progress::{Outcome, Stage};

/// The time of every stage so far, in the order of their begin.
pub struct Stages {
    start: Instant,
    timings: Vec<Timing>,
    /// How long download and unpack went on at the same time.
    overlap: Duration,
}

struct Timing {
    stage: Stage,
    /// Of those that have ended: a stage may come again.
    time: Duration,
    open: Option<Instant>,
    outcome: Option<Outcome>,
}

impl Stages {
    pub fn new(start: Instant) -> Self {
        Self { start, timings: Vec::new(), overlap: Duration::ZERO }
    }

    pub fn begin(&mut self, stage: Stage, now: Instant) {
        let timing = match self.timings.iter_mut().find(|timing| timing.stage == stage) {
            Some(timing) => timing,
            None => {
                self.timings.push(Timing { stage, time: Duration::ZERO, open: None, outcome: None });
                // the one just pushed
                let Some(last) = self.timings.last_mut() else { return };
                last
            }
        };
        (timing.open, timing.outcome) = (Some(now), None);
    }

    pub fn end(&mut self, stage: Stage, outcome: Outcome, now: Instant) {
        self.overlap += self.overlap_until(stage, now);
        if let Some(timing) = self.timings.iter_mut().find(|timing| timing.stage == stage)
            && let Some(open) = timing.open.take()
        {
            timing.time += now.duration_since(open);
            timing.outcome = Some(outcome);
        }
    }

    /// How long the other of the two has gone on with this one, which ends.
    fn overlap_until(&self, stage: Stage, now: Instant) -> Duration {
        let open = |stage| self.timings.iter().find(|timing| timing.stage == stage)?.open;
        let both = matches!(stage, Stage::Download | Stage::Unpack);
        match (both, open(Stage::Download), open(Stage::Unpack)) {
            (true, Some(download), Some(unpack)) => now.duration_since(download.max(unpack)),
            _ => Duration::ZERO,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.timings.is_empty()
    }

    /// Each stage, its time, and how it ended; `None` for one that goes on.
    pub fn times(&self, now: Instant) -> Vec<(Stage, Duration, Option<Outcome>)> {
        let time = |timing: &Timing| {
            timing.time + timing.open.map_or(Duration::ZERO, |open| now.duration_since(open))
        };
        self.timings.iter().map(|timing| (timing.stage, time(timing), timing.outcome)).collect()
    }

    pub fn overlap(&self) -> Duration {
        self.overlap
    }

    pub fn total(&self, now: Instant) -> Duration {
        now.duration_since(self.start)
    }

    /// A table, with the stage that failed marked.
    pub fn table(&self, now: Instant) -> String {
        let total = self.total(now);
        let row = |title: &str, time: Duration, remark: &str| {
            let share = (time.as_secs_f64() / total.as_secs_f64().max(1e-9) * 100.0).round();
            format!("{title:<20} {:>9.3} {share:>5} %{remark}\n", time.as_secs_f64())
        };
        let mut table = format!("{:<20} {:>9} {:>7}\n", "stage", "seconds", "share");
        let mut known = Duration::ZERO;
        for (stage, time, outcome) in self.times(now) {
            let mut remark = String::new();
            if stage == Stage::Unpack && !self.overlap.is_zero() {
                remark = format!("  {:.3} s of it during the download", self.overlap.as_secs_f64());
            }
            if outcome != Some(Outcome::Done) {
                remark += "  failed";
            }
            table += &row(title(stage), time, &remark);
            known += time;
        }
        let other = (total + self.overlap).saturating_sub(known);
        table + &row("everything else", other, "") + &row("total", total, "")
    }
}

fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Site => "site documents",
        Stage::Host => "trying the host",
        Stage::Image => "asking the registry",
        Stage::Download => "download",
        Stage::Unpack => "unpack",
        Stage::SetUp => "container set-up",
        Stage::Builder => "builder",
        Stage::Check => "output check",
        Stage::Removal => "removal",
    }
}

/// As records have it.
pub fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Site => "site",
        Stage::Host => "host",
        Stage::Image => "image",
        Stage::Download => "download",
        Stage::Unpack => "unpack",
        Stage::SetUp => "set-up",
        Stage::Builder => "builder",
        Stage::Check => "check",
        Stage::Removal => "removal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_shares_the_overlap_and_the_stage_that_failed() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stages = Stages::new(start);
        for (ms, stage, end) in [
            (0, Stage::Site, None),
            (100, Stage::Site, Some(Outcome::Done)),
            (200, Stage::Unpack, None),
            (300, Stage::Download, None),
            (700, Stage::Download, Some(Outcome::Done)),
            (900, Stage::Unpack, Some(Outcome::Failed)),
        ] {
            match end {
                None => stages.begin(stage, at(ms)),
                Some(outcome) => stages.end(stage, outcome, at(ms)),
            }
        }
        assert_eq!(
            stages.table(at(1000)),
            "stage                  seconds   share\n\
             site documents           0.100    10 %\n\
             unpack                   0.700    70 %  0.400 s of it during the download  failed\n\
             download                 0.400    40 %\n\
             everything else          0.200    20 %\n\
             total                    1.000   100 %\n"
        );
    }

    #[test]
    fn a_stage_that_comes_again_is_one_row() {
        let start = Instant::now();
        let mut stages = Stages::new(start);
        for second in [0, 10] {
            stages.begin(Stage::Image, start + Duration::from_secs(second));
            stages.end(Stage::Image, Outcome::Done, start + Duration::from_secs(second + 1));
        }
        let times = stages.times(start + Duration::from_secs(20));
        assert_eq!(times, [(Stage::Image, Duration::from_secs(2), Some(Outcome::Done))]);
    }
}
