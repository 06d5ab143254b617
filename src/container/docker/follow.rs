//! A container from its start to its end.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, KillContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::{Stream, StreamExt};

use super::connection::{Connection, Heed, explain, status};
use crate::container::ended::{Exit, OutOfMemory};
use crate::error::{Error, ErrorKind, Result};

/// How soon signals and the clock are looked at.
const TICK: Duration = Duration::from_millis(50);
/// For an engine to pass a signal on.
const KILL: Duration = Duration::from_secs(30);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, EngineError>> + Send>>;

/// One of the container's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Stdout,
    Stderr,
}

/// Who looks on while a container runs.
pub trait Onlooker {
    /// Takes what it printed.
    fn heard(&mut self, from: From, bytes: &[u8]);

    /// Asked many times a second: the signal that is to be passed on now. An error gives up.
    fn due(&mut self) -> Result<Option<i32>>;
}

/// Starts the container `name` and sees it to its end.
pub fn follow(connection: &Connection, name: &str, onlooker: &mut dyn Onlooker) -> Result<Exit> {
    let docker = connection.docker();
    // before the start, or the first lines would be lost
    let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
    let attach = docker.attach_container(name, Some(options));
    let attached = connection.ask(ErrorKind::Host, Heed::Signals, attach);
    let mut output: Output = attached.map_err(|error| error.context("listening to the container"))?.output;
    let start = docker.start_container(name, None::<StartContainerOptions>);
    let started = connection.ask(ErrorKind::Builder, Heed::SecondSignal, start);
    started.map_err(|error| whose_fault(error).context("starting the container"))?;
    let code = connection.run(async {
        listen(connection, name, &mut output, onlooker).await?;
        wait(connection, name, onlooker).await
    })?;
    let inspected = docker.inspect_container(name, None);
    let inspected = connection.ask(ErrorKind::Host, Heed::Nothing, inspected)?;
    let out_of_memory = match inspected.state.and_then(|state| state.oom_killed) {
        Some(true) => OutOfMemory::Yes,
        Some(false) => OutOfMemory::No,
        None => OutOfMemory::Unknown,
    };
    Ok(Exit { code, out_of_memory })
}

/// Privileged means all capabilities that there are, and an engine in a container may lack some.
fn whose_fault(error: Error) -> Error {
    match error.to_string().contains("unable to apply caps") {
        true => error.of_kind(ErrorKind::Host).hint(
            "the engine itself has not all capabilities; do without `privileged`, or use the built-in driver, which gives those that there are: --container-runtime oci",
        ),
        false => error,
    }
}

/// Until the last process that could print has ended, or has closed its output.
async fn listen(
    connection: &Connection,
    name: &str,
    output: &mut Output,
    onlooker: &mut dyn Onlooker,
) -> Result<()> {
    loop {
        pass(connection, name, onlooker).await?;
        match tokio::time::timeout(TICK, output.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(LogOutput::StdErr { message }))) => onlooker.heard(From::Stderr, &message),
            Ok(Some(Ok(other))) => onlooker.heard(From::Stdout, &other.into_bytes()),
            Ok(Some(Err(error))) => return Err(lost(&error)),
            Err(_) => {}
        }
    }
}

async fn wait(connection: &Connection, name: &str, onlooker: &mut dyn Onlooker) -> Result<i32> {
    let mut ends = connection.docker().wait_container(name, None::<WaitContainerOptions>);
    let hung_up = || Error::new(ErrorKind::Host, "the engine does not tell how the container ended");
    loop {
        pass(connection, name, onlooker).await?;
        let code = match tokio::time::timeout(TICK, ends.next()).await {
            Ok(Some(Ok(end))) => end.status_code,
            Ok(Some(Err(EngineError::DockerContainerWaitError { code, .. }))) => code,
            // some engines answer only at the end
            Ok(Some(Err(EngineError::RequestTimeoutError))) => {
                ends = connection.docker().wait_container(name, None::<WaitContainerOptions>);
                continue;
            }
            Ok(Some(Err(error))) => return Err(lost(&error)),
            Ok(None) => return Err(hung_up()),
            Err(_) => continue,
        };
        return i32::try_from(code).map_err(|_| hung_up());
    }
}

fn lost(error: &EngineError) -> Error {
    explain(ErrorKind::Host, error).context("following the container")
}

async fn pass(connection: &Connection, name: &str, onlooker: &mut dyn Onlooker) -> Result<()> {
    let Some(signal) = onlooker.due()? else { return Ok(()) };
    let options = KillContainerOptionsBuilder::default().signal(&signal.to_string()).build();
    let kill = connection.docker().kill_container(name, Some(options));
    match tokio::time::timeout(KILL, kill).await {
        Ok(Ok(())) => Ok(()),
        // it has ended meanwhile
        Ok(Err(error)) if matches!(status(&error), Some(404 | 409)) => Ok(()),
        Ok(Err(error)) => Err(explain(ErrorKind::Host, &error).context("passing a signal on")),
        Err(_) => Err(Error::new(ErrorKind::Host, "passing a signal on: the engine does not answer")),
    }
}
