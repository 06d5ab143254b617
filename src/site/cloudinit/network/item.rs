//! One mapping of a network configuration, read field by field.

use std::net::IpAddr;

use super::address::Subnet;
use super::findings::Findings;
use crate::site::cloudinit::node::MacAddress;
use crate::site::yaml::{Mark, Node, Style, Value, entry_name};

/// A mapping and its path, as `links[0]`.
pub(super) struct Item<'n> {
    pub node: &'n Node,
    pub path: String,
}

/// Smallest that IPv4 allows (RFC 791); largest that the kernel takes for most devices.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;
/// IEEE 802.1Q: 0 means no VLAN, 4095 is reserved.
const VLAN: std::ops::RangeInclusive<u32> = 1..=4094;

impl<'n> Item<'n> {
    /// The mapping at `path`; an error if the node is anything else.
    pub fn of(node: &'n Node, path: impl Into<String>, findings: &mut Findings<'_>) -> Option<Self> {
        let path = path.into();
        if node.is_mapping() {
            return Some(Self { node, path });
        }
        wrong_type(node, &path, "a mapping", findings);
        None
    }

    /// Where the mapping begins.
    pub fn mark(&self) -> Mark {
        self.node.mark
    }

    /// The path of a field.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The field, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    /// Whether the key is there, null or not: cloud-init tells them apart.
    pub fn has(&self, key: &str) -> bool {
        self.node.entries().iter().any(|entry| entry.key == key)
    }

    /// Notes keys that are there with nothing behind them: cloud-init does not take that for a key left
    /// out; it fails, or reads the word `None`.
    pub fn check_nulls(&self, keys: &[&str], expected: &str, findings: &mut Findings<'_>) {
        let entries = self.node.entries().iter();
        for entry in entries.filter(|entry| entry.value.is_null() && keys.contains(&entry.key.as_str())) {
            wrong_type(&entry.value, &self.path(&entry.key), expected, findings);
        }
    }

    /// Where the field's value stands, or else the mapping.
    pub fn mark_of(&self, key: &str) -> Mark {
        self.get(key).map_or(self.mark(), |node| node.mark)
    }

    /// Notes that a field is missing.
    pub fn missing(&self, key: &str, findings: &mut Findings<'_>) {
        findings.error("network-missing", self.mark(), format!("`{}` is missing", self.path(key)));
    }

