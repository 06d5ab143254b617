//! Numbers as people read them.

use std::time::Duration;

/// A size in decimal units, as registries and disks are sold by.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        // 999.95 would be rounded to 1000.0
        if value < 999.95 {
            return match unit {
                "B" => format!("{bytes} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

pub fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 100,
        _ => (u128::from(part) * 100 / u128::from(whole)) as u64,
    }
}

/// Bytes per second; `None` where there is nothing to tell yet.
pub fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let rate = bytes as f64 / time.as_secs_f64();
    (time >= Duration::from_millis(200) && rate >= 1.0).then_some(rate as u64)
}

/// Minutes and seconds, and hours where there are some.
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_never_four_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (226_400_000, "226.4 MB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_and_shares_are_whole_numbers() {
        assert_eq!((clock(3), clock(65), clock(3661)), ("0:03".into(), "1:05".into(), "1:01:01".into()));
        assert_eq!((percent(0, 0), percent(1, 3), percent(u64::MAX, u64::MAX)), (100, 33, 100));
        assert_eq!(rate(0, Duration::from_secs(5)), None);
        assert_eq!(rate(500, Duration::from_millis(500)), Some(1000));
        assert_eq!(rate(500, Duration::ZERO), None);
    }
}
