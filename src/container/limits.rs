//! What a container may use of its host: from the command line's words to config.json.

use oci_spec::runtime::{LinuxCpuBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources};

use super::driver::Limits;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Less than this does not hold the container's own processes.
const LEAST_MEMORY: u64 = 8 << 20;
/// More than any host has, and in every arithmetic of the kernel.
const MOST_MEMORY: u64 = 1 << 50;
/// Thousandths of a processor: the kernel's least quota is a millisecond in each period.
const LEAST_CPUS: u64 = 10;
const MOST_CPUS: u64 = 1_000_000 * 1000;
/// `PID_MAX_LIMIT` of the kernel.
const MOST_PIDS: u64 = 1 << 22;
/// Microseconds in which a share of the processors is given out; the kernel's default.
const PERIOD: u64 = 100_000;
/// The init in front of the builder is none of the builder's processes.
const OWN_PIDS: u64 = 1;

/// A size in bytes: a whole number with k, m, g or t, or KiB, MiB, GiB or TiB, all of them powers of
/// 1024; at least 8 MiB.
///
/// Errors: [`ErrorKind::Usage`].
pub fn memory(text: &str) -> Result<u64> {
    let wrong = || usage(format!("{text:?} is no size such as 512m, 2g or 1536MiB"));
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Err(wrong());
    }
    // what does not fit is far too much
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    let bytes = number.saturating_mul(1 << shift);
    match bytes {
        LEAST_MEMORY..=MOST_MEMORY => Ok(bytes),
        _ => {
            Err(usage(format!("{text:?} is not between 8 MiB, which a container needs itself, and 1024 TiB")))
        }
    }
}

/// Processors in thousandths: a decimal number such as 2 or 0.5, at least 0.01.
///
/// Errors: [`ErrorKind::Usage`].
pub fn cpus(text: &str) -> Result<u64> {
    let wrong = || usage(format!("{text:?} is no number of processors such as 2 or 0.5"));
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 3 {
        return Err(wrong());
    }
    let thousandths = format!("{part:0<3}").parse::<u64>().map_err(|_| wrong())?;
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    let all = whole.saturating_mul(1000).saturating_add(thousandths);
    match all {
        LEAST_CPUS..=MOST_CPUS => Ok(all),
        _ => Err(usage(format!("{text:?} is not between 0.01 and 1000000 processors"))),
    }
}

/// A number of processes and threads, at least 1.
///
/// Errors: [`ErrorKind::Usage`].
pub fn pids(text: &str) -> Result<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number @ 1..=MOST_PIDS) if is_number => Ok(number),
        _ => Err(usage(format!("{text:?} is no number of processes between 1 and {MOST_PIDS}"))),
    }
}

fn usage(text: String) -> Error {
    Error::new(ErrorKind::Usage, text)
}

/// Bytes as people write them, in the largest unit that leaves a whole number.
pub fn in_words(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.trailing_zeros() / 10).min(4) as usize;
    format!("{} {}", bytes >> (10 * unit), units[unit])
}

/// Whether the kernel counts swap too, which then has to be limited with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Counted,
    Ignored,
}

impl Limits {
    /// The cgroup controllers that they need, each with the option that asks for it.
    pub fn controllers(&self) -> Vec<(&'static str, &'static str)> {
        let wanted = [
            ("memory", "--memory", self.memory.is_some()),
            ("cpu", "--cpus", self.cpus.is_some()),
            ("pids", "--pids", self.pids.is_some()),
        ];
        wanted.into_iter().filter(|(_, _, is_set)| *is_set).map(|(name, option, _)| (name, option)).collect()
    }

