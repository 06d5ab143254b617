//! Checks of user-data, all at once and before anything is pulled: what cloud-init 22.4 (Debian 12)
//! will refuse or ignore, and what will surprise whoever wrote it.
//!
//! Nothing here changes the data, and no message shows any of it but names of keys.

mod certificate;
mod cloud_config;
mod files;
mod findings;
mod host;
mod login;
mod mime;
mod placeholder;
mod schema;
mod shape;
mod spelling;
mod tabs;
mod types;

use cloud_config::Access;
use findings::{Findings, Region};
use mime::{Encoding, Part, Splitter};

use super::secret::SecretValue;
use super::user_data::UserDataKind;
use crate::site::report::Report;
use crate::site::yaml::{Mark, Node};

/// Nova's limit for user-data in base64 ("restricted to 65535 bytes"), on which data for config
/// drives is cut to size; NoCloud, which the reference builder makes, has none.
const NOVA_LIMIT: usize = 65_535;
/// A U+FEFF at the beginning, which cloud-init takes for text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What user-data is compared with.
pub(super) struct Facts<'a> {
    /// The name of the BareMetalHost, if it is sound.
    pub host_name: Option<&'a str>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Adds all that is wrong with user-data to the report.
pub(super) fn user_data(data: &SecretValue, facts: &Facts, report: &mut Report) {
    let region = Region::whole(&data.place);
    let mut checker =
        Checker { facts, findings: Findings::default(), access: Access::None, doubt: Doubt::None };
    checker.size(&data.bytes, region);
    checker.whole(&data.bytes, region);
    checker.login(region);
    checker.findings.report(&region, report);
}

/// Whether something that is not looked into may let somebody log in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    Some,
}

/// What is known so far.
struct Checker<'a> {
    facts: &'a Facts<'a>,
    findings: Findings,
    access: Access,
    doubt: Doubt,
}

