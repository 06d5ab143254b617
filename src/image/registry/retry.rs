//! When to ask again, and how slow is too slow.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::failure::Failure;
use crate::error::{Error, ErrorKind};

/// Doubled so often at most.
const DOUBLINGS: u32 = 6;

/// The pause after `failed` failures in a row: twice as long each time, and of a length that
/// nobody foresees, since those whom one failure has hit would all come back at once.
pub(super) fn pause(backoff: Duration, failed: u32) -> Duration {
    let whole = backoff * (1 << failed.saturating_sub(1).min(DOUBLINGS));
    // the keys of hash maps are what the standard library has of chance
    let chance = RandomState::new().hash_one(failed) as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + chance / 2.0)
}

/// How long the registry wants to be left alone (RFC 9110, 10.2.3); only with the answers that
/// are about that: 429 (RFC 6585, 4) and 503 (RFC 9110, 15.6.4).
pub(super) fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = UNIX_EPOCH.checked_add(Duration::from_secs(http_date(text)?))?;
    Some(instant.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that may
/// be sent (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let day = words.next()?.parse::<u64>().ok().filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64;
    let year = words.next()?.parse::<u64>().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|&it| it <= 60));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // years begin in March, so that the day that is sometimes there is the last
    let (march, from_march) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = march * 365 + march / 4 - march / 100 + march / 400 + (from_march * 153 + 2) / 5 + day - 1;
    // days from the March of year 0 to the January of 1970
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The least that has to come of a transfer. There is no bound on the whole of it: a slow line
/// takes its time, but one that hardly lives is better left for another connection.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub bytes: u64,
    pub within: Duration,
}

impl Pace {
    pub const DEFAULT: Self = Self { bytes: 60 << 10, within: Duration::from_secs(60) };
}

/// Holds one transfer against its pace.
pub(super) struct Watch {
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl Watch {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, since: Instant::now(), bytes: 0 }
    }

    /// Fails when too little has come for too long. Asked whenever something comes; that
    /// something does is for the idle timeout to see to.
    pub(super) fn took(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes += bytes as u64;
        let elapsed = self.since.elapsed();
        if elapsed < self.pace.within {
            return Ok(());
        }
        if self.bytes < self.pace.bytes {
            let (bytes, seconds) = (self.bytes, elapsed.as_secs_f64());
            let why = format!("the registry has all but stalled: {bytes} bytes in {seconds:.1} s");
            return Err(Failure::Transient(Error::new(ErrorKind::Image, why)));
        }
        (self.since, self.bytes) = (Instant::now(), 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_calendar_has_them() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sun, 22 Nov 2026 14:20:55 GMT", Some(1_795_357_255)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), seconds, "{text}");
        }
    }

    #[test]
    fn only_answers_that_ask_for_patience_are_heeded() {
        let after = |status, text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(status, &headers).map(|wait| wait.as_secs())
        };
        assert_eq!(after(StatusCode::TOO_MANY_REQUESTS, "7"), Some(7));
        assert_eq!(after(StatusCode::SERVICE_UNAVAILABLE, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(after(StatusCode::TOO_MANY_REQUESTS, "soon"), None);
        assert_eq!(after(StatusCode::TOO_MANY_REQUESTS, "-7"), None);
        assert_eq!(after(StatusCode::INTERNAL_SERVER_ERROR, "7"), None);
    }

    #[test]
    fn pauses_grow_and_are_never_foreseen() {
        let of = |failed| pause(Duration::from_secs(8), failed).as_secs_f64();
        for (failed, least, most) in [(0, 4.0, 8.0), (1, 4.0, 8.0), (3, 16.0, 32.0), (99, 256.0, 512.0)] {
            let found = of(failed);
            assert!((least..=most).contains(&found), "{failed}: {found}");
        }
        assert_ne!(of(1), of(1));
    }
}
