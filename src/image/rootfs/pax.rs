//! Extended headers (POSIX.1-2017, pax, "pax Extended Header").
//!
//! The `tar` crate's own reader splits records at newlines and so loses binary values such as
//! `security.capability`, and with them, silently, the size that decides where the next entry is.

use std::io;
use std::str::FromStr;

use rustix::fs::Timespec;

use super::header::bad;
use super::sparse::PaxSparse;

/// An extended attribute: name and value.
pub(super) type Xattr = (Vec<u8>, Vec<u8>);

/// What an extended header says about the entry after it.
#[derive(Default)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Timespec>,
    pub xattrs: Vec<Xattr>,
    pub sparse: PaxSparse,
}

impl Pax {
    /// Reads the records of one `x` header. Of records with the same key the last one counts, and
    /// an empty value takes the key back.
    pub fn parse(mut records: &[u8]) -> io::Result<Self> {
        let mut pax = Self::default();
        while !records.is_empty() {
            let (key, value, rest) = record(records)?;
            pax.set(key, value)?;
            records = rest;
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let bytes = || Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"path" => self.path = bytes(),
            b"linkpath" => self.linkpath = bytes(),
            b"size" => self.size = decimal(key, value)?,
            b"uid" => self.uid = decimal(key, value)?,
            b"gid" => self.gid = decimal(key, value)?,
            b"mtime" => self.mtime = time(value)?,
            _ => return self.set_extension(key, value),
        }
        Ok(())
    }

    fn set_extension(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            // set in this order, so the last one of a name stays
            self.xattrs.push((name.to_vec(), value.to_vec()));
        } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            self.sparse.set(key, value)?;
        }
        Ok(())
    }

    /// A `g` header would hold for all later entries; container engines ignore it. What would make
    /// them and us read different trees is refused, the rest (a comment of git's) ignored.
    pub fn check_global(records: &[u8]) -> io::Result<()> {
        let global = Self::parse(records)?;
        let harmless = global.path.is_none()
            && global.linkpath.is_none()
            && global.size.is_none()
            && global.sparse.is_empty();
        match harmless {
            true => Ok(()),
            false => Err(bad("a global extended header sets names or sizes, which is not supported")),
        }
    }
}

/// Splits `LENGTH KEY=VALUE\n` off; the length in decimal counts the whole record.
fn record(records: &[u8]) -> io::Result<(&[u8], &[u8], &[u8])> {
    let malformed = || bad("an extended header is malformed");
    let space = records.iter().take(20).position(|&byte| byte == b' ').ok_or_else(malformed)?;
    let length = decimal(b"length", &records[..space])?.ok_or_else(malformed)?;
    let length = usize::try_from(length).map_err(|_| malformed())?;
    let body = records.get(space + 1..length).ok_or_else(malformed)?;
    let body = body.strip_suffix(b"\n").ok_or_else(malformed)?;
    let equals = body.iter().position(|&byte| byte == b'=').ok_or_else(malformed)?;
    Ok((&body[..equals], &body[equals + 1..], &records[length..]))
}

/// A decimal number without sign; `None` for an empty value.
pub(super) fn decimal(key: &[u8], value: &[u8]) -> io::Result<Option<u64>> {
    if value.is_empty() {
        return Ok(None);
    }
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value);
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.map(Some).ok_or_else(|| {
        let key = String::from_utf8_lossy(key);
        bad(format!("`{key}` of an extended header is not a number that can be"))
    })
}

/// Seconds with a fraction, exact to the nanosecond: not through a float, which loses some.
fn time(value: &[u8]) -> io::Result<Option<Timespec>> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = || bad("`mtime` of an extended header is not a time");
    let text = std::str::from_utf8(value).map_err(|_| wrong())?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos = i64::from_str(&digits).map_err(|_| wrong())?;
    let whole = i64::from_str(seconds).map_err(|_| wrong())?;
    // -1.5 is half a second before -1, and the kernel wants nanoseconds that count forward
    Ok(Some(match text.starts_with('-') && nanos > 0 {
        true => Timespec { tv_sec: whole.checked_sub(1).ok_or_else(wrong)?, tv_nsec: 1_000_000_000 - nanos },
        false => Timespec { tv_sec: whole, tv_nsec: nanos },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_with_newlines_do_not_hide_the_size() {
        let pax = Pax::parse(b"28 SCHILY.xattr.user.a=x\ny\0\n12 size=123\n").unwrap();
        assert_eq!(pax.size, Some(123));
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"x\ny\0".to_vec())]);
    }

    #[test]
    fn the_last_record_counts_and_an_empty_one_takes_back() {
        let pax = Pax::parse(b"9 uid=12\n9 uid=34\n11 path=ab\n8 path=\n").unwrap();
        assert_eq!(pax.uid, Some(34));
        assert_eq!(pax.path, None);
    }

    #[test]
    fn times_are_exact() {
        let of = |text: &str| time(text.as_bytes()).unwrap().map(|t| (t.tv_sec, t.tv_nsec));
        assert_eq!(of("1700000000.123456789"), Some((1_700_000_000, 123_456_789)));
        assert_eq!(of("5.1"), Some((5, 100_000_000)));
        assert_eq!(of("-1.5"), Some((-2, 500_000_000)));
        assert_eq!(of("7"), Some((7, 0)));
    }

    #[test]
    fn malformed_records_are_refused() {
        for records in
            [&b"x"[..], b"5 a=b", b"99 a=b\n", b"0 a=b\n", b"6 ab\n\n", b"12 size=-12\n", b"11 mtime=x\n"]
        {
            assert!(Pax::parse(records).is_err(), "{}", String::from_utf8_lossy(records));
        }
        assert!(Pax::check_global(b"11 path=ab\n").is_err());
        assert!(Pax::check_global(b"14 comment=ab\n").is_ok());
    }
}
