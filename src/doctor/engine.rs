//! Docker's engine, where runs are to go through it.

use super::Check;
use crate::container::docker::Connection;
use crate::error::{ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::site::config::{ContainerRuntime, IsoConfiguration};

/// Whether an engine is wanted, and how much, as for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    None,
    /// By the configuration: the built-in driver will do too.
    Configured,
    /// By the command line: this or nothing.
    Demanded,
}

impl Wish {
    pub fn of(demanded: Option<ContainerRuntime>, configuration: Option<&IsoConfiguration>) -> Self {
        let configured = configuration.map(|configuration| configuration.container.runtime);
        match (demanded, configured) {
            (Some(ContainerRuntime::Docker), _) => Self::Demanded,
            (None, Some(ContainerRuntime::Docker)) => Self::Configured,
            _ => Self::None,
        }
    }
}

/// What came of connecting.
pub struct Engine {
    /// None where no engine is wanted.
    pub check: Option<Check>,
    /// Where runs go in the words of the report, if one answers.
    pub description: Option<String>,
}

/// Connects as a run does. Only an interrupt is an error.
pub fn engine(wish: Wish, interrupt: &Interrupt) -> Result<Engine> {
    const NAME: &str = "engine";
    if wish == Wish::None {
        return Ok(Engine { check: None, description: None });
    }
    match Connection::of_environment(interrupt) {
        Ok(connection) => {
            let (address, version) = (connection.address(), connection.version());
            let check = Check::ok(NAME, format!("version {version} answers at {address}"));
            let description = Some(format!("by Docker's engine at {address}"));
            Ok(Engine { check: Some(check), description })
        }
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_)) => Err(error),
        Err(error) => {
            let check = match wish {
                Wish::Demanded => Check::fail(NAME, &error),
                _ => Check::warn_of(NAME, &error.context("a run takes the built-in driver")),
            };
            Ok(Engine { check: Some(check), description: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_decides_before_the_configuration() {
        use ContainerRuntime::{Docker, Oci};
        assert_eq!(Wish::of(None, None), Wish::None);
        assert_eq!(Wish::of(Some(Oci), None), Wish::None);
        assert_eq!(Wish::of(Some(Docker), None), Wish::Demanded);
    }
}
