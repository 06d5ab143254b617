//! The driver for Docker's engine: what the wing `image` knows of the image, handed to
//! [`super::docker`], which knows nothing of that wing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::docker::{Connection, Credentials, Docker, ImageName, When};
use super::driver::{CommandOutput, Container, Options, Rootless, Run};
use super::oci;
use crate::error::{Error, Result};
use crate::image::PullPolicy;
use crate::image::digest::Digest;
use crate::image::progress::Stage;
use crate::image::reference::Reference;
use crate::image::registry::{self, Credential, Reach};

/// See [`super::docker`].
pub struct EngineDriver {
    docker: Docker,
    options: Options,
}

impl EngineDriver {
    /// Finds the engine. Gives the options back with the error.
    pub fn connect(options: Options) -> Result<Self, (Error, Box<Options>)> {
        match Connection::of_environment(&options.interrupt) {
            Ok(connection) => {
                let docker = Docker::new(connection, options.state.clone());
                Ok(Self { docker, options })
            }
            Err(error) => Err((error, Box::new(options))),
        }
    }

    fn when(&self) -> When {
        let Options { pull, reference, access, .. } = &self.options;
        let may_ask = !reference.is_local() && access.reach == Reach::Online;
        match pull {
            PullPolicy::Always if may_ask => When::Always,
            PullPolicy::Missing if may_ask => When::Missing,
            _ => When::Never,
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let Options { access, reference, interrupt, .. } = &self.options;
        let found = registry::credential(access, reference, interrupt)?;
        Ok(found.map(|credential| match credential {
            Credential::Basic { user, password } => Credentials::Password { user, password },
            Credential::Identity(token) => Credentials::Identity(token),
        }))
    }

    /// What is said of registries and id mappings is for the built-in driver; the engine has settings
    /// of its own.
    fn warn_of_options(&self) {
        let Options { access, rootless, .. } = &self.options;
        let options = [
            ("--ca-file", !access.ca_files.is_empty()),
            ("--insecure-registry", !access.insecure.is_empty()),
            ("--rootless", *rootless != Rootless::Auto),
        ];
        for (option, _) in options.iter().filter(|(_, given)| *given) {
            tracing::warn!("{option} is for the built-in driver; the engine has settings of its own");
        }
    }
}

impl Container for EngineDriver {
    fn pull(&mut self) -> Result<Digest> {
        oci::reap_dead(&self.options.state);
        self.warn_of_options();
        let name = name(&self.options.reference);
        let pull = || self.docker.pull(&name, self.when(), &|| self.credentials());
        let image = self.options.progress.stage(Stage::Image, pull)?;
        tracing::info!("Using image {}@{}", self.options.reference, image.digest);
        let digest = image.digest.clone();
        self.docker.use_image(image);
        Ok(digest)
    }

    fn run(&mut self, run: &Run<'_>) -> Result<PathBuf> {
        let progress = Arc::clone(&self.options.progress);
        progress.stage(Stage::SetUp, || self.docker.set_up(run))?;
        progress.stage(Stage::Builder, || self.docker.run())
    }

    fn run_with_output(&mut self, command: &[&str], timeout: Duration) -> Result<CommandOutput> {
        self.docker.run_with_output(command, timeout)
    }

    fn remove(&mut self) -> Result<()> {
        self.docker.remove()
    }
}

/// A digest alone decides, whatever the tag says.
fn name(reference: &Reference) -> ImageName {
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    let version = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("@{digest}"),
        (None, tag) => format!(":{}", tag.unwrap_or("latest")),
    };
    ImageName { registry: reference.registry().to_owned(), repository, version }
}