    /// The text of a scalar that may be missing; an error if it is no scalar.
    pub fn text(&self, key: &str, findings: &mut Findings<'_>) -> Option<&'n str> {
        let node = self.get(key)?;
        if node.text().is_none() {
            wrong_type(node, &self.path(key), "a string", findings);
        }
        node.text()
    }

    /// The text of a scalar that has to be there and not be empty.
    pub fn required(&self, key: &str, findings: &mut Findings<'_>) -> Option<&'n str> {
        match self.get(key) {
            Some(_) => {
                let text = self.text(key, findings)?;
                if text.is_empty() {
                    self.missing(key, findings);
                }
                Some(text).filter(|text| !text.is_empty())
            }
            None => {
                self.missing(key, findings);
                None
            }
        }
    }

    /// The items of a list that may be missing.
    pub fn list(&self, key: &str, findings: &mut Findings<'_>) -> &'n [Node] {
        let Some(node) = self.get(key) else { return &[] };
        if node.items().is_none() {
            wrong_type(node, &self.path(key), "a list", findings);
        }
        node.items().unwrap_or_default()
    }

    /// The mappings of a list that may be missing.
    pub fn items(&self, key: &str, findings: &mut Findings<'_>) -> Vec<Item<'n>> {
        let nodes = self.list(key, findings).iter().enumerate();
        nodes
            .filter_map(|(index, node)| Item::of(node, format!("{}[{index}]", self.path(key)), findings))
            .collect()
    }

    /// The texts of a list, each with its place.
    pub fn texts(&self, key: &str, findings: &mut Findings<'_>) -> Vec<(&'n str, Mark)> {
        let mut texts = Vec::new();
        for (index, node) in self.list(key, findings).iter().enumerate() {
            match node.text() {
                Some(text) => texts.push((text, node.mark)),
                None => wrong_type(node, &format!("{}[{index}]", self.path(key)), "a string", findings),
            }
        }
        texts
    }

    /// A mapping that may be missing.
    pub fn section(&self, key: &str, findings: &mut Findings<'_>) -> Option<Item<'n>> {
        Item::of(self.get(key)?, self.path(key), findings)
    }

    /// A boolean that may be missing, in the words that netplan and cloud-init take.
    pub fn boolean(&self, key: &str, findings: &mut Findings<'_>) -> Option<bool> {
        let node = self.get(key)?;
        let value = node.text().and_then(|text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "0" => Some(false),
            _ => None,
        });
        if value.is_none() {
            wrong_type(node, &self.path(key), "true or false", findings);
        }
        value
    }

    /// A MAC address that may be missing or empty, as cloud-init reads it.
    pub fn mac(&self, key: &str, findings: &mut Findings<'_>) -> Option<MacAddress> {
        if self.get(key).is_some_and(is_base_60) {
            let path = self.path(key);
            let message = format!("`{path}`: cloud-init takes it for a number to base 60; put it in quotes");
            findings.error("network-mac-unquoted", self.mark_of(key), message);
        }
        self.mac_of_document(key, findings)
    }

    /// A MAC address that may be missing or empty, in a document that cloud-init will not see.
    pub fn mac_of_document(&self, key: &str, findings: &mut Findings<'_>) -> Option<MacAddress> {
        let text = self.text(key, findings).filter(|text| !text.is_empty())?;
        let path = self.path(key);
        MacAddress::parse(text)
            .map_err(|why| findings.error("network-mac", self.mark_of(key), format!("`{path}`: {why}")))
            .ok()
    }

    /// An MTU, as a number or a string, that may be missing.
    pub fn mtu(&self, key: &str, findings: &mut Findings<'_>) -> Option<u32> {
        let message = "is no MTU; expected a number from 68 to 65535";
        self.number(key, ("network-mtu", message), &MTU, findings)
    }

    /// A VLAN's number, that may be missing.
    pub fn vlan(&self, key: &str, findings: &mut Findings<'_>) -> Option<u32> {
        let message = "is no VLAN; expected a number from 1 to 4094";
        self.number(key, ("network-vlan-id", message), &VLAN, findings)
    }

    fn number(
        &self,
        key: &str,
        (code, message): (&'static str, &str),
        range: &std::ops::RangeInclusive<u32>,
        findings: &mut Findings<'_>,
    ) -> Option<u32> {
        let text = self.text(key, findings)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // PyYAML reads 010 as octal
        let is_octal = text.len() > 1 && text.starts_with('0');
        let number = text.parse().ok().filter(|number| digits && !is_octal && range.contains(number));
        if number.is_none() {
            findings.error(code, self.mark_of(key), format!("`{}`: {message}", self.path(key)));
        }
        number
    }

    /// An address without a mask that may be missing.
    pub fn ip(&self, key: &str, findings: &mut Findings<'_>) -> Option<IpAddr> {
        let text = self.text(key, findings)?;
        ip(text, self.mark_of(key), &self.path(key), findings)
    }

    /// An address with the mask that stands beside it or behind its slash. What cloud-init would
    /// guess, where there is none, is a warning.
    pub fn subnet(&self, address: &str, mask: &str, findings: &mut Findings<'_>) -> Option<Subnet> {
        let text = self.required(address, findings)?;
        // 0 is as good as nothing to cloud-init, unless it is a string
        let zero = self.get(mask).filter(|node| node.string().is_none() && node.text() == Some("0"));
        let given = self.text(mask, findings).filter(|mask| !mask.is_empty() && zero.is_none());
        match Subnet::parse(text, given) {
            Ok(subnet) => {
                if given.is_none() && !text.contains('/') {
                    let path = self.path(address);
                    let message = format!("`{path}`: has no netmask; cloud-init takes /{}", subnet.prefix);
                    findings.warning("network-netmask-missing", self.mark_of(address), message);
                }
                Some(subnet)
            }
            Err(super::address::Wrong::Address) => {
                not_an_address(self.mark_of(address), &self.path(address), findings);
                None
            }
            Err(super::address::Wrong::Mask) => {
                let key = if text.contains('/') { address } else { mask };
                let message = format!("`{}`: is no netmask or prefix length", self.path(key));
                findings.error("network-netmask", self.mark_of(key), message);
                None
            }
        }
    }

    /// The metric of a route, that may be missing.
    pub fn metric(&self, findings: &mut Findings<'_>) -> Option<u32> {
        let metric = self.text("metric", findings)?.parse().ok();
        if metric.is_none() {
            let message = format!("`{}`: is no number", self.path("metric"));
            findings.error("network-metric", self.mark_of("metric"), message);
        }
        metric
    }

    /// Notes each key that netplan does not know.
    pub fn warn_refused(&self, is_known: impl Fn(&str) -> bool, findings: &mut Findings<'_>) {
        for entry in self.node.entries().iter().filter(|entry| !is_known(&entry.key)) {
            let within = if self.path.is_empty() { String::new() } else { format!("`{}`: ", self.path) };
            let message = format!("{within}unknown key {}, which netplan 0.106 refuses", entry_name(entry));
            findings.warning("network-unknown-key", entry.key_mark, message);
        }
    }

    /// Notes each key that nothing reads.
    pub fn warn_unknown(&self, is_known: impl Fn(&str) -> bool, findings: &mut Findings<'_>) {
        for entry in self.node.entries().iter().filter(|entry| !is_known(&entry.key)) {
            let within = if self.path.is_empty() { String::new() } else { format!("`{}`: ", self.path) };
            let message = format!("{within}unknown key {} is ignored", entry_name(entry));
            findings.warning("network-unknown-key", entry.key_mark, message);
        }
    }
}

/// An address from its text.
pub(super) fn ip(text: &str, mark: Mark, path: &str, findings: &mut Findings<'_>) -> Option<IpAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        not_an_address(mark, path, findings);
    }
    parsed
}

/// Notes that something is no address.
pub(super) fn not_an_address(mark: Mark, path: &str, findings: &mut Findings<'_>) {
    findings.error("network-address", mark, format!("`{path}`: is no IP address"));
}

/// Notes that a node is not what was expected.
pub(super) fn wrong_type(node: &Node, path: &str, expected: &str, findings: &mut Findings<'_>) {
    let within = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
    let message = format!("{within}expected {expected}, found {}", node.kind_name());
    findings.error("network-type", node.mark, message);
}

/// Whether PyYAML reads a plain scalar as digits to base 60, as it does `52:54:00:11:22:33` (the
/// integers of YAML 1.1).
fn is_base_60(node: &Node) -> bool {
    let Value::Scalar(scalar) = &node.value else { return false };
    let mut parts = scalar.text.split(':');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let first = parts.next().is_some_and(|part| digits(part) && !part.starts_with('0') && !part.is_empty());
    let below_60 = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    scalar.style == Style::Plain && first && scalar.text.contains(':') && parts.all(below_60)
}

/// Whether the kernel takes it for an interface's name (`dev_valid_name`).
pub(super) fn is_interface_name(name: &str) -> bool {
    let is_sound = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    (1..=15).contains(&name.len()) && name != "." && name != ".." && name.chars().all(is_sound)
}

/// Notes an interface's name that the kernel refuses.
pub(super) fn check_name(name: &str, mark: Mark, path: &str, findings: &mut Findings<'_>) {
    if !is_interface_name(name) {
        let message =
            format!("`{path}`: is no interface name; expected 1 to 15 characters without `/`, `:` and space");
        findings.error("network-name", mark, message);
    }
}
