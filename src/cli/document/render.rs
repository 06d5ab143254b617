//! `airshipctl document render`.

use std::path::PathBuf;

use airshipctl::error::Result;
use airshipctl::site::document::{Document, DocumentSet, LabelSelector, to_json, to_yaml};
use clap::{Args, ValueEnum};

use crate::cli::config::AirshipArgs;
use crate::cli::print;

/// Print the site's documents as they are after rendering. Secrets are printed with what they hold.
#[derive(Args)]
#[command(after_help = crate::cli::EXIT_CODES)]
pub struct RenderArgs {
    /// A directory (kustomization or plain *.yaml) or a file with the site's documents; `-` reads a
    /// multi-document stream from standard input [default: found through the airshipctl config].
    #[arg(value_name = "DOCUMENTS")]
    documents: Vec<PathBuf>,
    #[command(flatten)]
    airship: AirshipArgs,
    /// Only documents whose labels match, as `app=web,tier in (a,b),!old`.
    #[arg(short = 'l', long, value_name = "LABELS", value_parser = LabelSelector::parse)]
    selector: Option<LabelSelector>,
    /// Only documents of this kind (may be repeated).
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// yaml is a stream of documents with `---` between them, json one List.
    #[arg(short, long, value_name = "FORM", default_value = "yaml")]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Yaml,
    Json,
}

pub fn run(args: RenderArgs) -> Result<()> {
    let source = super::located(args.documents, &args.airship.options())?;
    let documents = DocumentSet::read(&source)?;
    let wanted = |document: &&Document| {
        (args.kinds.is_empty() || args.kinds.iter().any(|kind| kind == document.kind()))
            && args.selector.as_ref().is_none_or(|labels| labels.matches(|key| document.label(key)))
    };
    let documents = documents.documents().iter().filter(wanted);
    match args.output {
        Form::Yaml => print(&to_yaml(documents)),
        Form::Json => print(&to_json(documents)),
    }
}
