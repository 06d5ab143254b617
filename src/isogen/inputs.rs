//! The configuration and the documents of a run: as given, else as the airshipctl config has them.

use super::SiteOptions;
use crate::error::Result;
use crate::site::config::IsoConfiguration;
use crate::site::config::airship::{AirshipConfig, Selected};
use crate::site::document::Source;

const HINT: &str = "give the isogen configuration with --conf FILE and name a directory or file with the site's \
                    documents (`-` for standard input), or name an airshipctl config with --airshipconf FILE";

/// Each that is given stands for itself; the airshipctl config is read only for what is not. One may be
/// had without the other; where the airshipctl config itself is at fault, both have the same error.
pub(super) fn inputs(options: &SiteOptions) -> (Result<IsoConfiguration>, Result<Source>) {
    let (path, documents) = (options.configuration.as_deref(), options.documents.as_ref());
    if let (Some(path), Some(documents)) = (path, documents) {
        return (IsoConfiguration::load(path), Ok(documents.clone()));
    }
    let config = AirshipConfig::load(&options.airship, HINT);
    let selected = match &config {
        Ok(config) => config.select(options.airship.context.as_deref()),
        Err(error) => Err(error.clone()),
    };
    if let (Ok(config), Ok(selected)) = (&config, &selected) {
        tracing::info!("Using context {:?} of {}", selected.name(), config.path().display());
    }
    let found = || selected.as_ref().map_err(Clone::clone);
    let configuration = path.map_or_else(|| found().and_then(Selected::isogen), IsoConfiguration::load);
    let documents = documents.map(|documents| Ok(documents.clone()));
    let documents = documents.unwrap_or_else(|| found().and_then(Selected::documents).map(Source::Path));
    (configuration, documents)
}