impl Checker<'_> {
    fn size(&mut self, bytes: &[u8], region: Region) {
        let encoded = bytes.len().div_ceil(3).saturating_mul(4);
        if encoded > NOVA_LIMIT {
            let message = format!(
                "has {} bytes, {encoded} in base64; OpenStack takes {NOVA_LIMIT}, and so may tools that make config drives",
                bytes.len()
            );
            self.findings.warning("user-data-size", &region, Mark::default(), &message);
        }
    }

    /// All of user-data, as cloudinit/user_data.py takes it (`convert_string`).
    fn whole(&mut self, bytes: &[u8], region: Region) {
        match UserDataKind::detect(bytes) {
            UserDataKind::Mime => self.mime(bytes, region),
            UserDataKind::Unknown => self.unknown(bytes, region),
            kind => self.part(kind, bytes, region),
        }
    }

    /// What cloud-init ignores, with the reason if it can be told.
    fn unknown(&mut self, bytes: &[u8], region: Region) {
        self.doubt = Doubt::Some;
        let start = Mark::new(1, 1);
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).to_ascii_lowercase();
        if let Some(rest) = bytes.strip_prefix(BYTE_ORDER_MARK)
            && UserDataKind::detect(rest) != UserDataKind::Unknown
        {
            let message = "begins with a byte order mark, behind which cloud-init does not see what it is; save it without";
            return self.findings.error("user-data-bom", &region, start, message);
        }
        if text.trim_start().starts_with("content-type: multipart/") {
            let message =
                "a MIME message without the header MIME-Version, by which alone cloud-init knows one";
            return self.findings.error("mime-version", &region, start, message);
        }
        let first: String = text
            .trim_start()
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        if first == "cloudconfig" {
            let message =
                "the first line has to be #cloud-config to the letter; cloud-init will ignore all of it";
            return self.findings.error("user-data-header", &region, start, message);
        }
        let message = "begins like nothing that cloud-init knows, such as #cloud-config; it will be ignored";
        self.findings.warning("user-data-kind", &region, start, message);
    }

    fn part(&mut self, kind: UserDataKind, bytes: &[u8], region: Region) {
        match kind {
            UserDataKind::CloudConfig => {
                let access = cloud_config::check(bytes, region, self.facts, &mut self.findings);
                match access {
                    Some(Access::Given) => self.access = Access::Given,
                    Some(Access::None) => {}
                    // errors enough; who can log in is a question for the next try
                    None => self.doubt = Doubt::Some,
                }
            }
            UserDataKind::CloudConfigArchive => self.archive(bytes, region),
            UserDataKind::Gzip => {
                self.doubt = Doubt::Some;
                let message = "is compressed, and was not checked";
                self.findings.warning("user-data-not-checked", &region, Mark::new(1, 1), message);
            }
            UserDataKind::Script | UserDataKind::Boothook | UserDataKind::Jinja => {
                self.doubt = Doubt::Some;
                if bytes.first().is_some_and(u8::is_ascii_whitespace) {
                    let message = "white space before its first line; neither the kernel nor cloud-init will see what it is";
                    self.findings.error("leading-space", &region, Mark::new(1, 1), message);
                }
            }
            _ => self.doubt = Doubt::Some,
        }
    }

    fn mime(&mut self, bytes: &[u8], region: Region) {
        if bytes.first().is_some_and(u8::is_ascii_whitespace) {
            self.doubt = Doubt::Some;
            let message = "an empty line before the headers of a MIME message, which end with it";
            return self.findings.error("leading-space", &region, Mark::new(1, 1), message);
        }
        let mut splitter = Splitter::default();
        splitter.message(bytes, 1, 0);
        for trouble in &splitter.troubles {
            let mark = Mark::new(trouble.line, 1);
            match trouble.code {
                "mime-unclosed" => self.findings.warning(trouble.code, &region, mark, trouble.message),
                code => self.findings.error(code, &region, mark, trouble.message),
            }
        }
        if splitter.parts.is_empty() || !splitter.troubles.is_empty() {
            self.doubt = Doubt::Some;
        }
        for part in &splitter.parts {
            let inner = region.below(part.line);
            let inner = if part.encoding == Encoding::Encoded { inner.decoded() } else { inner };
            self.mime_part(part, inner);
        }
    }

    /// A part goes by its type, and by its first bytes where the type says little
    /// (cloudinit/user_data.py, `_process_msg`).
    fn mime_part(&mut self, part: &Part, region: Region) {
        let found = UserDataKind::detect(&part.body);
        let kind = match part.content_type.as_str() {
            "text/cloud-config" => UserDataKind::CloudConfig,
            "text/cloud-config-archive" => UserDataKind::CloudConfigArchive,
            "text/plain" | "text/x-not-multipart" => found,
            "text/x-shellscript" if found != UserDataKind::Unknown => found,
            kind if kind.contains("gzip") || kind.contains("compress") || kind.ends_with("gunzip") => {
                UserDataKind::Gzip
            }
            "text/jinja2" => UserDataKind::Jinja,
            "text/cloud-boothook" => UserDataKind::Boothook,
            "text/part-handler" => UserDataKind::PartHandler,
            "text/x-include-url" | "text/x-include-once-url" => UserDataKind::Include,
            kind if kind.starts_with("text/x-shellscript") => UserDataKind::Script,
            "text/cloud-config-jsonp" => UserDataKind::JsonPatch,
            _ => UserDataKind::Unknown,
        };
        match kind {
            UserDataKind::Unknown | UserDataKind::Mime => {
                self.doubt = Doubt::Some;
                let message =
                    "a part of a type that cloud-init does not know; it needs a part-handler before it";
                self.findings.warning("mime-part-type", &region, Mark::new(1, 1), message);
            }
            kind => self.part(kind, &part.body, region),
        }
    }

    /// A list of texts, or of mappings with `content` and `type` (`_explode_archive`).
    fn archive(&mut self, bytes: &[u8], region: Region) {
        self.doubt = Doubt::Some;
        let Some(root) = cloud_config::parse(bytes, region, &mut self.findings) else { return };
        let Some(items) = root.items() else {
            let message = format!("cloud-config-archive: expected a list, found {}", root.kind_name());
            return self.findings.error("archive-not-a-list", &region, root.mark, &message);
        };
        for item in items {
            let content = if item.is_mapping() { item.get("content") } else { Some(item) };
            let Some((content, text)) = content.and_then(|node| Some((node, node.string()?))) else {
                let message =
                    "cloud-config-archive: expected a text or a mapping with `content`; cloud-init skips it";
                self.findings.warning("archive-item", &region, item.mark, message);
                continue;
            };
            let kind = match item.get("type").and_then(Node::text) {
                Some("text/cloud-config") => UserDataKind::CloudConfig,
                Some(_) => continue,
                None => match UserDataKind::detect(text.as_bytes()) {
                    UserDataKind::Unknown => UserDataKind::CloudConfig,
                    // an archive within an archive is taken apart by nobody
                    UserDataKind::CloudConfigArchive => continue,
                    kind => kind,
                },
            };
            self.part(kind, text.as_bytes(), region.of_scalar(content));
        }
    }

    fn login(&mut self, region: Region) {
        if self.access == Access::None && self.doubt == Doubt::None {
            let message = "gives nobody a way to log in: no SSH key and no password that is not locked";
            self.findings.warning("no-login", &region, Mark::default(), message);
        }
    }
}

#[cfg(test)]
mod tests;
