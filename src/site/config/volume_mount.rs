//! `container.volume`: the directory that the builder and we share.

use std::fmt;
use std::path::{Path, PathBuf};

/// A host directory and where the builder sees it; both absolute, clean and without `:`, which
/// is where builders split it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// Where it is on this host.
    pub host: PathBuf,
    /// Where the builder sees it.
    pub container: PathBuf,
}

impl VolumeMount {
    /// Parses `host[:container[:options]]`; one part means the same path on both sides. `home`
    /// stands for a leading `~/`. The message says what is wrong.
    pub fn parse(text: &str, home: Option<&Path>) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, container, option) = match parts[..] {
            [host] => (host, None, None),
            [host, container] => (host, Some(container), None),
            [host, container, option] => (host, Some(container), Some(option)),
            _ => return Err("has more than three parts; expected host:container[:rw]".into()),
        };
        match option {
            None | Some("rw" | "z" | "Z") => {}
            Some("ro") => return Err("is read-only (`ro`), but the builder writes its ISO there".into()),
            Some(_) => return Err("has an unknown option; expected rw, z or Z".into()),
        }
        let host = absolute("host", &expand(host, home)?)?;
        let container = container.map_or_else(|| Ok(host.clone()), |path| absolute("container", path))?;
        if host == "/" {
            return Err("shares the whole host with the builder".into());
        }
        if container == "/" {
            return Err("puts the directory in place of the container's whole root".into());
        }
        Ok(Self { host: host.into(), container: container.into() })
    }
}

/// As builders read it.
impl fmt::Display for VolumeMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.display(), self.container.display())
    }
}

/// Puts the home directory in place of `~`. `~user` is not known here and stays relative.
fn expand(host: &str, home: Option<&Path>) -> Result<String, String> {
    let below = match host {
        "~" => "",
        _ => match host.strip_prefix("~/") {
            Some(below) => below,
            None => return Ok(host.to_owned()),
        },
    };
    match home.and_then(Path::to_str) {
        Some(home) if home.contains(':') => Err("begins with `~`, but HOME has a colon in it".into()),
        Some(home) if home.starts_with('/') => Ok(format!("{home}/{below}")),
        _ => Err("begins with `~`, but HOME is not set to an absolute path".into()),
    }
}

/// Cleans without looking at the file system: `//`, `/./` and a trailing `/` go. `..` is refused,
/// because through a symbolic link it leads elsewhere than it says.
fn absolute(side: &str, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err(format!("has an empty {side} side"));
    }
    if !path.starts_with('/') {
        return Err(format!("has a relative {side} side; write it from `/` on"));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("has a control character in its {side} side"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    match parts.contains(&"..") {
        true => Err(format!("has `..` in its {side} side")),
        false => Ok(format!("/{}", parts.join("/"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        VolumeMount::parse(text, Some(Path::new("/home/op"))).map(|volume| volume.to_string())
    }

    #[test]
    fn volumes_are_cleaned() {
        for (text, expected) in [
            ("/srv/iso:/config", "/srv/iso:/config"),
            ("/srv/iso", "/srv/iso:/srv/iso"),
            ("/srv//iso/:/config/", "/srv/iso:/config"),
            ("/srv/./iso:/config", "/srv/iso:/config"),
            ("~/iso:/config", "/home/op/iso:/config"),
            ("~/iso", "/home/op/iso:/home/op/iso"),
            ("~:/config", "/home/op:/config"),
            ("/a b:/config:rw", "/a b:/config"),
            ("/a:/b:z", "/a:/b"),
            ("/a:/b:Z", "/a:/b"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_volumes_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty host"),
            (":/config", "empty host"),
            ("/a:", "empty container"),
            ("srv/iso:/config", "relative host"),
            ("./iso:/config", "relative host"),
            ("~other/iso:/config", "relative host"),
            ("/a:config", "relative container"),
            ("/a:~/config", "relative container"),
            ("/a:/", "whole root"),
            ("/", "whole host"),
            ("//:/config", "whole host"),
            ("/a:/b:ro", "read-only"),
            ("/a:/b:", "unknown option"),
            ("/a:/b:rw,z", "unknown option"),
            ("/a:/b:rw:z", "more than three"),
            ("/a/../b:/c", "`..`"),
            ("/a\n:/c", "control character"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn a_tilde_needs_a_home() {
        for home in [None, Some(Path::new("")), Some(Path::new("home/op")), Some(Path::new("/a:b"))] {
            assert!(VolumeMount::parse("~/iso", home).unwrap_err().contains("HOME"));
        }
    }
}
