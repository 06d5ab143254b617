//! `airshipctl document cloud-init`.

use std::io::Write;
use std::path::PathBuf;

use airshipctl::error::{Doing, Error, ErrorKind, Result};
use airshipctl::site::cloudinit::{self, CloudInit, Part, Reveal};
use airshipctl::site::config::{IsoConfiguration, airship};
use airshipctl::site::document::DocumentSet;
use airshipctl::site::report::Report;
use clap::{Args, ValueEnum};

use crate::cli::config::AirshipArgs;

/// Print what cloud-init on the ephemeral node will get, after all checks of it.
#[derive(Args)]
#[command(after_help = crate::cli::EXIT_CODES)]
pub struct CloudInitArgs {
    /// A directory (kustomization or plain *.yaml) or a file with the site's documents; `-` reads a
    /// rendered multi-document stream from standard input [default: found through the airshipctl config].
    #[arg(value_name = "DOCUMENTS")]
    documents: Vec<PathBuf>,
    /// The isogen configuration, for the selectors and keys in it [default: found through the airshipctl
    /// config where DOCUMENTS are, else the labels and keys that sites use].
    #[arg(short, long = "conf", value_name = "FILE")]
    configuration: Option<PathBuf>,
    #[command(flatten)]
    airship: AirshipArgs,
    /// What to print: files is a YAML mapping with all files that a run would write, the others are one
    /// of them as it is, or the network configuration in another format.
    #[arg(long, value_enum, default_value_t = Format::Files)]
    format: Format,
    /// Print the user-data too, with all keys and passwords in it.
    #[arg(long)]
    reveal: bool,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A YAML mapping: meta-data, network-config and, with --reveal, user-data.
    Files,
    /// The network configuration as it is.
    #[value(alias = "as-is")]
    NetworkConfig,
    /// The network configuration, converted to version 2, as cloud-init itself would.
    #[value(alias = "v2")]
    NetworkConfigV2,
    MetaData,
    /// Needs --reveal.
    UserData,
}

pub fn run(args: CloudInitArgs) -> Result<()> {
    let reveal = if args.reveal { Reveal::Secrets } else { Reveal::Nothing };
    let part = match args.format {
        Format::Files => Part::Files(reveal),
        Format::NetworkConfig => Part::NetworkConfig,
        Format::NetworkConfigV2 => Part::NetworkConfigV2,
        Format::MetaData => Part::MetaData,
        Format::UserData if args.reveal => Part::UserData,
        Format::UserData => {
            let error = Error::new(ErrorKind::Usage, "user-data holds secrets, and --reveal is not given");
            return Err(error.hint("add --reveal to print them"));
        }
    };
    let airship = args.airship.options();
    let are_given = !args.documents.is_empty();
    let source = super::located(args.documents, &airship)?;
    let configuration = match args.configuration {
        Some(path) => Some(IsoConfiguration::load(&path)?),
        // documents that were given need not be those of the current context
        None if are_given => None,
        None => airship::isogen(&airship)?,
    };
    let builder = configuration.map_or_else(cloudinit::usual_builder, |found| found.builder);
    let documents = DocumentSet::read(&source)?;
    let mut report = Report::default();
    let data = CloudInit::select(&documents, &builder, &mut report);
    if args.strict {
        report.errors.append(&mut report.warnings);
    }
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let Some(data) = data.filter(|_| report.errors.is_empty()) else {
        return Err(cloudinit::refusal(report.errors));
    };
    let bytes = data.part(part)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&bytes)
        .and_then(|()| out.flush())
        .doing(ErrorKind::Internal, || "writing to standard output".into())
}
