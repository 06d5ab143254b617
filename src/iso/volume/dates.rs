//! Dates of descriptors.

/// ECMA-119, 8.4.26.1: sixteen digits, then the offset from UTC in quarters of an hour. RFC 3339, to the second
/// where it is a whole one; `Ok(None)` where it is not given, `Err` where it is no date.
pub(super) fn volume_date(bytes: &[u8; 17]) -> Result<Option<String>, ()> {
    let (digits, zone) = (&bytes[..16], bytes[16] as i8);
    // some writers have spaces or zeros where digits belong
    if digits.iter().all(|byte| matches!(byte, b'0' | b' ' | 0)) {
        return if zone == 0 { Ok(None) } else { Err(()) };
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    let number =
        |from: usize, to: usize| digits[from..to].iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second, hundredths) = (number(8, 10), number(10, 12), number(12, 14), number(14, 16));
    let is_day = day >= 1 && day <= days(year, month);
    if year == 0 || !is_day || hour > 23 || minute > 59 || second > 59 || !(-48..=52).contains(&zone) {
        return Err(());
    }
    let fraction = if hundredths == 0 { String::new() } else { format!(".{hundredths:02}") };
    Ok(Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{}",
        offset(zone)
    )))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

fn offset(quarters: i8) -> String {
    let minutes = i32::from(quarters) * 15;
    match minutes {
        0 => "Z".into(),
        _ => format!(
            "{}{:02}:{:02}",
            if minutes < 0 { '-' } else { '+' },
            minutes.abs() / 60,
            minutes.abs() % 60
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(digits: &str, zone: i8) -> Result<Option<String>, ()> {
        let mut bytes = [zone as u8; 17];
        bytes[..16].copy_from_slice(digits.as_bytes());
        volume_date(&bytes)
    }

    #[test]
    fn dates_are_told_as_rfc_3339() {
        assert_eq!(date("2025061515064000", 0).unwrap().unwrap(), "2025-06-15T15:06:40Z");
        assert_eq!(date("2024022923595907", 22).unwrap().unwrap(), "2024-02-29T23:59:59.07+05:30");
        assert_eq!(date("1999123100000000", -5).unwrap().unwrap(), "1999-12-31T00:00:00-01:15");
    }

    #[test]
    fn dates_that_are_not_given_are_none() {
        assert_eq!(date("0000000000000000", 0), Ok(None));
        assert_eq!(date("                ", 0), Ok(None));
        assert_eq!(volume_date(&[0; 17]), Ok(None));
    }

    #[test]
    fn dates_that_no_calendar_has_are_refused() {
        for digits in [
            "2025022900000000",
            "2025130100000000",
            "2025010124000000",
            "2025010100600000",
            "2025010100006000",
            "2025010000000000",
            "0000010100000000",
            "2025o10100000000",
        ] {
            assert_eq!(date(digits, 0), Err(()), "{digits}");
        }
        assert_eq!(date("2025061515064000", 53), Err(()));
        assert_eq!(date("0000000000000000", 4), Err(()));
    }
}
