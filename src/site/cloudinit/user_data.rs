//! What cloud-init takes user-data for.

/// The kinds of user-data, told apart by their first bytes as cloud-init does it
/// (`cloudinit/user_data.py` and `handlers/__init__.py`, `INCLUSION_TYPES_MAP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDataKind {
    CloudConfig,
    CloudConfigArchive,
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
    ("#cloud-config-archive", UserDataKind::CloudConfigArchive),
    ("#cloud-config", UserDataKind::CloudConfig),
    ("#cloud-boothook", UserDataKind::Boothook),
    ("#part-handler", UserDataKind::PartHandler),
    ("#include", UserDataKind::Include),
    ("#!", UserDataKind::Script),
    ("## template: jinja", UserDataKind::Jinja),
    ("content-type: multipart/", UserDataKind::Mime),
];
/// cloud-init looks for MIME's version header in this many bytes.
const MIME_WINDOW: usize = 4096;

impl UserDataKind {
    /// Like cloud-init, skips white space in front and ignores case.
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

#[cfg(test)]
mod tests {
    use super::*;

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
            (b"Content-Type: multipart/mixed; boundary=x\n", UserDataKind::Mime),
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
