//! What cloud-init on the ephemeral node will find: user-data, network-config and meta-data.

mod checks;
mod choice;
mod export;
mod meta_data;
mod network;
mod node;
mod same;
mod secret;
mod user_data;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Fault};
use crate::site::config::{BuilderSection, IsoConfiguration};
use crate::site::document::{Document, DocumentSet, Selector};
use crate::site::report::Report;

pub use export::{Part, Reveal, usual_builder};
pub use network::{
    NetworkFormat, NetworkPlace, NetworkSource, check as check_network, to_v2 as network_to_v2,
};
use secret::SecretValue;

pub use node::{EphemeralNode, MacAddress, SecretReference};
pub use same::{is_same_instance, is_same_value};
pub use secret::ValuePlace;
pub use user_data::UserDataKind;

/// Values that select the documents of the ephemeral node; both spellings are in use.
const TRUE: [&str; 2] = ["true", "True"];

/// The three files for cloud-init. Values from Secrets are the user's bytes, never re-serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudInit {
    /// The Secret's value, byte for byte.
    pub user_data: Vec<u8>,
    /// The Secret's value, byte for byte, or what was generated.
    pub network_config: Vec<u8>,
    /// YAML with `instance-id` and `local-hostname`.
    pub meta_data: Vec<u8>,
    /// Where the network configuration came from.
    pub network: NetworkSource,
    /// What the node is called unless its user-data says otherwise.
    pub host_name: String,
}

/// Sizes only: user-data and network data hold keys and passwords.
impl fmt::Debug for CloudInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudInit")
            .field("user_data", &format_args!("{} bytes", self.user_data.len()))
            .field("network_config", &format_args!("{} bytes", self.network_config.len()))
            .field("meta_data", &format_args!("{} bytes", self.meta_data.len()))
            .field("network", &self.network)
            .field("host_name", &self.host_name)
            .finish()
    }
}

impl CloudInit {
    /// Finds the documents of the ephemeral node and takes the files from them; `None` with errors in
    /// the report: documents not there or not unique, keys missing, values empty, not base64 or still
    /// encrypted.
    pub fn generate(
        documents: &DocumentSet,
        configuration: &IsoConfiguration,
        report: &mut Report,
    ) -> Option<Self> {
        Self::select(documents, &configuration.builder, report)
    }

    /// As [`CloudInit::generate`], by the selectors of `builder`.
    pub fn select(documents: &DocumentSet, builder: &BuilderSection, report: &mut Report) -> Option<Self> {
        let user_data = user_data_of(documents, builder, report);
        let host = ephemeral_host(documents, builder, &mut report.errors);
        let node = host.map(|host| EphemeralNode::read(host, &mut report.errors));
        if let Some(user_data) = &user_data {
            let host_name = node.as_ref().and_then(|node| node.name.as_deref());
            checks::user_data(user_data, &checks::Facts { host_name, now: now() }, report);
        }
        let network = host
            .zip(node.as_ref())
            .and_then(|(host, node)| network::of(documents, host, node, &builder.network_config.key, report));
        let (user_data, network, host_name) = (user_data?, network?, node?.name?);
        let meta_data = meta_data::generate(&user_data.bytes, &network.bytes, &host_name);
        let (user_data, network_config) = (user_data.bytes, network.bytes);
        Some(Self { user_data, network_config, meta_data, network: network.source, host_name })
    }

    /// Whether user-data names the host itself; `None` where that cannot be told.
    pub fn user_data_names_host(&self) -> Option<bool> {
        user_data::names_host(&self.user_data)
    }

    /// What cloud-init will take the user-data for.
    pub fn user_data_kind(&self) -> UserDataKind {
        UserDataKind::detect(&self.user_data)
    }
}

/// The error with all faults, of [`ErrorKind::Documents`]; for ciphertext with the way out.
pub fn refusal(faults: Vec<Fault>) -> Error {
    let is_encrypted = faults.iter().any(|fault| fault.message.contains(choice::ENCRYPTED));
    let error = Error::faults(ErrorKind::Documents, "creating cloud-init data", faults);
    match is_encrypted {
        true => {
            error.hint("decrypt while rendering, and pipe the result: ... | airshipctl bootstrap isogen -")
        }
        false => error,
    }
}

/// The user-data, or faults.
fn user_data_of(
    documents: &DocumentSet,
    builder: &BuilderSection,
    report: &mut Report,
) -> Option<SecretValue> {
    let selection = &builder.user_data;
    let selector = of_kind(&selection.selector, "Secret", "airshipit.org/ephemeral-user-data");
    let document = choice::exactly_one(documents, &selector, &mut report.errors)?;
    secret::value(document, &selection.key, report)
}

/// Seconds since 1970, for what expires.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
}

/// The BareMetalHost that boots from the ISO, or a fault.
fn ephemeral_host<'a>(
    documents: &'a DocumentSet,
    builder: &BuilderSection,
    faults: &mut Vec<Fault>,
) -> Option<&'a Document> {
    let selector = &builder.network_config.selector;
    let selector = of_kind(selector, "BareMetalHost", "airshipit.org/ephemeral-node");
    choice::exactly_one(documents, &selector, faults)
}

/// The configured selector, its kind filled in; else the kind and label that sites use.
fn of_kind(selector: &Option<Selector>, kind: &str, label: &str) -> Selector {
    match selector {
        Some(selector) if selector.kind.is_some() => selector.clone(),
        Some(selector) => Selector { kind: Some(kind.to_owned()), ..selector.clone() },
        None => Selector::labelled(kind, label, &TRUE),
    }
}

#[cfg(test)]
mod tests;
