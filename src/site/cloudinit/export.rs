//! The files for cloud-init, one by one or together, for people to look at.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{CloudInit, NetworkPlace, network};
use crate::error::{Error, ErrorKind, Result};
use crate::site::config::{BuilderSection, SecretSelection};
use crate::site::report::Report;
use crate::site::yaml::Origin;

/// What to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All files as a YAML mapping from their names to what is in them.
    Files(Reveal),
    /// The network configuration as it will be in the volume.
    NetworkConfig,
    /// The network configuration as version 2.
    NetworkConfigV2,
    MetaData,
    UserData,
}

/// Whether user-data is shown, which holds keys and passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    Nothing,
    Secrets,
}

/// Selectors and keys where there is no configuration: what sites have.
pub fn usual_builder() -> BuilderSection {
    let selection = |key: &str| SecretSelection { selector: None, key: key.to_owned() };
    BuilderSection {
        user_data_file_name: "user-data".to_owned(),
        network_config_file_name: "network-config".to_owned(),
        output_metadata_file_name: "output-metadata.yaml".to_owned(),
        output_file_name: None,
        user_data: selection("userData"),
        network_config: selection("networkData"),
    }
}

impl CloudInit {
    /// A part of the data. The conversion fails for network configurations with errors.
    pub fn part(&self, part: Part) -> Result<Vec<u8>> {
        Ok(match part {
            Part::Files(reveal) => self.files(reveal).into_bytes(),
            Part::NetworkConfig => self.network_config.clone(),
            Part::NetworkConfigV2 => self.network_config_v2()?,
            Part::MetaData => self.meta_data.clone(),
            Part::UserData => self.user_data.clone(),
        })
    }

    fn files(&self, reveal: Reveal) -> String {
        let mut text = entry("meta-data", &self.meta_data) + &entry("network-config", &self.network_config);
        match reveal {
            Reveal::Secrets => text += &entry("user-data", &self.user_data),
            Reveal::Nothing => {
                let length = self.user_data.len();
                text += &format!("# user-data: {length} bytes, which --reveal shows\n");
            }
        }
        text
    }

    /// What cloud-init 22.4 makes of the network configuration.
    fn network_config_v2(&self) -> Result<Vec<u8>> {
        let (origin, mut report) = (Origin::new("network-config", None), Report::default());
        let converted = network::to_v2(&self.network_config, NetworkPlace::File(&origin), &mut report);
        converted.ok_or_else(|| {
            Error::faults(ErrorKind::Documents, "converting the network configuration", report.errors)
        })
    }
}

/// A key with a value of any bytes, as readable as they allow.
fn entry(key: &str, bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return binary(key, bytes) };
    // YAML 1.2.2, 5.1: what is not printable has no literal form
    let is_printable = |c: char| matches!(c, '\n' | '\t' | ' '..='~' | '\u{a0}'..='\u{d7ff}');
    if !text.chars().all(is_printable) || text.contains(['\u{2028}', '\u{2029}']) {
        return binary(key, bytes);
    }
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        return format!("{key}: {}\n", serde_json::Value::from(text));
    }
    let chomping = match text.trim_end_matches('\n').len() {
        length if length == text.len() => "-",
        length if length + 1 == text.len() => "",
        _ => "+",
    };
    let body = text.strip_suffix('\n').unwrap_or(text);
    let lines: String = body
        .split('\n')
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
        .collect();
    format!("{key}: |{chomping}\n{lines}")
}

fn binary(key: &str, bytes: &[u8]) -> String {
    format!("{key}: !!binary {}\n", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::yaml::{self, Budget, Node};

    #[test]
    fn values_of_any_bytes_are_read_back() {
        for text in
            ["a: b\nc: d\n", "a", "a\n\n\n", "", " a\n", "\n", "a\n  b\n\nc", "# x: y\n", "\ttab\n", "é\n"]
        {
            let (origin, mut faults) = (Origin::new("x", None), Vec::new());
            let document = entry("k", text.as_bytes()) + "z: 1\n";
            let parsed = yaml::parse(&origin, document.as_bytes(), &mut Budget::default(), &mut faults);
            assert_eq!(faults, [], "{document}");
            assert_eq!(parsed[0].1.get("k").and_then(Node::text), Some(text), "{document}");
        }
        assert_eq!(entry("k", &[0x1f, 0x8b, 0xff]), "k: !!binary H4v/\n");
        assert_eq!(entry("k", b"a\rb"), "k: !!binary YQ1i\n");
    }
}
