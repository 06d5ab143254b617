//! Content digests (image-spec, descriptor.md, "Digests") and a reader that checks one on the way.

use std::io::{self, Read};

pub use oci_spec::image::Digest;
use oci_spec::image::DigestAlgorithm;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A running hash of one of the algorithms that image-spec registers.
#[derive(Clone)]
pub enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// `None` for an algorithm that image-spec does not register.
    pub fn new(algorithm: &DigestAlgorithm) -> Option<Self> {
        match algorithm {
            DigestAlgorithm::Sha256 => Some(Self::Sha256(Sha256::new())),
            DigestAlgorithm::Sha384 => Some(Self::Sha384(Sha384::new())),
            DigestAlgorithm::Sha512 => Some(Self::Sha512(Sha512::new())),
            _ => None,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The hash in lower-case hexadecimal, without the algorithm's name.
    pub fn hex(self) -> String {
        match self {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::Sha384(hash) => hex(&hash.finalize()),
            Self::Sha512(hash) => hex(&hash.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sha256 of `bytes` as lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A reader that fails, before it reports the end, when what it delivered was not what the
/// descriptor said: too long, too short or of another digest.
pub struct Verified<R> {
    inner: R,
    hasher: Option<Hasher>,
    want: Digest,
    left: Option<u64>,
}

impl<R: Read> Verified<R> {
    /// `size` in bytes; `None` where only the digest is known (diff_ids have no size).
    /// Fails with `InvalidInput` for an algorithm that is not supported.
    pub fn new(inner: R, want: &Digest, size: Option<u64>) -> io::Result<Self> {
        let hasher = Hasher::new(want.algorithm()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("digest algorithm of {want} is not supported"),
            )
        })?;
        Ok(Self { inner, hasher: Some(hasher), want: want.clone(), left: size })
    }

    fn at_end(&mut self) -> io::Result<usize> {
        if let Some(missing) = self.left.filter(|&left| left > 0) {
            return Err(bad(format!("{}: truncated, {missing} bytes missing", self.want)));
        }
        // taken once, so that a second read at the end does not check again
        match self.hasher.take().map(Hasher::hex) {
            Some(got) if got != self.want.digest() => {
                Err(bad(format!("digest is {}:{got}, expected {}", self.want.algorithm(), self.want)))
            }
            _ => Ok(0),
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            return self.at_end();
        }
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(count as u64)
                .ok_or_else(|| bad(format!("{}: longer than its descriptor says", self.want)))?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn of(bytes: &[u8]) -> Digest {
        Digest::from_str(&format!("sha256:{}", sha256_hex(bytes))).unwrap()
    }

    fn read(bytes: &[u8], want: &Digest, size: Option<u64>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Verified::new(bytes, want, size)?.read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_matches_is_delivered() {
        assert_eq!(read(b"abc", &of(b"abc"), Some(3)).unwrap(), b"abc");
        assert_eq!(read(b"", &of(b""), Some(0)).unwrap(), b"");
        assert_eq!(read(b"abc", &of(b"abc"), None).unwrap(), b"abc");
    }

    #[test]
    fn a_changed_byte_is_an_error() {
        let error = read(b"abd", &of(b"abc"), Some(3)).unwrap_err();
        assert!(error.to_string().contains("expected sha256:"), "{error}");
    }

    #[test]
    fn a_wrong_size_is_an_error_even_with_the_right_digest() {
        assert!(read(b"abc", &of(b"abc"), Some(2)).unwrap_err().to_string().contains("longer"));
        assert!(read(b"abc", &of(b"abc"), Some(4)).unwrap_err().to_string().contains("truncated"));
    }

    #[test]
    fn sha512_is_checked_too() {
        let want = Digest::from_str(&format!("sha512:{}", hex(&Sha512::digest(b"abc")))).unwrap();
        assert_eq!(read(b"abc", &want, Some(3)).unwrap(), b"abc");
        assert!(read(b"abd", &want, Some(3)).is_err());
    }
}
