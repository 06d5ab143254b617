//! `airshipctl bootstrap isogen`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use airshipctl::container::{KeepContainer, Limits, Rootless, limits, record};
use airshipctl::error::{Doing, Error, ErrorKind, Result};
use airshipctl::image::PullPolicy;
use airshipctl::isogen::{self, Options, plan};
use airshipctl::site::config::{ContainerRuntime, Network};
use airshipctl::site::volume::InputsAfter;
use clap::Args;

use super::output::Output;
use super::progress::Console;
use super::registry::RegistryArgs;
use super::site::SiteArgs;
use super::{CacheArgs, print};

/// Build the bootable ISO of the ephemeral node and print its path.
#[derive(Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct IsogenArgs {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Directory for records of runs and for logs [default: /var/lib/airshipctl as root, else
    /// $XDG_STATE_HOME/airshipctl].
    #[arg(long, value_name = "DIR", env = "AIRSHIP_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// When to ask the registry: missing, always or never [default: missing].
    #[arg(long, value_name = "WHEN", value_parser = parse::<PullPolicy>)]
    pull: Option<PullPolicy>,
    /// The builder's network, none or host [default: the configuration's, else none].
    #[arg(long, value_name = "NETWORK", value_parser = parse::<Network>)]
    network: Option<Network>,
    /// The container driver, oci or docker [default: the configuration's, else oci].
    #[arg(long, value_name = "DRIVER", value_parser = parse::<ContainerRuntime>)]
    container_runtime: Option<ContainerRuntime>,
    /// The builder's privileges: auto takes the best that this host allows; root, subid (a user namespace
    /// with subordinate ids), emulate (with a single id and root emulation) or single take that or fail.
    #[arg(long, value_name = "HOW", default_value_t, value_parser = parse::<Rootless>)]
    rootless: Rootless,
    /// How long the builder may run: a number with s, m or h, as 90s or 30m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long the builder may write nothing, as for --timeout.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle_timeout: Option<Duration>,
    /// Memory that the builder may use, as 512m or 2g; needs cgroups (as root, or delegated).
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// Processors that the builder may use, as 2 or 0.5; needs cgroups (as root, or delegated).
    #[arg(long, value_name = "NUMBER", value_parser = cpus)]
    cpus: Option<u64>,
    /// Processes and threads that the builder may have; needs cgroups (as root, or delegated).
    #[arg(long, value_name = "NUMBER", value_parser = pids)]
    pids: Option<u64>,
    /// Leave the inputs, which hold secrets, in the volume.
    #[arg(long)]
    keep_inputs: bool,
    /// Check everything and print what would happen; nothing is written, no network is used.
    #[arg(long)]
    dry_run: bool,
    /// Form of what --dry-run prints.
    #[arg(long, value_name = "FORM", default_value = "text", requires = "dry_run")]
    output: Output,
    // last, since its heading would be over all that follow
    #[command(flatten)]
    registry: RegistryArgs,
}

pub fn run(args: IsogenArgs, debug: bool, console: &Console) -> Result<()> {
    let (dry_run, output) = (args.dry_run, args.output);
    let options = args.options(debug, console)?;
    if dry_run {
        let plan = plan::plan(&options)?;
        return output.print(&plan, || plan.to_string());
    }
    let image = isogen::isogen(options)?;
    print(&format!("{}\n", image.display()))
}

impl IsogenArgs {
    fn options(self, debug: bool, console: &Console) -> Result<Options> {
        let inputs_after = if self.keep_inputs { InputsAfter::Keep } else { InputsAfter::Remove };
        Ok(Options {
            site: self.site.options(self.network, inputs_after)?,
            cache: self.cache.dir()?,
            additional_caches: self.cache.additional()?,
            state: state_dir(self.state_dir)?,
            pull: self.registry.policy(self.pull, PullPolicy::Missing)?,
            access: self.registry.access()?,
            runtime: self.container_runtime,
            timeout: self.timeout,
            idle_timeout: self.idle_timeout,
            limits: Limits { memory: self.memory, cpus: self.cpus, pids: self.pids },
            rootless: self.rootless,
            keep: if debug { KeepContainer::Always } else { KeepContainer::Never },
            progress: Arc::new(console.clone()),
        })
    }
}

/// Absolute, because helper processes have another working directory.
pub(super) fn state_dir(given: Option<PathBuf>) -> Result<PathBuf> {
    let dir = given.map_or_else(record::state_dir, Ok)?;
    std::path::absolute(&dir).doing(ErrorKind::Usage, || format!("locating {}", dir.display()))
}

pub(super) fn parse<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn memory(text: &str) -> Result<u64, String> {
    limits::memory(text).map_err(|error| error.to_string())
}

fn cpus(text: &str) -> Result<u64, String> {
    limits::cpus(text).map_err(|error| error.to_string())
}

fn pids(text: &str) -> Result<u64, String> {
    limits::pids(text).map_err(|error| error.to_string())
}

/// A whole number of seconds, minutes or hours, at least one second.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 90s, 30m or 2h");
    let number = text.trim_end_matches(['s', 'm', 'h']);
    let factor = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds =
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)?;
    match seconds {
        1..=31_536_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is not between one second and a year")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in
            ["", "90", "s", "-1s", "1.5h", "0s", "99999999999999999999s", "18446744073709551615h", "1ms"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
