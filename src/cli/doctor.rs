//! `airshipctl doctor`.

use std::fmt::Write;
use std::path::PathBuf;

use airshipctl::container::Rootless;
use airshipctl::doctor::{self, Area, Check, Options, Report, Status, Verdict};
use airshipctl::error::{Error, Result};
use airshipctl::interrupt::Interrupt;
use airshipctl::site::config::ContainerRuntime;
use clap::Args;

use super::CacheArgs;
use super::config::AirshipArgs;
use super::isogen::{parse, state_dir};
use super::output::Output;
use super::registry::RegistryArgs;

const HELP: &str = "\
Exit codes:
  0  a run would start its builder
  5  no way to run containers holds, whatever else is wrong; or there is no place for the rootfs
 otherwise the one that a run would end with:
  2  configuration, volume, cache or state directory
  4  the image cannot be had, or not be stored
  6  the image is for another architecture

--output json is one document with these keys:
  version  1; keys are only added to it
  code     the exit code
  host     kernel, platform, uid
  checks   list of area (configuration, volume, host, engine, cache, image, state), name, status (ok, warn,
           fail, skip), message, fix (or null)
  rungs    list of rung (root, subid, emulate, single), holds, check (the first that fails), reason,
           fix, checks (the steps to a container: name, status, message, fix)
  run      what a run would do: rung (or null), description (as in its log, or which engine), code
           that it would end with before its builder starts (or 0), check and reason (null with code 0)";

/// Find out what works on this host, by trying, and which way a run would take.
///
/// Leaves nothing behind and writes nothing into the volume. Without --conf and without an airshipctl
/// config, volume and image are not looked at.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// The isogen configuration [default: found through the airshipctl config, if there is one].
    #[arg(short, long = "conf", value_name = "FILE")]
    configuration: Option<PathBuf>,
    #[command(flatten)]
    airship: AirshipArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Directory for records of runs and for logs [default: /var/lib/airshipctl as root, else
    /// $XDG_STATE_HOME/airshipctl].
    #[arg(long, value_name = "DIR", env = "AIRSHIP_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// The way to run containers that a run would be told to take.
    #[arg(long, value_name = "HOW", default_value_t, value_parser = parse::<Rootless>)]
    rootless: Rootless,
    /// The container driver, oci or docker [default: the configuration's, else oci].
    #[arg(long, value_name = "DRIVER", value_parser = parse::<ContainerRuntime>)]
    container_runtime: Option<ContainerRuntime>,
    /// Form of the result.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
    // last, since its heading would be over all that follow
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the report. The worst in it is the error of this command.
pub fn run(args: DoctorArgs) -> Result<()> {
    let output = args.output;
    let options = args.options()?;
    let report = doctor::examine(&options, &Interrupt::from_signals()?)?;
    output.print(&report, || text(&report))?;
    let Some(failure) = report.failure else { return Ok(()) };
    // all there is to say has been said
    let check = failure.check().map_or_else(String::new, |name| format!(" at check {name}"));
    Err(Error::new(failure.kind(), format!("a run would fail{check}")))
}

impl DoctorArgs {
    fn options(self) -> Result<Options> {
        Ok(Options {
            configuration: self.configuration,
            airship: self.airship.options(),
            cache: self.cache.dir()?,
            additional_caches: self.cache.additional()?,
            state: state_dir(self.state_dir)?,
            rootless: self.rootless,
            runtime: self.container_runtime,
            access: self.registry.access()?,
        })
    }
}

const AREAS: [(Area, &str); 7] = [
    (Area::Configuration, "configuration"),
    (Area::Volume, "volume"),
    (Area::Host, "host"),
    (Area::Engine, "container engine"),
    (Area::Cache, "rootfs cache"),
    (Area::Image, "image"),
    (Area::State, "state directory"),
];

fn text(report: &Report) -> String {
    let host = &report.host;
    let mut text = format!("kernel {}, {}, user {}\n", host.kernel, host.platform, host.uid);
    for (area, title) in AREAS {
        let checks: Vec<&Check> =
            report.checks.iter().filter(|found| found.area == area).map(|found| &found.check).collect();
        if !checks.is_empty() {
            line(&mut text, &format!("\n{title}"));
        }
        checks.into_iter().for_each(|check| add(&mut text, check, "  "));
    }
    line(&mut text, "\nways to run containers");
    report.rungs.iter().for_each(|verdict| rung(&mut text, verdict));
    let run = &report.run;
    line(&mut text, "");
    if let (Some(check), Some(reason)) = (&run.check, &run.reason) {
        line(&mut text, &format!("a run would fail with exit code {}: check {check}: {reason}", run.code));
    } else if let Some(reason) = &run.reason {
        line(&mut text, &format!("a run would fail with exit code {}: {reason}", run.code));
    }
    let taken = match (run.rung, &run.description) {
        (Some(rung), Some(description)) => format!("{rung} ({description})"),
        (None, Some(engine)) => format!("docker ({engine})"),
        _ => "none".to_owned(),
    };
    line(&mut text, &format!("a run would take: {taken}"));
    text
}

fn line(text: &mut String, line: &str) {
    // writing to a string cannot fail
    let _ = writeln!(text, "{line}");
}

fn add(text: &mut String, check: &Check, indent: &str) {
    let word = match check.status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "fail",
        Status::Skip => "skip",
    };
    line(text, format!("{indent}{word:<5}{:<27} {}", check.name, check.message).trim_end());
    if let Some(fix) = &check.fix {
        line(text, &format!("{indent}     fix: {fix}"));
    }
}

/// A rung that holds takes one line; of another, the steps that do not work follow.
fn rung(text: &mut String, verdict: &Verdict) {
    let Verdict { rung, holds, check, reason, fix, checks } = verdict;
    if *holds {
        line(text, &format!("  {:<8} holds", rung.to_string()));
    } else {
        let check = check.as_deref().unwrap_or("unknown");
        line(
            text,
            &format!(
                "  {:<8} does not hold: check {check}: {}",
                rung.to_string(),
                reason.as_deref().unwrap_or("")
            ),
        );
    }
    if let Some(fix) = fix {
        line(text, &format!("           fix: {fix}"));
    }
    // what the line above has said already is not said again
    let more = |it: &&Check| it.status != Status::Ok && Some(&it.name) != check.as_ref();
    checks.iter().filter(more).for_each(|it| add(text, it, "           "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_has_a_line_and_its_fix_another() {
        let mut text = String::new();
        add(&mut text, &Check::warn("proc", "masked").with_fix("unmask it"), "  ");
        assert_eq!(text, "  warn proc                        masked\n       fix: unmask it\n");
    }
}
