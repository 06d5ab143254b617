//! Which file is the airshipctl config.

use std::path::{Path, PathBuf};

use super::{AirshipConfig, of_file, read, words};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::site::config::isogen;

/// What of the process's environment matters.
pub(super) struct Surroundings {
    /// `$AIRSHIPCONFIG`.
    pub variable: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        // as unset: an empty one is how scripts take a variable back
        let variable = std::env::var_os("AIRSHIPCONFIG").filter(|value| !value.is_empty());
        Self { variable: variable.map(PathBuf::from), home: isogen::home() }
    }

    /// `$HOME/.airship/config`.
    fn default_file(&self) -> Option<PathBuf> {
        let home = self.home.as_ref().filter(|home| !home.as_os_str().is_empty())?;
        Some(home.join(".airship/config"))
    }

    /// See [`AirshipConfig::find`]. Who names a file means that file, there or not.
    pub(super) fn find(&self, file: Option<&Path>) -> Result<Option<AirshipConfig>> {
        let named = file.or(self.variable.as_deref()).map(Path::to_owned);
        // a dangling link is there, and worth an error of its own
        let path = named.or_else(|| self.default_file().filter(|path| path.symlink_metadata().is_ok()));
        path.map(|path| self.read(&path)).transpose()
    }

    /// See [`AirshipConfig::load`].
    pub(super) fn load(&self, file: Option<&Path>, otherwise: &str) -> Result<AirshipConfig> {
        self.find(file)?.ok_or_else(|| {
            let default = match self.default_file() {
                Some(path) => format!("{} (not there)", path.display()),
                None => "$HOME/.airship/config ($HOME is not set)".into(),
            };
            let tried = ["--airshipconf (not given)".into(), "$AIRSHIPCONFIG (not set)".into(), default];
            let message = format!("tried {}", words::joined(&tried));
            let fault = Fault::new(None, message).coded("no-airshipctl-config");
            Error::faults(ErrorKind::Usage, "finding the airshipctl config", vec![fault]).hint(otherwise)
        })
    }

    fn read(&self, path: &Path) -> Result<AirshipConfig> {
        let bytes = isogen::read(path).map_err(|error| unreadable(path, &error))?;
        read::parse(path, self.home.as_deref(), &bytes)
    }
}

/// That an airshipctl config cannot be read at all.
pub(super) fn unreadable(path: &Path, error: &Error) -> Error {
    unreadable_file(read::DOING, "airshipctl-config-unreadable", path, error)
}

/// The same of any file.
pub(super) fn unreadable_file(doing: &str, code: &'static str, path: &Path, error: &Error) -> Error {
    let at = of_file(&path.display().to_string());
    Error::faults(ErrorKind::Usage, doing, vec![Fault::new(at, error.to_string()).coded(code)])
}
