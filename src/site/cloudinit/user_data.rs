//! What cloud-init takes user-data for.

use crate::site::yaml::{self, Budget, Dialect, Origin};

/// The kinds of user-data, told apart by their first bytes as cloud-init does it
/// (`cloudinit/user_data.py` and `handlers/__init__.py`, `INCLUSION_TYPES_MAP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDataKind {
    CloudConfig,
    CloudConfigArchive,
    /// `#cloud-config-jsonp`.
    JsonPatch,
    Script,
    Include,
    Boothook,
    PartHandler,
    Jinja,
    Mime,
    Gzip,
    /// cloud-init will log a warning and ignore it.
    Unknown,
}

/// The longer prefix first where one begins with another.
const PREFIXES: [(&str, UserDataKind); 8] = [
    ("#cloud-config-jsonp", UserDataKind::JsonPatch),
    ("#cloud-config-archive", UserDataKind::CloudConfigArchive),
    ("#cloud-config", UserDataKind::CloudConfig),
    ("#cloud-boothook", UserDataKind::Boothook),
    ("#part-handler", UserDataKind::PartHandler),
    ("#include", UserDataKind::Include),
    ("#!", UserDataKind::Script),
    ("## template: jinja", UserDataKind::Jinja),
];
/// cloud-init looks for MIME's version header in this many bytes.
const MIME_WINDOW: usize = 4096;

impl UserDataKind {
    /// Like cloud-init, skips white space in front (a byte order mark is none) and ignores case. A
    /// message is MIME by its version header alone.
    pub fn detect(user_data: &[u8]) -> Self {
        if user_data.starts_with(&[0x1f, 0x8b]) {
            return Self::Gzip;
        }
        let window = &user_data[..user_data.len().min(MIME_WINDOW)];
        let window = String::from_utf8_lossy(window).to_ascii_lowercase();
        let text = window.trim_start();
        match PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            Some((_, kind)) => *kind,
            None if window.contains("mime-version:") => Self::Mime,
            None => Self::Unknown,
        }
    }
}

/// Whether the node's name comes from user-data (`hostname` or `fqdn` of cloud-config); `None` where
/// that would take more than a look: other kinds, or text that is not YAML.
pub(super) fn names_host(user_data: &[u8]) -> Option<bool> {
    if UserDataKind::detect(user_data) != UserDataKind::CloudConfig {
        return None;
    }
    let mut faults = Vec::new();
    let origin = Origin::new("user-data", None);
    let documents =
        yaml::parse_as(Dialect::CloudInit, &origin, user_data, &mut Budget::default(), &mut faults);
    let is_sound = faults.iter().all(|fault| fault.code.as_deref() == Some("duplicate-key"));
    let (_, root) = documents.first().filter(|_| is_sound)?;
    Some(["hostname", "fqdn"].iter().any(|key| root.get(key).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_is_looked_for_in_cloud_config_alone() {
        for (user_data, expected) in [
            ("#cloud-config\nhostname: a\n", Some(true)),
            ("#cloud-config\nfqdn: a.example\n", Some(true)),
            ("#cloud-config\nusers: []\n", Some(false)),
            ("#cloud-config\n[", None),
            ("#!/bin/sh\nhostname a\n", None),
        ] {
            assert_eq!(names_host(user_data.as_bytes()), expected, "{user_data:?}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"#cloud-config\n{}"[..], UserDataKind::CloudConfig),
            (b"\n  #Cloud-Config\n", UserDataKind::CloudConfig),
            (b"#cloud-config-archive\n[]", UserDataKind::CloudConfigArchive),
            (b"#!/bin/sh\n", UserDataKind::Script),
            (b"#include\nhttp://192.0.2.1/x", UserDataKind::Include),
            (b"#include-once\n", UserDataKind::Include),
            (b"#cloud-boothook\n", UserDataKind::Boothook),
            (b"#part-handler\n", UserDataKind::PartHandler),
            (b"## template: jinja\n#cloud-config\n", UserDataKind::Jinja),
            (b"#cloud-config-jsonp\n[]", UserDataKind::JsonPatch),
            (b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n", UserDataKind::Mime),
            (b"Content-Type: multipart/mixed; boundary=x\n", UserDataKind::Unknown),
            (b"\xef\xbb\xbf#cloud-config\n", UserDataKind::Unknown),
            (b"From: x\nMIME-Version: 1.0\n", UserDataKind::Mime),
            (b"\x1f\x8b\x08", UserDataKind::Gzip),
            (b"users: []", UserDataKind::Unknown),
            (b"", UserDataKind::Unknown),
            (b"\xff\xfe#", UserDataKind::Unknown),
        ] {
            assert_eq!(UserDataKind::detect(bytes), expected, "{bytes:?}");
        }
    }
}
