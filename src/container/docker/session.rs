//! One run of a container in an engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Heed, printable};
use super::create::{self, Wanted};
use super::follow::{From, Onlooker, follow};
use super::leftovers::{self, About, VERSION};
use super::outputs::{self, Before};
use super::pull::Image;
use crate::container::clock::{Clock, Times};
use crate::container::driver::{CommandOutput, KeepContainer, Limits, Run, keep, too_long};
use crate::container::ended::Exit;
use crate::container::log::Log;
use crate::container::record::{self, Record};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::site::volume;

/// For commands of ours in the builder's image.
const CHORE: Duration = Duration::from_secs(60);

/// A run under way. Dropping it ends whatever still runs and finishes the volume's journal.
pub struct Session {
    connection: Arc<Connection>,
    record: Record,
    log: Log,
    state: PathBuf,
    volume: Bound,
    keep: KeepContainer,
    limits: Limits,
    times: Times,
    before: Option<Before>,
    /// Whether the engine has a container of ours.
    made: bool,
}

/// Where the volume is.
struct Bound {
    host: PathBuf,
    container: PathBuf,
}

impl Session {
    /// Records the run, before anything is made that would have to be cleaned up.
    pub fn begin(connection: &Arc<Connection>, state: &Path, image: &Image, run: &Run<'_>) -> Result<Self> {
        let record = recorded(connection, state, image, run.volume.host())?;
        let log = match Log::open(state, record.id(), run.secrets) {
            // what comes over the API needs no pipe
            Ok((log, _)) => log,
            Err(error) => {
                record.discard();
                return Err(error);
            }
        };
        Ok(Self {
            connection: Arc::clone(connection),
            record,
            log,
            state: state.to_owned(),
            volume: Bound { host: run.volume.host().into(), container: run.volume.container().into() },
            keep: run.keep,
            limits: run.limits,
            times: Times { whole: run.timeout, idle: run.idle_timeout },
            before: None,
            made: false,
        })
    }

    /// Makes the container, and then writes the inputs.
    pub fn set_up(mut self, image: &Image, run: &Run<'_>) -> Result<Self> {
        let reader = self.reader(image)?;
        create::create(&self.connection, self.record.id(), &Wanted::builder(image, run))?;
        self.made = true;
        run.volume.stage(self.record.dir(), run.staging)?;
        self.check_view(run)?;
        if let Some(reader) = reader {
            for input in &run.staging.inputs {
                let given = outputs::give(&self.volume.host.join(&input.name), reader);
                given.map_err(|errno| {
                    Error::caused(
                        ErrorKind::Builder,
                        format!("giving {} to the image's user", input.name),
                        &errno,
                    )
                })?;
            }
        }
        self.before = Some(Before::remember(&self.volume.host)?);
        Ok(self)
    }

    /// The ids for which the inputs are, if they are not the caller's. Only root can give them away.
    fn reader(&self, image: &Image) -> Result<Option<(u32, u32)>> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let ids = match outputs::numbers(&image.user) {
            Some(ids) => ids,
            None => {
                let command: &[&str] = &["/bin/sh", "-c", "id -u; id -g"];
                let wanted = Wanted::command(image, Some(command));
                let output = run_command(&self.connection, &self.state, CHORE, &wanted)?;
                outputs::printed_numbers(&output.stdout)?
            }
        };
        Ok((ids.0 != 0).then_some(ids))
    }

    /// An engine elsewhere may have another directory of the same name.
    fn check_view(&self, run: &Run<'_>) -> Result<()> {
        let Some(input) = run.staging.inputs.first() else { return Ok(()) };
        let inside = self.volume.container.join(&input.name);
        let name = create::name(self.record.id());
        let options = bollard::query_parameters::ContainerArchiveInfoOptionsBuilder::default()
            .path(&inside.to_string_lossy())
            .build();
        let seen = self.connection.docker().get_container_archive_info(&name, Some(options));
        match self.connection.find(ErrorKind::Host, Heed::Signals, seen)? {
            Some(_) => Ok(()),
            None => Err(create::unseen(&self.volume.host)),
        }
    }

    /// Where the volume's journal is.
    pub fn dir(&self) -> &Path {
        self.record.dir()
    }

    /// Starts the builder and sees it to its end; then its inputs go, and its outputs become the
    /// caller's.
    pub fn run(&mut self, image: &Image) -> Result<()> {
        let interrupt = self.connection.interrupt().clone();
        let clock = Clock::start(self.times, Instant::now());
        let mut hearing = Hearing { log: &mut self.log, clock, interrupt: &interrupt };
        let end = follow(&self.connection, &create::name(self.record.id()), &mut hearing);
        let expired = hearing.clock.error();
        self.log.finish();
        let end = end.and_then(|end| match unstarted(end, &self.log.tail()) {
            Some(error) => Err(error),
            None => Ok(end),
        });
        if let Err(error) = volume::remove_inputs(self.record.dir()) {
            tracing::warn!("{error}");
        }
        self.verdict(&interrupt, end, expired)?;
        self.take_over(image)
    }

    fn verdict(&self, interrupt: &Interrupt, end: Result<Exit>, expired: Option<Error>) -> Result<()> {
        interrupt.check()?;
        let judged = end.and_then(|end| match expired {
            Some(error) => Err(error),
            None => end.judge(self.limits.memory),
        });
        judged.map_err(|error| self.log.quote(error))
    }

    fn take_over(&self, image: &Image) -> Result<()> {
        let (host, Some(before)) = (&self.volume.host, &self.before) else { return Ok(()) };
        let names = before.new_ones(host)?;
        if names.is_empty() {
            return Ok(());
        }
        if !nix::unistd::geteuid().is_root()
            && let Err(error) = self.have_given(image, &names)
        {
            tracing::debug!("{error}");
        }
        outputs::take_over(host, &before.new_ones(host)?)
    }

    /// Has the engine make the files ours, which it may and we may not.
    fn have_given(&self, image: &Image, names: &[PathBuf]) -> Result<()> {
        let owner = format!("{}:{}", nix::unistd::geteuid(), nix::unistd::getegid());
        let paths = names.iter().map(|name| self.volume.container.join(name).to_string_lossy().into_owned());
        let paths: Vec<String> = paths.collect();
        let command: Vec<&str> =
            ["chown", "-h", &owner, "--"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let volume = Some((self.volume.host.as_path(), self.volume.container.as_path()));
        let wanted = Wanted { volume, user: Some("0:0"), ..Wanted::command(image, Some(&command)) };
        let output = run_command(&self.connection, &self.state, CHORE, &wanted)?;
        match output.code {
            0 => Ok(()),
            code => Err(Error::new(ErrorKind::Output, format!("chown in the image ended with {code}"))),
        }
    }

    /// Removes the container, unless it is kept.
    pub fn remove(&mut self) -> Result<()> {
        if self.made && self.keep == KeepContainer::Never {
            create::remove(&self.connection, self.record.id())?;
            self.made = false;
        }
        Ok(())
    }

    fn how_to_inspect(&self) -> String {
        let (docker, name) = (self.connection.address().docker_command(), create::name(self.record.id()));
        format!(
            "The container is kept.\n  look into it: {docker} start -ai {name}\n  remove it: {docker} rm -f {name}"
        )
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let dir = self.record.dir();
        let finished = match self.made && self.keep == KeepContainer::Always {
            true => leftovers::finish_volume(dir),
            false => leftovers::finish(Ok(&self.connection), dir),
        };
        match finished {
            Err(error) => tracing::warn!("cleaning up {}: {error}", dir.display()),
            Ok(()) if self.made && self.keep == KeepContainer::Always => {
                tracing::info!("{}", self.how_to_inspect());
            }
            Ok(()) => {}
        }
    }
}

