//! The command line: clap's types, terminal output, and the exit code. No logic.

mod completion;
mod config;
mod container;
mod doctor;
mod document;
mod image;
mod iso;
mod isogen;
mod log;
mod output;
mod progress;
mod registry;
mod site;
mod validate;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use airshipctl::error::{Error, ErrorKind, Result};
use clap::{Args, Parser, Subcommand};

use self::progress::{Console, Form, Timings};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  internal error
  2  command line, configuration or volume
  3  site documents
  4  builder image not had, or not verified
  5  this host cannot run containers
  6  the builder failed, could not start or took too long
  7  output missing or wrong
  129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM";

/// From a site's YAML documents to a bootable ISO for the ephemeral node, without a container daemon.
#[derive(Parser)]
#[command(name = "airshipctl", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// Tell more, show the builder's output, keep its container, and end with a table of what took how
    /// long.
    #[arg(long, global = true)]
    debug: bool,
    /// How progress is shown on standard error: auto is bars on a terminal and plain lines elsewhere;
    /// with json all of standard error is JSON Lines.
    #[arg(long, value_name = "FORM", default_value = "auto", global = true)]
    progress: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bootstrap the ephemeral node.
    #[command(subcommand)]
    Bootstrap(Bootstrap),
    Doctor(doctor::DoctorArgs),
    /// Look at the airshipctl config, and choose the current context.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at the site's documents.
    #[command(subcommand)]
    Document(document::DocumentCommand),
    /// Manage the images in the rootfs cache.
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Look after what runs have left: containers and logs.
    #[command(subcommand)]
    Container(container::ContainerCommand),
    /// Look at ISO and disk images.
    #[command(subcommand)]
    Iso(iso::IsoCommand),
    /// Print the version.
    Version,
    /// Print a shell's completion script.
    Completion {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum Bootstrap {
    Isogen(Box<isogen::IsogenArgs>),
    Validate(validate::ValidateArgs),
}

/// Shared by the commands that use the rootfs cache.
#[derive(Args)]
struct CacheArgs {
    /// Directory of the rootfs cache [default: /var/cache/airshipctl/rootfs-cache as root, else
    /// $XDG_CACHE_HOME/airshipctl/rootfs-cache].
    #[arg(long, value_name = "DIR", env = "AIRSHIP_ROOTFS_CACHE")]
    rootfs_cache: Option<PathBuf>,
    /// A further cache that is only read from, searched before the registry (may be repeated; those
    /// of $AIRSHIP_ADDITIONAL_ROOTFS_CACHES, separated by colons, come after them).
    #[arg(long = "additional-rootfs-cache", value_name = "DIR")]
    additional: Vec<PathBuf>,
}

/// As PATH: directories separated by colons.
const ADDITIONAL: &str = "AIRSHIP_ADDITIONAL_ROOTFS_CACHES";

impl CacheArgs {
    /// The additional caches of the command line, which have to be there, and of the environment.
    fn additional(&self) -> Result<Vec<PathBuf>> {
        if let Some(missing) = self.additional.iter().find(|dir| !dir.exists()) {
            let why = format!("opening additional cache {}: it is not there", missing.display());
            return Err(Error::new(ErrorKind::Usage, why)
                .hint("name an existing rootfs cache or OCI image layout with --additional-rootfs-cache"));
        }
        let listed = std::env::var_os(ADDITIONAL).unwrap_or_default();
        let listed = std::env::split_paths(&listed).filter(|dir| !dir.as_os_str().is_empty());
        Ok(self.additional.iter().cloned().chain(listed).collect())
    }

    fn dir(&self) -> Result<PathBuf> {
        self.rootfs_cache.clone().map_or_else(airshipctl::isogen::default_cache, Ok)
    }
}

/// Parses the command line, runs the command, and turns its error into a message and an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (level, timings) = match cli.debug {
        true => (log::Level::Debug, Timings::On),
        false => (log::Level::Info, Timings::Off),
    };
    let console = Console::new(cli.progress, timings);
    log::to_console(level, console.clone());
    let result = run(cli, &console);
    console.finish(&result);
    match result {
        Ok(code) => code.into(),
        Err(error) => error.kind().exit_code().into(),
    }
}

/// Returns the exit code of a command that has one of its own.
fn run(cli: Cli, console: &Console) -> Result<u8> {
    let done = match cli.command {
        Command::Container(command) => return container::run(command),
        Command::Iso(command) => return iso::run(command),
        Command::Bootstrap(Bootstrap::Isogen(args)) => isogen::run(*args, cli.debug, console),
        Command::Bootstrap(Bootstrap::Validate(args)) => validate::run(args),
        Command::Config(command) => config::run(command),
        Command::Doctor(args) => doctor::run(args),
        Command::Document(command) => document::run(command),
        Command::Image(command) => image::run(command, console),
        Command::Version => print(&format!("airshipctl {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Completion { shell } => completion::run(shell),
    };
    done.map(|()| 0)
}

/// Writes a result to standard output.
fn print(text: &str) -> Result<()> {
    use airshipctl::error::Doing;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .doing(ErrorKind::Internal, || "writing to standard output".into())
}
