//! Which site: the arguments of all commands that read one.

use std::path::PathBuf;

use airshipctl::error::{Error, ErrorKind, Result};
use airshipctl::isogen::{SiteOptions, Strictness};
use airshipctl::site::config::Network;
use airshipctl::site::document::Source;
use airshipctl::site::volume::InputsAfter;
use clap::Args;

use super::config::AirshipArgs;

/// Shared by the commands that read documents and configuration.
#[derive(Args)]
pub struct SiteArgs {
    /// A directory (kustomization or plain *.yaml) or a file with the site's documents; `-` reads a
    /// rendered multi-document stream from standard input [default: found through the airshipctl config].
    #[arg(value_name = "DOCUMENTS")]
    documents: Vec<PathBuf>,
    /// The isogen configuration [default: found through the airshipctl config].
    #[arg(short, long = "conf", value_name = "FILE")]
    configuration: Option<PathBuf>,
    #[command(flatten)]
    airship: AirshipArgs,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
}

impl SiteArgs {
    /// As the library takes them.
    pub fn options(self, network: Option<Network>, inputs_after: InputsAfter) -> Result<SiteOptions> {
        Ok(SiteOptions {
            configuration: self.configuration,
            documents: source(self.documents)?,
            airship: self.airship.options(),
            network,
            strictness: if self.strict { Strictness::Strict } else { Strictness::Lenient },
            inputs_after,
        })
    }
}

/// Where the documents are, if DOCUMENTS says so.
pub fn source(mut documents: Vec<PathBuf>) -> Result<Option<Source>> {
    let usage = |text: &str| Error::new(ErrorKind::Usage, text);
    match (documents.pop(), documents.pop()) {
        (Some(only), None) if only.as_os_str() == "-" => Ok(Some(Source::Stdin)),
        (Some(only), None) => Ok(Some(Source::Path(only))),
        (None, _) => Ok(None),
        (Some(a), Some(b)) if a.as_os_str() == "-" || b.as_os_str() == "-" => {
            Err(usage("`-` replaces DOCUMENTS and cannot be given with them"))
        }
        _ => Err(usage("more than one DOCUMENTS is given").hint("put them into one directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_stands_alone() {
        let of = |names: &[&str]| source(names.iter().map(PathBuf::from).collect());
        assert!(matches!(of(&["-"]), Ok(Some(Source::Stdin))));
        assert!(matches!(of(&["dir"]), Ok(Some(Source::Path(_)))));
        assert!(matches!(of(&[]), Ok(None)));
        for wrong in [&["-", "dir"][..], &["dir", "-"], &["a", "b"], &["-", "-"]] {
            assert!(of(wrong).is_err_and(|error| error.kind() == ErrorKind::Usage), "{wrong:?}");
        }
    }
}
