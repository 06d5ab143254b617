//! The configuration and the documents of a run: as given, else as the airshipctl config has them.

use super::SiteOptions;
use crate::error::Result;
use crate::site::config::IsoConfiguration;
use crate::site::config::airship::AirshipConfig;
use crate::site::document::Source;

const HINT: &str = "give the isogen configuration with --conf FILE and name a directory or file with the site's \
                    documents (`-` for standard input), or name an airshipctl config with --airshipconf FILE";

/// Each that is given stands for itself; the airshipctl config is read only for what is not.
pub(super) fn inputs(options: &SiteOptions) -> Result<(IsoConfiguration, Source)> {
    let (path, documents) = (options.configuration.as_deref(), options.documents.as_ref());
    if let (Some(path), Some(documents)) = (path, documents) {
        return Ok((IsoConfiguration::load(path)?, documents.clone()));
    }
    let config = AirshipConfig::load(&options.airship, HINT)?;
    let selected = config.select(options.airship.context.as_deref())?;
    tracing::info!("Using context {:?} of {}", selected.name(), config.path().display());
    let configuration = path.map_or_else(|| selected.isogen(), IsoConfiguration::load)?;
    let documents = documents.map_or_else(|| selected.documents().map(Source::Path), |it| Ok(it.clone()))?;
    Ok((configuration, documents))
}
