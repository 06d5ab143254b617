//! Who has signed a certificate that was refused: rustls does not tell.

use std::fmt::Write;

use super::failure::printable;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The attributes that people know an authority by (X.520, 6.2.2 and 6.4).
const ATTRIBUTES: &[(&[u8], &str)] = &[(&[0x55, 4, 3], "CN"), (&[0x55, 4, 10], "O"), (&[0x55, 4, 11], "OU")];

/// The name of the issuer in a certificate in DER (RFC 5280, 4.1), such as `CN=Lab CA, O=Example`,
/// fit for a terminal; `None` where the bytes are not a certificate, or it does not say.
pub(super) fn issuer(der: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    if let (VERSION, _, rest) = element(fields)? {
        fields = rest;
    }
    let (_, _, after_serial) = element(fields)?;
    let (_, _, after_algorithm) = element(after_serial)?;
    let (SEQUENCE, mut names, _) = element(after_algorithm)? else { return None };
    let mut text = String::new();
    while let Some((_, set, rest)) = element(names) {
        names = rest;
        let (_, pair, _) = element(set)?;
        let (_, kind, value) = element(pair)?;
        let (_, value, _) = element(value)?;
        if let Some((_, name)) = ATTRIBUTES.iter().find(|(known, _)| *known == kind) {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{name}={}", String::from_utf8_lossy(value));
        }
    }
    Some(printable(&text)).filter(|text| !text.is_empty())
}

/// Tag, contents, and what follows (X.690, 8.1).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // certificates of more than 16 MiB are none
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Vec<u8> {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Lab\u{1b}[1m CA");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CountryName, "XX");
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_issuer_is_named_as_people_know_it() {
        assert_eq!(issuer(&made()).unwrap(), "CN=Lab [1m CA, O=Example");
    }

    #[test]
    fn whatever_bytes_there_are_end_in_a_name_or_none() {
        let whole = made();
        for end in 0..whole.len() {
            let _ = issuer(&whole[..end]);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0x83, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let _ = issuer(&bytes);
            }
        }
    }
}
