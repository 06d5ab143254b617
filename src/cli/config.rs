//! `airshipctl config …`: the airshipctl config, looked at, and its current context changed.

use std::path::PathBuf;

use airshipctl::error::Result;
use airshipctl::site::config::airship::{AirshipConfig, AirshipOptions, Listed, Switched};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::Output;
use super::print;

const HINT: &str = "name it with --airshipconf FILE or $AIRSHIPCONFIG";

/// Which airshipctl config.
#[derive(Args)]
pub struct FileArgs {
    /// The airshipctl config [default: $AIRSHIPCONFIG, else $HOME/.airship/config].
    #[arg(long, value_name = "FILE")]
    airshipconf: Option<PathBuf>,
}

/// Shared by the commands that find documents or configuration through an airshipctl config.
#[derive(Args)]
pub struct AirshipArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The context of the airshipctl config that is meant [default: its current context].
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Show the airshipctl config in today's spelling, without secrets and comments.
    View {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        form: Form,
    },
    /// List the contexts; the current one has a star.
    GetContexts {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        form: Form,
    },
    /// Make a context the current one; nothing else in the file changes.
    UseContext {
        /// The context.
        name: String,
        #[command(flatten)]
        file: FileArgs,
    },
    /// Print the name of the current context.
    CurrentContext {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Args)]
pub struct Form {
    /// Form of the result; json is one document with the keys listed in the README.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contexts<'a> {
    contexts: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    manifest: Option<&'a str>,
    current: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Current<'a> {
    current_context: &'a str,
}

pub fn run(command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::View { file, form } => {
            let config = file.load()?;
            form.output.print(&config.view_json(), || config.view())
        }
        ConfigCommand::GetContexts { file, form } => {
            let config = file.load()?;
            let result = Contexts { contexts: config.contexts().map(Row::from).collect() };
            form.output.print(&result, || table(&result.contexts))
        }
        ConfigCommand::UseContext { name, file } => use_context(&file.load()?, &name),
        ConfigCommand::CurrentContext { file, form } => {
            let config = file.load()?;
            let current_context = config.current_context()?;
            form.output.print(&Current { current_context }, || format!("{}\n", line(current_context)))
        }
    }
}

fn use_context(config: &AirshipConfig, name: &str) -> Result<()> {
    print(&match config.use_context(name)? {
        Switched::Changed => format!("the current context is now {}\n", line(name)),
        Switched::Unchanged => format!("the current context is {} already\n", line(name)),
    })
}

impl FileArgs {
    fn options(self) -> AirshipOptions {
        AirshipOptions { file: self.airshipconf, context: None }
    }

    fn load(self) -> Result<AirshipConfig> {
        AirshipConfig::load(&self.options(), HINT)
    }
}

impl AirshipArgs {
    pub fn options(self) -> AirshipOptions {
        AirshipOptions { file: self.file.airshipconf, context: self.context }
    }
}

impl<'a> From<Listed<'a>> for Row<'a> {
    fn from(listed: Listed<'a>) -> Self {
        Self { name: listed.name, manifest: listed.manifest, current: listed.is_current }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let width = rows.iter().map(|row| line(row.name).chars().count()).max().unwrap_or(0).max(4);
    let written = |mark: &str, name: &str, manifest: &str| {
        format!("{mark:<7}  {name:<width$}  {manifest}").trim_end().to_owned() + "\n"
    };
    let row = |row: &Row<'_>| {
        let manifest = row.manifest.map_or_else(String::new, line);
        written(if row.current { "*" } else { "" }, &line(row.name), &manifest)
    };
    written("CURRENT", "NAME", "MANIFEST") + &rows.iter().map(row).collect::<String>()
}

/// On one line, control characters escaped: terminals obey them.
fn line(name: &str) -> String {
    match name.chars().any(char::is_control) {
        true => name.escape_debug().to_string(),
        false => name.to_owned(),
    }
}
