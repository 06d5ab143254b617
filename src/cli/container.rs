//! `airshipctl container …`: what runs have left, by hand.

mod terminal;
mod text;

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use airshipctl::container::kept::{self, Scope, Shell};
use airshipctl::error::{Doing, ErrorKind, Result};
use airshipctl::interrupt::Interrupt;
use clap::{Args, Subcommand};
use serde::Serialize;

use self::terminal::Terminal;
use super::isogen::state_dir;
use super::output::Output;

#[derive(Subcommand)]
pub enum ContainerCommand {
    /// List what runs have left: containers that run, that --debug kept, and that were killed.
    Ls {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        form: Form,
    },
    /// Print what the builder of a run wrote, also when its container is gone.
    Logs {
        /// The id, or as much of its beginning as no other has.
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Run a command in a container that was kept, and end with its exit code. What it changes does not
    /// stay; the volume is there to be read.
    Shell {
        /// The id, or as much of its beginning as no other has.
        id: String,
        /// The command [default: /bin/sh].
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Remove containers that were kept or killed.
    Rm {
        /// Ids, or as much of their beginning as no other has.
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<String>,
        /// All that were kept.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        form: Form,
    },
    /// Clean up after all runs that were killed, as the next run would, and remove all but the 20
    /// newest logs.
    Prune {
        /// Containers that were kept, and the logs of all runs that are over, too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        form: Form,
    },
}

/// What all of them take.
#[derive(Args)]
pub struct Common {
    /// Directory with the records of runs and the logs [default: /var/lib/airshipctl as root, else
    /// $XDG_STATE_HOME/airshipctl].
    #[arg(long, value_name = "DIR", env = "AIRSHIP_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct Form {
    /// Form of the result; json is one document with the keys listed in the README.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// Lists stand below a key, so that more can be said beside them later.
#[derive(Serialize)]
struct Containers<T> {
    containers: Vec<T>,
}

/// Returns the exit code: that of the command for a shell, else 0.
pub fn run(command: ContainerCommand) -> Result<u8> {
    match command {
        ContainerCommand::Ls { common, form } => {
            let result = Containers { containers: kept::list(&common.state()?)? };
            form.print(&result, || text::listed(&result.containers))?;
        }
        ContainerCommand::Logs { id, common } => print_log(&kept::log_of(&common.state()?, &id)?)?,
        ContainerCommand::Shell { id, command, common } => return shell(&common.state()?, &id, command),
        ContainerCommand::Rm { ids, all, common, form } => {
            let state = common.state()?;
            let removed = if all { kept::remove_kept(&state)? } else { kept::remove(&state, &ids)? };
            let result = Containers { containers: removed };
            form.print(&result, || text::removed(&result.containers))?;
        }
        ContainerCommand::Prune { all, common, form } => {
            let pruned = kept::prune(&common.state()?, if all { Scope::All } else { Scope::Dead })?;
            form.print(&pruned, || text::pruned(&pruned))?;
        }
    }
    Ok(0)
}

impl Common {
    fn state(&self) -> Result<PathBuf> {
        state_dir(self.state_dir.clone())
    }
}

impl Form {
    fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        self.output.print(result, text)
    }
}

/// Byte by byte, but for a terminal, which the builder shall not steer.
fn print_log(path: &Path) -> Result<()> {
    let doing = || format!("reading the log {}", path.display());
    let file = File::open(path).doing(ErrorKind::Internal, doing)?;
    let mut out = std::io::stdout().lock();
    if !out.is_terminal() {
        return std::io::copy(&mut &file, &mut out).map(drop).doing(ErrorKind::Internal, doing);
    }
    let (mut lines, mut line) = (BufReader::new(file), Vec::new());
    // a line may be as long as the log
    while lines.by_ref().take(1 << 16).read_until(b'\n', &mut line).doing(ErrorKind::Internal, doing)? > 0 {
        let shown = text::lines(&String::from_utf8_lossy(&line));
        std::io::Write::write_all(&mut out, shown.as_bytes()).doing(ErrorKind::Internal, doing)?;
        line.clear();
    }
    Ok(())
}

fn shell(state: &Path, id: &str, command: Vec<String>) -> Result<u8> {
    let command = if command.is_empty() { vec!["/bin/sh".to_owned()] } else { command };
    // before the threads, which would take the signals
    let interrupt = Interrupt::from_signals()?;
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let terminal = match input.is_terminal() && output.is_terminal() {
        true => Some(Terminal::open()?),
        false => None,
    };
    let stdio = match &terminal {
        Some((_, inner)) => [inner.as_fd(), inner.as_fd(), inner.as_fd()],
        None => [input.as_fd(), output.as_fd(), error.as_fd()],
    };
    let variable = std::env::var("TERM").ok().filter(|_| terminal.is_some());
    let environment = variable.map(|term| format!("TERM={term}")).into_iter().collect();
    let ended = kept::enter(state, id, Shell { command, environment, stdio, interrupt });
    if let Some((terminal, inner)) = terminal {
        drop(inner);
        drop(terminal);
    }
    let code = ended?;
    u8::try_from(code).doing(ErrorKind::Internal, || format!("ending with code {code}"))
}
