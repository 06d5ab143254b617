//! The names of the ladder's rungs on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::driver::Rootless;
use crate::error::{Error, ErrorKind, Result};

impl Rootless {
    pub const ALL: [Self; 5] = [Self::Auto, Self::Root, Self::Subid, Self::Emulate, Self::Single];

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Root => "root",
            Self::Subid => "subid",
            Self::Emulate => "emulate",
            Self::Single => "single",
        }
    }
}

/// As it is displayed.
impl Serialize for Rootless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Rootless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rootless {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|rung| rung.name() == text);
        found.ok_or_else(|| {
            let why = format!("{text:?} is not auto, root, subid, emulate or single");
            Error::new(ErrorKind::Usage, why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for rung in Rootless::ALL {
            assert_eq!(rung.to_string().parse::<Rootless>(), Ok(rung));
        }
        assert_eq!("rootless".parse::<Rootless>().unwrap_err().kind(), ErrorKind::Usage);
    }
}
