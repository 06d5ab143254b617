//! `airshipctl bootstrap validate`.

use airshipctl::error::Result;
use airshipctl::isogen::validate::{Finding, Severity, Validation, validate};
use airshipctl::site::volume::InputsAfter;
use clap::Args;

use super::output::Output;
use super::site::SiteArgs;

const HELP: &str = "\
Exit codes:
  0  nothing is wrong; there may be warnings
  2  command line or configuration
  3  site documents; with --strict, warnings too
 Where several are wrong, that of the first in this list.

--output json is one document with these keys:
  version   1; keys are only added to it
  code      the exit code
  findings  list of severity (error, warning), code (the kind of fault, the same in every release, or
            null), file, document, line, column (numbers from 1; null where there is none), message;
            sorted by severity, file and line
  hints     list of ways out
  plan      what would be put where, as of `bootstrap isogen --dry-run --output json`; null with errors";

/// Check configuration, documents and cloud-init data, and tell all that is wrong at once.
///
/// Nothing is built or written; neither network nor privileges are needed. The volume may be absent: a
/// warning says so, also with --strict.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct ValidateArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// Form of the result.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// Prints the report; with errors in it the command fails.
pub fn run(args: ValidateArgs) -> Result<()> {
    let options = args.site.options(None, InputsAfter::Remove)?;
    let validation = validate(&options);
    args.output.print(&validation, || text(&validation))?;
    validation.failure().map_or(Ok(()), Err)
}

fn text(validation: &Validation) -> String {
    let findings = validation.findings.iter().map(|finding| line(finding) + "\n");
    let hints = validation.hints.iter().map(|hint| format!("hint: {hint}\n"));
    let plan = validation.plan.iter().map(ToString::to_string);
    findings.chain(hints).chain(plan).collect()
}

fn line(finding: &Finding) -> String {
    let Finding { severity, file, line, column, document, message, code } = finding;
    let mut text = match severity {
        Severity::Error => "error: ".to_owned(),
        Severity::Warning => "warning: ".to_owned(),
    };
    if let Some(file) = file {
        text += file;
        if let (Some(line), Some(column)) = (line, column) {
            text += &format!(":{line}:{column}");
        }
        text += &document.map_or_else(String::new, |number| format!(" (document {number})"));
        text += ": ";
    }
    text += message;
    text + &code.as_ref().map_or_else(String::new, |code| format!(" [{code}]"))
}
