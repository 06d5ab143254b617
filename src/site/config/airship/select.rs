//! From the current context to its manifest.

use super::{AirshipConfig, Context, Manifest, Written, words};
use crate::error::Result;

const DOING: &str = "choosing the context";

/// A context of an airshipctl config.
#[derive(Debug)]
pub struct Selected<'a> {
    pub(super) config: &'a AirshipConfig,
    pub(super) context: &'a Context,
}

impl AirshipConfig {
    /// The context called `name`, or else the current one. Fails with [`crate::error::ErrorKind::Usage`]
    /// and the contexts that there are.
    pub fn select(&self, name: Option<&str>) -> Result<Selected<'_>> {
        let (wanted, mark) = match name {
            Some(name) => (name, None),
            None => self.current().map(|written| (written.text.as_str(), Some(written.mark)))?,
        };
        let context = self.contexts.iter().find(|context| context.name.text == wanted).ok_or_else(|| {
            let message = format!("there is no context {wanted:?}; {}", self.there_are_contexts());
            self.refusal(DOING, "unknown-context", mark, message)
        })?;
        Ok(Selected { config: self, context })
    }

    /// `currentContext`.
    pub(super) fn current(&self) -> Result<&Written> {
        self.current_context.as_ref().ok_or_else(|| {
            let message = format!("`currentContext` is not set; {}", self.there_are_contexts());
            self.refusal(DOING, "no-current-context", None, message)
                .hint("choose one with --context NAME, or for good with `airshipctl config use-context NAME`")
        })
    }

    pub(super) fn there_are_contexts(&self) -> String {
        words::there_are(self.contexts.iter().map(|context| context.name.text.as_str()))
    }
}

impl<'a> Selected<'a> {
    /// The name of the context.
    pub fn name(&self) -> &'a str {
        &self.context.name.text
    }

    /// What the context's `manifest` names.
    pub(super) fn manifest(&self) -> Result<&'a Manifest> {
        let Self { config, context } = *self;
        let Some(wanted) = &context.manifest else {
            let message = format!("context {:?} names no `manifest`", context.name.text);
            return Err(config.refusal(DOING, "no-manifest", Some(context.name.mark), message));
        };
        config.manifests.iter().find(|manifest| manifest.name.text == wanted.text).ok_or_else(|| {
            let names = config.manifests.iter().map(|manifest| manifest.name.text.as_str());
            let message = format!("there is no manifest {:?}; {}", wanted.text, words::there_are(names));
            config.refusal(DOING, "unknown-manifest", Some(wanted.mark), message)
        })
    }
}
