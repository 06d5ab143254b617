//! What cloud-init on the ephemeral node will find: user-data, network-config and meta-data.

mod choice;
mod meta_data;
mod network;
mod node;
mod secret;
mod user_data;

use std::fmt;

use crate::error::{Error, ErrorKind, Fault, Result};
use crate::site::config::IsoConfiguration;
use crate::site::document::{Document, DocumentSet, Selector};

pub use network::{NetworkFormat, NetworkSource};
pub use node::{EphemeralNode, MacAddress, SecretReference};
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
    /// Finds the documents of the ephemeral node and takes the files from them.
    ///
    /// Fails with [`ErrorKind::Documents`] and all faults at once: documents not there or not
    /// unique, keys missing, values empty, not base64 or still encrypted.
    pub fn generate(documents: &DocumentSet, configuration: &IsoConfiguration) -> Result<Self> {
        let mut faults = Vec::new();
        let builder = &configuration.builder;
        let user_data = user_data_of(documents, configuration, &mut faults);
        let host = ephemeral_host(documents, configuration, &mut faults);
        let node = host.map(|host| EphemeralNode::read(host, &mut faults));
        let network = host.zip(node.as_ref()).and_then(|(host, node)| {
            network::of(documents, host, node, &builder.network_config.key, &mut faults)
        });
        let host_name = node.and_then(|node| node.name);
        match (user_data, network, host_name) {
            (Some(user_data), Some((network_config, network)), Some(host_name)) if faults.is_empty() => {
                let meta_data = meta_data::generate(&user_data, &network_config, &host_name);
                Ok(Self { user_data, network_config, meta_data, network, host_name })
            }
            _ => Err(refusal(faults)),
        }
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

/// The error with all faults; for ciphertext with the way out.
fn refusal(faults: Vec<Fault>) -> Error {
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
    configuration: &IsoConfiguration,
    faults: &mut Vec<Fault>,
) -> Option<Vec<u8>> {
    let selection = &configuration.builder.user_data;
    let selector = of_kind(&selection.selector, "Secret", "airshipit.org/ephemeral-user-data");
    let document = choice::exactly_one(documents, &selector, faults)?;
    let user_data = secret::value(document, &selection.key, faults)?;
    if UserDataKind::detect(&user_data) == UserDataKind::Unknown {
        tracing::warn!(
            "{}: `{}` begins like nothing that cloud-init knows, such as #cloud-config; it will be ignored",
            document.position(),
            selection.key
        );
    }
    Some(user_data)
}

/// The BareMetalHost that boots from the ISO, or a fault.
fn ephemeral_host<'a>(
    documents: &'a DocumentSet,
    configuration: &IsoConfiguration,
    faults: &mut Vec<Fault>,
) -> Option<&'a Document> {
    let selector = &configuration.builder.network_config.selector;
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