/// Listens to a builder.
struct Hearing<'a> {
    log: &'a mut Log,
    clock: Clock,
    interrupt: &'a Interrupt,
}

impl Onlooker for Hearing<'_> {
    fn heard(&mut self, _: From, bytes: &[u8]) {
        self.clock.heard(Instant::now());
        self.log.take(bytes);
    }

    fn due(&mut self) -> Result<Option<i32>> {
        Ok(self.clock.signal(self.interrupt, Instant::now()))
    }
}

fn recorded(connection: &Connection, state: &Path, image: &Image, volume: &Path) -> Result<Record> {
    let about = About {
        version: VERSION,
        engine: connection.address().clone(),
        image: image.name.clone(),
        started: record::now(),
        volume: volume.to_owned(),
    };
    Record::create(state, &about)
}

/// Runs a command in a container of its own, which is gone afterwards.
pub fn run_command(
    connection: &Connection,
    state: &Path,
    timeout: Duration,
    wanted: &Wanted<'_>,
) -> Result<CommandOutput> {
    connection.interrupt().check()?;
    let record = recorded(connection, state, wanted.image, Path::new(""))?;
    let ran = command_in(connection, record.id(), timeout, wanted);
    let finished = leftovers::finish(Ok(connection), record.dir());
    let output = ran?;
    finished.map(|()| output)
}

fn command_in(
    connection: &Connection,
    id: &str,
    timeout: Duration,
    wanted: &Wanted<'_>,
) -> Result<CommandOutput> {
    create::create(connection, id, wanted)?;
    let output = CommandOutput { stdout: Vec::new(), stderr: Vec::new(), code: 0 };
    let interrupt = connection.interrupt().clone();
    let mut waiting = Waiting { output, interrupt, timeout, begun: Instant::now() };
    let end = follow(connection, &create::name(id), &mut waiting)?;
    if let Some(error) = unstarted(end, &String::from_utf8_lossy(&waiting.output.stderr)) {
        return Err(error);
    }
    Ok(CommandOutput { code: end.code, ..waiting.output })
}

/// With an init in between, the engine does not notice that a command cannot be executed: only the
/// init's last words and its exit code tell.
fn unstarted(end: Exit, said: &str) -> Option<Error> {
    let (_, words) = said.rsplit_once("[FATAL tini").filter(|_| matches!(end.code, 126 | 127))?;
    let (name, reason) = words.split_once("exec ")?.1.split_once(" failed: ")?;
    let why = format!("starting {}: {}", printable(name), printable(reason));
    Some(
        Error::new(ErrorKind::Builder, why)
            .hint("is the command in the image, with its interpreter, and executable?"),
    )
}

/// Waits for a command.
struct Waiting {
    output: CommandOutput,
    interrupt: Interrupt,
    timeout: Duration,
    begun: Instant,
}

impl Onlooker for Waiting {
    fn heard(&mut self, from: From, bytes: &[u8]) {
        let kept = match from {
            From::Stdout => &mut self.output.stdout,
            From::Stderr => &mut self.output.stderr,
        };
        keep(kept, bytes);
    }

    fn due(&mut self) -> Result<Option<i32>> {
        self.interrupt.check()?;
        match self.begun.elapsed() >= self.timeout {
            true => Err(too_long(self.timeout)),
            false => Ok(None),
        }
    }
}
