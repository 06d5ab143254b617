//! How a layer's blob is compressed.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The media type decides (image-spec, layer.md), and the first bytes must agree.
    pub fn of(media_type: &str, start: &[u8]) -> io::Result<Self> {
        let declared = Self::declared(media_type)
            .ok_or_else(|| bad(format!("media type {media_type} is not that of a layer")))?;
        match Self::found(start) {
            found if found == declared => Ok(declared),
            found => Err(bad(format!("media type {media_type}, but the content is {}", found.name()))),
        }
    }

    fn declared(media_type: &str) -> Option<Self> {
        let (base, suffix) = match media_type.rsplit_once("tar") {
            Some((base, suffix)) => (base, suffix),
            None => return None,
        };
        let known = base.starts_with("application/vnd.oci.image.layer.")
            || base.starts_with("application/vnd.docker.image.rootfs.");
        match suffix {
            "" if known => Some(Self::None),
            "+gzip" | ".gzip" if known => Some(Self::Gzip),
            "+zstd" | ".zstd" if known => Some(Self::Zstd),
            _ => None,
        }
    }

    fn found(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // RFC 8878: a frame, or a skippable one in front
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "neither gzip nor zstd",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_and_the_first_bytes_agree() {
        let oci = |suffix: &str| format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        assert_eq!(Compression::of(&oci("+gzip"), b"\x1f\x8b\x08\0").unwrap(), Compression::Gzip);
        assert_eq!(Compression::of(&oci("+zstd"), b"\x28\xb5\x2f\xfd").unwrap(), Compression::Zstd);
        assert_eq!(Compression::of(&oci(""), b"etc/").unwrap(), Compression::None);
        let docker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        assert_eq!(Compression::of(docker, b"\x1f\x8b\x08\0").unwrap(), Compression::Gzip);
        assert!(Compression::of(&oci("+gzip"), b"etc/").is_err());
        assert!(Compression::of(&oci(""), b"\x1f\x8b\x08\0").is_err());
        assert!(Compression::of(&oci("+xz"), b"\xfd7zXZ").is_err());
        assert!(Compression::of("application/vnd.oci.image.config.v1+json", b"{").is_err());
    }
}
