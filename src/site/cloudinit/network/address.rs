//! Addresses and masks as Python's `ipaddress` reads them, which is what cloud-init uses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many bits of it name its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subnet {
    pub ip: IpAddr,
    pub prefix: u8,
}

/// What is wrong with an address and its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Address,
    Mask,
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl Subnet {
    /// `address` alone, or with its prefix length or mask behind a slash, which then wins over `mask`.
    /// With neither, the prefix is that of [`Subnet::default_prefix`] (`_normalize_net_keys`).
    pub fn parse(address: &str, mask: Option<&str>) -> Result<Self, Wrong> {
        let (ip, mask) = match address.split_once('/') {
            Some((ip, mask)) => (ip, Some(mask)),
            None => (address, mask),
        };
        let ip: IpAddr = ip.parse().map_err(|_| Wrong::Address)?;
        let prefix = match mask {
            Some(mask) => prefix(mask, ip).ok_or(Wrong::Mask)?,
            None => Self::default_prefix(ip),
        };
        Ok(Self { ip, prefix })
    }

    /// What cloud-init takes where no mask is given.
    pub fn default_prefix(ip: IpAddr) -> u8 {
        if ip.is_ipv4() { 24 } else { 64 }
    }

    /// Whether `ip` is a neighbour, reached without a router.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => shifted(a.to_bits() ^ b.to_bits(), self.prefix, 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let rest = 128 - u32::from(self.prefix);
                (a.to_bits() ^ b.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Whether nothing differs within the prefix; a shift by the whole width would overflow.
fn shifted(difference: u32, prefix: u8, width: u32) -> bool {
    difference.checked_shr(width - u32::from(prefix)).unwrap_or(0) == 0
}

/// Digits, a netmask, or for IPv4 a host mask such as `0.0.0.255`.
fn prefix(mask: &str, ip: IpAddr) -> Option<u8> {
    let width = if ip.is_ipv4() { 32 } else { 128 };
    if !mask.is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit()) {
        return mask.parse().ok().filter(|prefix| *prefix <= width);
    }
    if ip.is_ipv4() {
        let bits = mask.parse::<Ipv4Addr>().ok()?.to_bits();
        // a mask of zeros is a netmask; otherwise leading zeros make a host mask
        let bits = if bits != 0 && bits.leading_ones() == 0 { !bits } else { bits };
        (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones() as u8)
    } else {
        let bits = mask.parse::<Ipv6Addr>().ok()?.to_bits();
        (bits.leading_ones() + bits.trailing_zeros() >= 128).then(|| bits.leading_ones() as u8)
    }
}

/// Whether a gateway may stand outside of all subnets: every IPv6 link has fe80::/10 (RFC 4291, 2.8).
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_as_python_reads_them() {
        for (address, mask, expected) in [
            ("10.0.0.1", Some("255.255.255.0"), Ok("10.0.0.1/24")),
            ("10.0.0.1", Some("24"), Ok("10.0.0.1/24")),
            ("10.0.0.1", Some("0.0.0.255"), Ok("10.0.0.1/24")),
            ("0.0.0.0", Some("0.0.0.0"), Ok("0.0.0.0/0")),
            ("10.0.0.1", Some("255.255.255.255"), Ok("10.0.0.1/32")),
            ("10.0.0.1/255.255.0.0", Some("24"), Ok("10.0.0.1/16")),
            ("10.0.0.1", None, Ok("10.0.0.1/24")),
            ("fd00::1", None, Ok("fd00::1/64")),
            ("fd00::1", Some("ffff:ffff:ffff::"), Ok("fd00::1/48")),
            ("::", Some("::"), Ok("::/0")),
            ("fd00::1/128", None, Ok("fd00::1/128")),
            ("10.0.0.1", Some("255.0.255.0"), Err(Wrong::Mask)),
            ("10.0.0.1", Some("33"), Err(Wrong::Mask)),
            ("10.0.0.1", Some(""), Err(Wrong::Mask)),
            ("10.0.0.1", Some("-1"), Err(Wrong::Mask)),
            ("fd00::1", Some("255.255.255.0"), Err(Wrong::Mask)),
            ("fd00::1", Some("129"), Err(Wrong::Mask)),
            ("fd00::1", Some("999999999999"), Err(Wrong::Mask)),
            ("10.0.0", None, Err(Wrong::Address)),
            ("010.0.0.1", None, Err(Wrong::Address)),
            ("", None, Err(Wrong::Address)),
        ] {
            let found = Subnet::parse(address, mask).map(|subnet| subnet.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{address} {mask:?}");
        }
    }

    #[test]
    fn neighbours_share_the_prefix() {
        for (subnet, ip, expected) in [
            ("10.0.0.5/24", "10.0.0.254", true),
            ("10.0.0.5/24", "10.0.1.1", false),
            ("10.0.0.5/0", "192.0.2.1", true),
            ("10.0.0.5/32", "10.0.0.5", true),
            ("10.0.0.5/32", "10.0.0.4", false),
            ("fd00::5/64", "fd00::1", true),
            ("fd00::5/64", "fd00:0:0:1::1", false),
            ("::/0", "fd00::1", true),
            ("10.0.0.5/24", "fd00::1", false),
        ] {
            let subnet = Subnet::parse(subnet, None).unwrap();
            assert_eq!(subnet.contains(ip.parse().unwrap()), expected, "{subnet} {ip}");
        }
    }
}
