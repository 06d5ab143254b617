//! The four steps, over an engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::create::Wanted;
use super::pull::{self, Credentials, Image, ImageName, When};
use super::session::{Session, run_command};
use crate::container::bundle::check_destination;
use crate::container::driver::{CommandOutput, Run};
use crate::error::{Error, ErrorKind, Result};

/// An engine, an image in it, and perhaps a run.
pub struct Docker {
    connection: Arc<Connection>,
    state: PathBuf,
    image: Option<Image>,
    session: Option<Session>,
}

impl Docker {
    /// Records of runs and logs are kept below `state`.
    pub fn new(connection: Connection, state: PathBuf) -> Self {
        Self { connection: Arc::new(connection), state, image: None, session: None }
    }

    /// Has the image in the engine; [`Docker::use_image`] makes it the one that is run.
    /// Fails with `Image` when it is not had.
    pub fn pull(
        &self,
        name: &ImageName,
        when: When,
        credentials: &dyn Fn() -> Result<Option<Credentials>>,
    ) -> Result<Image> {
        pull::pull(&self.connection, name, when, credentials)
    }

    pub fn use_image(&mut self, image: Image) {
        self.image = Some(image);
    }

    fn image(&self) -> Result<&Image> {
        self.image.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "run before pull"))
    }

    /// Has the container ready to start, with the inputs in the volume.
    pub fn set_up(&mut self, run: &Run<'_>) -> Result<()> {
        check_destination(run.volume.container())?;
        self.connection.interrupt().check()?;
        let image = self.image()?;
        let session = Session::begin(&self.connection, &self.state, image, run)?;
        let set_up = session.set_up(image, run)?;
        self.session = Some(set_up);
        Ok(())
    }

    /// Starts the builder and sees it to its end. Returns the directory with the volume's journal.
    pub fn run(&mut self) -> Result<PathBuf> {
        let nothing = || Error::new(ErrorKind::Internal, "nothing is set up to run");
        let (session, image) = (self.session.as_mut().ok_or_else(nothing)?, self.image.as_ref());
        session.run(image.ok_or_else(nothing)?)?;
        Ok(session.dir().to_owned())
    }

    /// Runs a command of the image, without volume or network.
    pub fn run_with_output(&self, command: &[&str], timeout: Duration) -> Result<CommandOutput> {
        let image = self.image()?;
        run_command(&self.connection, &self.state, timeout, &Wanted::command(image, Some(command)))
    }

    /// Removes the container, unless it is kept.
    pub fn remove(&mut self) -> Result<()> {
        self.session.as_mut().map_or(Ok(()), Session::remove)
    }
}
