//! From the context to its entry of `bootstrapInfo`, which hangs on the cluster. Which cluster that is
//! only the kubeconfig says, and that is often not there; then it is guessed, in an order that users
//! have come to rely on.

use std::path::Path;

use super::{Bootstrap, Cluster, Selected, Written, words};
use crate::error::{Error, Fault, Result};
use crate::site::config::isogen;
use crate::site::yaml::{Fields, Node, Origin};

/// The entry, if there is one, and how it was looked for.
pub(super) struct Hop<'a> {
    pub entry: Option<&'a Bootstrap>,
    pub tried: Vec<String>,
    pub warnings: Vec<Fault>,
}

/// What stands in for the kubeconfig, in this order.
#[derive(Clone, Copy)]
enum Guess<'a> {
    Named(&'a str),
    Only,
}

impl<'a> Selected<'a> {
    /// Fails where a cluster refers to an entry that is not there.
    pub(super) fn hop(&self) -> Result<Hop<'a>> {
        let mut hop = Hop { entry: None, tried: Vec::new(), warnings: Vec::new() };
        if self.config.bootstrap.is_empty() {
            hop.tried.push("`bootstrapInfo` (has no entries)".into());
            return Ok(hop);
        }
        if let Some(cluster) = self.cluster_by_kubeconfig(&mut hop) {
            hop.entry = self.entry_of(cluster)?;
        }
        let name = self.context.name.text.as_str();
        let default = (name != "default").then_some(Guess::Named("default"));
        for guess in [Guess::Named(name), Guess::Only].into_iter().chain(default) {
            if hop.entry.is_none() {
                hop.entry = self.guessed(guess, &mut hop.tried)?;
            }
        }
        Ok(hop)
    }

    /// What the guess means as a cluster's name, or else as an entry's.
    fn guessed(&self, guess: Guess<'_>, tried: &mut Vec<String>) -> Result<Option<&'a Bootstrap>> {
        let (clusters, entries) = (&self.config.clusters, &self.config.bootstrap);
        let cluster = match guess {
            Guess::Named(name) => clusters.iter().find(|cluster| cluster.name.text == name),
            Guess::Only => clusters.first().filter(|_| clusters.len() == 1),
        };
        if let Some(found) = cluster.map(|cluster| self.entry_of(cluster)).transpose()?.flatten() {
            return Ok(Some(found));
        }
        let entry = match guess {
            Guess::Named(name) => entries.iter().find(|entry| entry.name.text == name),
            Guess::Only => entries.first().filter(|_| entries.len() == 1),
        };
        if entry.is_none() {
            tried.push(match guess {
                Guess::Named(name) => format!("cluster and `bootstrapInfo` {name:?} (not there)"),
                Guess::Only => {
                    format!(
                        "the only cluster and `bootstrapInfo` (there are {} and {})",
                        clusters.len(),
                        entries.len()
                    )
                }
            });
        }
        Ok(entry)
    }

    fn entry_of(&self, cluster: &Cluster) -> Result<Option<&'a Bootstrap>> {
        let Some(wanted) = &cluster.bootstrap else { return Ok(None) };
        let entries = &self.config.bootstrap;
        let found = entries.iter().find(|entry| entry.name.text == wanted.text);
        found.map(Some).ok_or_else(|| self.unknown(wanted))
    }

    fn unknown(&self, wanted: &Written) -> Error {
        let names = self.config.bootstrap.iter().map(|entry| entry.name.text.as_str());
        let message = format!("there is no `bootstrapInfo` {:?}; {}", wanted.text, words::there_are(names));
        self.config.refusal(super::isogen::DOING, "unknown-bootstrap-info", Some(wanted.mark), message)
    }

    /// The cluster of the context as `$HOME/.airship/kubeconfig` has it, where it is called
    /// `<cluster>_ephemeral` or `<cluster>_target`.
    fn cluster_by_kubeconfig(&self, hop: &mut Hop<'a>) -> Option<&'a Cluster> {
        let path = self.config.home.as_ref()?.join(".airship/kubeconfig");
        let shown = path.display().to_string();
        if path.symlink_metadata().is_err() {
            hop.tried.push(format!("{shown} (not there)"));
            return None;
        }
        let name = match self.cluster_name(&path) {
            Ok(Some(name)) => name,
            Ok(None) => {
                hop.tried.push(format!("{shown} (does not have the context)"));
                return None;
            }
            Err(error) => {
                hop.tried.push(format!("{shown} (cannot be read)"));
                let fault = Fault::new(super::of_file(&shown), format!("is passed over: {error}"));
                hop.warnings.push(fault.coded("kubeconfig-unreadable"));
                return None;
            }
        };
        let plain = name.strip_suffix("_ephemeral").or(name.strip_suffix("_target")).unwrap_or(&name);
        let cluster = self.config.clusters.iter().find(|it| it.name.text == plain || it.name.text == name);
        if cluster.is_none_or(|cluster| cluster.bootstrap.is_none()) {
            hop.tried.push(format!("cluster {plain:?}, by {shown} (has no ephemeral `bootstrapInfo`)"));
        }
        cluster
    }

    /// The cluster's name in the kubeconfig. Its contents are secret: errors name no more than places.
    fn cluster_name(&self, path: &Path) -> Result<Option<String>> {
        let context = self.context.kubeconf.as_ref().unwrap_or(&self.context.name);
        let mut faults = Vec::new();
        let origin = Origin::new(&path.display().to_string(), None);
        let node = isogen::root(&origin, &isogen::read(path)?, &mut faults);
        let contexts = node.as_ref().and_then(|node| {
            let root = Fields::of_root(node, &origin, &mut faults)?;
            root.get("contexts").and_then(Node::items)
        });
        let named = |item: &&Node| item.get("name").and_then(Node::text) == Some(&context.text);
        let found = contexts.unwrap_or_default().iter().find(named);
        match faults.is_empty() {
            true => Ok(found.and_then(|item| item.at(&["context", "cluster"])?.text()).map(str::to_owned)),
            false => Err(Error::faults(crate::error::ErrorKind::Usage, "reading it", faults)),
        }
    }
}
