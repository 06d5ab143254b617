//! What an image runs on (image-spec, image-index.md, "Platform Variants").

use std::fmt;

use oci_spec::image::{Descriptor, ImageConfiguration};
use serde::{Serialize, Serializer};

/// Operating system, architecture and variant in the words of image-spec, which are Go's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

/// How well an image suits a platform; the greater the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The descriptor does not say what it is for.
    Unstated,
    /// For an older variant of the architecture, the greater number being the newer.
    Older(u8),
    Exact,
}

impl Platform {
    /// What this machine runs.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8".to_owned())),
            "arm" => ("arm", Some(arm_variant())),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            "powerpc64" => ("ppc64", None),
            "loongarch64" => ("loong64", None),
            same => (same, None),
        };
        Self { os: std::env::consts::OS.to_owned(), architecture: architecture.to_owned(), variant }
    }

    /// What a descriptor in an index says it is for; `None` where it says nothing.
    pub(super) fn of_descriptor(descriptor: &Descriptor) -> Option<Self> {
        let platform = descriptor.platform().as_ref()?;
        Some(Self {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone(),
        })
    }

    /// What an image configuration says it is for.
    pub(super) fn of_configuration(configuration: &ImageConfiguration) -> Self {
        Self {
            os: configuration.os().to_string(),
            architecture: configuration.architecture().to_string(),
            variant: configuration.variant().clone(),
        }
    }

    /// Whether this platform runs images made for `image`.
    pub fn runs(&self, image: &Self) -> bool {
        self.fit(image).is_some()
    }

    /// Whether this platform runs images made for `image`, and how well they suit.
    pub(super) fn fit(&self, image: &Self) -> Option<Fit> {
        if self.os != image.os || self.architecture != image.architecture {
            return None;
        }
        let (own, other) = (self.level(), image.level());
        match own.checked_sub(other)? {
            0 => Some(Fit::Exact),
            _ => Some(Fit::Older(other)),
        }
    }

    /// The variant as a number. An unstated one is the architecture's baseline, by which other
    /// tools mean v7 for arm, v8 for arm64 and v1 for amd64; what is not a number runs nowhere.
    fn level(&self) -> u8 {
        let baseline = match self.architecture.as_str() {
            "arm" => 7,
            "arm64" => 8,
            _ => 1,
        };
        match self.variant.as_deref() {
            None | Some("") => baseline,
            Some(variant) => variant.strip_prefix('v').and_then(|n| n.parse().ok()).unwrap_or(u8::MAX),
        }
    }
}

/// As it is displayed: `os/architecture[/variant]`.
impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The kernel's word for the processor: `armv6l`, `armv7l`, or `aarch64` below a 32-bit program.
fn arm_variant() -> String {
    let machine = nix::sys::utsname::uname().map(|name| name.machine().to_string_lossy().into_owned());
    match machine.as_deref() {
        Ok(name) if name.starts_with("armv6") => "v6",
        Ok(name) if name.starts_with("armv5") => "v5",
        _ => "v7",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform { os: parts.next().unwrap(), architecture: parts.next().unwrap(), variant: parts.next() }
    }

    fn fit(host: &str, image: &str) -> Option<Fit> {
        platform(host).fit(&platform(image))
    }

    #[test]
    fn older_variants_run_and_newer_ones_do_not() {
        assert_eq!(fit("linux/arm/v7", "linux/arm/v7"), Some(Fit::Exact));
        assert_eq!(fit("linux/arm/v7", "linux/arm"), Some(Fit::Exact));
        assert!(fit("linux/arm/v7", "linux/arm/v6") > fit("linux/arm/v7", "linux/arm/v5"));
        assert_eq!(fit("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(fit("linux/arm64/v8", "linux/arm64"), Some(Fit::Exact));
        assert_eq!(fit("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(fit("linux/amd64", "linux/amd64/odd"), None);
    }

    #[test]
    fn other_systems_and_architectures_do_not_suit() {
        assert_eq!(fit("linux/amd64", "windows/amd64"), None);
        assert_eq!(fit("linux/amd64", "linux/arm64"), None);
        assert_eq!(fit("linux/amd64", "unknown/unknown"), None);
    }

    #[test]
    fn the_host_suits_itself() {
        let host = Platform::host();
        assert_eq!(host.os, "linux");
        assert_eq!(host.fit(&host), Some(Fit::Exact));
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
    }
}
