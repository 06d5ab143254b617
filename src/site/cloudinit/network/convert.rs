//! Network-config v2 from the model: what cloud-init's own renderer for netplan makes of it
//! (`cloudinit/net/netplan.py`), but for the names of interfaces that only the running kernel knows.

use std::fmt::Write;

use super::model::{Interface, Kind, Network, Parameter, Placed, Route};

/// The sections in the order in which they are written.
const SECTIONS: [&str; 4] = ["ethernets", "bonds", "bridges", "vlans"];

/// The file. All text in it was checked when it was read; what may hold more than names is quoted,
/// which also keeps PyYAML from reading `52:54:00:11:22:33` as a number to base 60.
pub(super) fn v2(network: &Network) -> String {
    let mut text = "version: 2\n".to_owned();
    for section in SECTIONS {
        let mut of_section = network.interfaces.iter().filter(|one| section_of(one) == section).peekable();
        if of_section.peek().is_some() {
            text += &format!("{section}:\n");
        }
        of_section.for_each(|interface| entry(interface, &mut text));
    }
    text
}

fn section_of(interface: &Interface) -> &'static str {
    match interface.kind {
        Kind::Ethernet { .. } => "ethernets",
        Kind::Bond { .. } => "bonds",
        Kind::Bridge { .. } => "bridges",
        Kind::Vlan { .. } => "vlans",
        Kind::Other => "",
    }
}

fn entry(interface: &Interface, text: &mut String) {
    let mut lines = Lines(Vec::new());
    kind(interface, &mut lines);
    addresses(interface, &mut lines);
    let id = quoted(&interface.id.value);
    match lines.0.is_empty() {
        true => *text += &format!("  {id}: {{}}\n"),
        false => *text += &format!("  {id}:\n"),
    }
    for line in lines.0 {
        *text += &format!("    {line}\n");
    }
}

/// The lines of one interface, without their indentation.
struct Lines(Vec<String>);

impl Lines {
    fn field(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{key}: {value}"));
    }

    /// A list of texts on one line.
    fn list<'a>(&mut self, key: &str, texts: impl IntoIterator<Item = &'a String>) {
        let texts: Vec<_> = texts.into_iter().map(|text| quoted(text)).collect();
        self.field(key, format!("[{}]", texts.join(", ")));
    }

    fn parameters(&mut self, parameters: &[Parameter], value: fn(&str) -> String) {
        let pairs: Vec<_> =
            parameters.iter().map(|one| format!("{}: {}", one.name, value(&one.value))).collect();
        if !pairs.is_empty() {
            self.field("parameters", format!("{{{}}}", pairs.join(", ")));
        }
    }
}

fn kind(interface: &Interface, lines: &mut Lines) {
    let mac = interface.mac.as_ref().map(|mac| quoted(&mac.value.to_string()));
    match &interface.kind {
        Kind::Ethernet { set_name } => {
            // netplan takes a name only beside what it is given to; cloud-init leaves both out, too
            let Some(mac) = mac else { return };
            lines.field("match", format!("{{macaddress: {mac}}}"));
            set_name.iter().for_each(|name| lines.field("set-name", quoted(name)));
            return;
        }
        Kind::Bond { members, parameters } => {
            lines.list("interfaces", sorted(members));
            lines.parameters(parameters, number_or_text);
        }
        Kind::Bridge { members, parameters } => {
            lines.list("interfaces", sorted(members));
            lines.parameters(parameters, str::to_owned);
        }
        Kind::Vlan { number, link } => {
            lines.field("id", number);
            lines.field("link", quoted(&link.value));
        }
        Kind::Other => {}
    }
    mac.into_iter().for_each(|mac| lines.field("macaddress", mac));
}

/// cloud-init sorts them; the order has no meaning.
fn sorted(members: &[Placed<String>]) -> Vec<&String> {
    let mut names: Vec<_> = members.iter().map(|member| &member.value).collect();
    names.sort();
    names
}

fn addresses(interface: &Interface, lines: &mut Lines) {
    interface.mtu.iter().for_each(|mtu| lines.field("mtu", mtu.value));
    if interface.dhcp4 {
        lines.field("dhcp4", true);
    }
    if interface.dhcp6 {
        lines.field("dhcp6", true);
    }
    interface.accept_ra.iter().for_each(|accept| lines.field("accept-ra", accept));
    if !interface.addresses.is_empty() {
        let addresses: Vec<_> = interface.addresses.iter().map(|one| one.value.to_string()).collect();
        lines.list("addresses", &addresses);
    }
    for gateway in &interface.gateways {
        let key = if gateway.value.is_ipv4() { "gateway4" } else { "gateway6" };
        lines.field(key, quoted(&gateway.value.to_string()));
    }
    routes(&interface.routes, lines);
    let dns = &interface.dns;
    if !dns.addresses.is_empty() || !dns.search.is_empty() {
        lines.0.push("nameservers:".into());
        let mut below = Lines(Vec::new());
        below.list("addresses", &dns.addresses);
        below.list("search", &dns.search);
        lines.0.extend(below.0.iter().map(|line| format!("  {line}")));
    }
}

fn routes(routes: &[Placed<Route>], lines: &mut Lines) {
    if !routes.is_empty() {
        lines.0.push("routes:".into());
    }
    for route in routes.iter().map(|route| &route.value) {
        let mut line = String::new();
        // writing to a String cannot fail
        if let Some(to) = route.to {
            let _ = write!(line, "to: {}, ", quoted(&to.to_string()));
        }
        let _ = write!(line, "via: {}", quoted(&route.via.to_string()));
        if let Some(metric) = route.metric {
            let _ = write!(line, ", metric: {metric}");
        }
        lines.0.push(format!("  - {{{line}}}"));
    }
}

/// In double quotes. Escapes of JSON are among those of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Digits as a number: netplan's own tools write it so.
fn number_or_text(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(number) if number.to_string() == text => text.to_owned(),
        _ => quoted(text),
    }
}
