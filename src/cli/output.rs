//! The form of a result on standard output.

use airshipctl::error::{Doing, ErrorKind, Result};
use clap::ValueEnum;
use serde::Serialize;

use super::print;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

impl Output {
    /// Prints a result, which for people is `text`.
    pub fn print(self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        match self {
            Self::Text => print(&text()),
            Self::Json => {
                let json = serde_json::to_string_pretty(result)
                    .doing(ErrorKind::Internal, || "writing the result as JSON".into())?;
                print(&format!("{json}\n"))
            }
        }
    }
}