    /// `linux.resources` with nothing but them; `None` where there are none.
    pub(super) fn resources(&self, swap: Swap) -> Result<Option<LinuxResources>> {
        if *self == Self::default() {
            return Ok(None);
        }
        let doing = || "describing the limits".to_owned();
        let mut resources = LinuxResources::default();
        if let Some(bytes) = self.memory {
            let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
            let mut memory = LinuxMemoryBuilder::default().limit(limit);
            if swap == Swap::Counted {
                // memory and swap together, as runtime-spec has it: a builder that may go on swapping
                // for ever never meets its limit
                memory = memory.swap(limit);
            }
            resources.set_memory(Some(memory.build().doing(ErrorKind::Internal, doing)?));
        }
        if let Some(thousandths) = self.cpus {
            let quota = i64::try_from(thousandths.saturating_mul(PERIOD / 1000)).unwrap_or(i64::MAX);
            let cpu = LinuxCpuBuilder::default().quota(quota).period(PERIOD).build();
            resources.set_cpu(Some(cpu.doing(ErrorKind::Internal, doing)?));
        }
        if let Some(number) = self.pids {
            let limit = i64::try_from(number.saturating_add(OWN_PIDS)).unwrap_or(i64::MAX);
            let pids = LinuxPidsBuilder::default().limit(limit).build();
            resources.set_pids(Some(pids.doing(ErrorKind::Internal, doing)?));
        }
        Ok(Some(resources))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(memory("64m").unwrap(), 64 << 20);
        assert_eq!(memory("64MiB").unwrap(), 64 << 20);
        assert_eq!(memory("2G").unwrap(), 2 << 30);
        assert_eq!(memory("8388608").unwrap(), 8 << 20);
        assert_eq!(memory("16384k").unwrap(), 16 << 20);
    }

    #[test]
    fn hostile_sizes_are_refused() {
        let huge = "9".repeat(200);
        for wrong in [
            "",
            "m",
            "0",
            "1",
            "1k",
            "7m",
            "-1",
            "-64m",
            "+64m",
            " 64m",
            "64 m",
            "1.5g",
            "64mb",
            "NaN",
            "inf",
            "0x10000000",
            "1025t",
            "18446744073709551615",
            "18446744073709551616t",
            "64m\0",
            &huge,
            "६४m",
        ] {
            assert_eq!(memory(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }

    #[test]
    fn processors_are_decimal_numbers() {
        assert_eq!(cpus("2").unwrap(), 2000);
        assert_eq!(cpus("0.5").unwrap(), 500);
        assert_eq!(cpus("1.25").unwrap(), 1250);
        assert_eq!(cpus("0.010").unwrap(), 10);
        let huge = "9".repeat(200);
        for wrong in [
            "", ".", ".5", "2.", "0", "0.0", "0.001", "-1", "NaN", "inf", "1e3", "1,5", "0.0001", "1.2.3",
            &huge,
        ] {
            assert_eq!(cpus(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }

    #[test]
    fn processes_are_counted_from_one() {
        assert_eq!(pids("1").unwrap(), 1);
        for wrong in ["", "0", "-1", "+1", "1.5", "4194305", "max", "99999999999999999999"] {
            assert_eq!(pids(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_said_in_whole_units() {
        assert_eq!(in_words(64 << 20), "64 MiB");
        assert_eq!(in_words(3 << 29), "1536 MiB");
        assert_eq!(in_words(1000), "1000 bytes");
    }

    #[test]
    fn the_specification_has_swap_within_the_limit_and_the_init_beside_the_builder() {
        let limits = Limits { memory: Some(64 << 20), cpus: Some(1500), pids: Some(10) };
        let resources = limits.resources(Swap::Counted).unwrap().unwrap();
        let memory = resources.memory().unwrap();
        assert_eq!((memory.limit(), memory.swap()), (Some(64 << 20), Some(64 << 20)));
        let cpu = resources.cpu().clone().unwrap();
        assert_eq!((cpu.quota(), cpu.period()), (Some(150_000), Some(100_000)));
        assert_eq!(resources.pids().unwrap().limit(), 11);
        assert_eq!(limits.resources(Swap::Ignored).unwrap().unwrap().memory().unwrap().swap(), None);
        assert_eq!(Limits::default().resources(Swap::Counted).unwrap(), None);
        assert_eq!(limits.controllers().len(), 3);
        assert!(Limits::default().controllers().is_empty());
    }
}
